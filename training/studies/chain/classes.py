"""The class tables that a bundle plays with, beside the notes it was trained on.

Source: [Liu2025], section 2 and figure 1. In: a bundle's codec and the training pieces of its
corpus. Out: for time shift, duration and change of velocity the data with the borders of its
classes, the width of each class over its value, and the share of notes in each class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.bundle.codecs import codec_as
from streamer.families.chain.codec import ChainCodec, ClassTable, normalised_entropy
from streamer.music.notes import ARGUMENTS, NoteArray
from training.studies.chain.stream import Stage
from training.studies.plots import save, subplots

CELLS = 120
"""Of the histogram of values, evenly over a logarithmic axis."""

WEBER_FROM_MS = 100
"""Below it the just noticeable difference is a constant and no share (docs/design/chain.md)."""

WEBER_LINES = (0.02, 0.1)
"""Shares of the value that are drawn beside the widths."""

_TITLES = {
    "shift": "time shift, ms (below 1 at 1)",
    "duration": "duration, ms",
    "velocity": "velocity change",
}


def classes(stage: Stage, folder: Path) -> dict[str, Any]:
    """Class tables beside the data (paper, figure 1)."""
    codec = codec_as(load_bundle(stage.bundle).codec, ChainCodec)
    train = list(stage.tensors.iterate("train"))
    found = np.concatenate([codec.encode(piece) for piece in train])
    values = _values(train)
    figure, axes = subplots(3, len(_TITLES), width=4.6)
    rows: dict[str, Any] = {"codec": codec.name, "notes": len(found), "arguments": {}}
    for column, name in enumerate(_TITLES):
        table: ClassTable = getattr(codec, name)
        mine = found[:, ARGUMENTS.index(name)]
        share = np.bincount(mine, minlength=table.classes) / len(mine)
        rows["arguments"][name] = class_figures(table, mine, share)
        _draw([row[column] for row in axes], name, table, values[name], share)
    return save(folder, "classes", rows, figure)


def class_figures(
    table: ClassTable, found: NDArray[np.uint8], share: NDArray[np.float64]
) -> dict[str, Any]:
    """Return what a table makes of the notes.

    Args:
        table: Of one argument.
        found: ``(notes,)`` the class of each note.
        share: ``(classes,)`` of the notes, in each class.

    Returns:
        ``classes``; ``balance``, H/ln K, 1 where all are equally frequent; ``used``, classes in
        which there is a note; ``half``, the fewest classes that hold half of the notes;
        ``largest``, the share of the fullest; ``width_of_value``, the median of width over value
        from :data:`WEBER_FROM_MS` on, None where no class lies there.
    """
    left = np.asarray(table.edges[:-1], dtype=np.float64)
    far = left >= WEBER_FROM_MS
    descending = np.cumsum(np.sort(share)[::-1])
    return {
        "classes": table.classes,
        "balance": normalised_entropy(found, table.classes),
        "used": int((share > 0).sum()),
        "half": int(np.searchsorted(descending, 0.5) + 1),
        "largest": float(share.max()),
        "width_of_value": float(np.median(table.widths[far] / left[far])) if far.any() else None,
    }


def _values(pieces: list[NoteArray]) -> dict[str, NDArray[np.float64]]:
    """Return the values of all notes but the first of each piece, which follows nothing."""
    steps = [np.diff(piece["onset_ms"]) for piece in pieces]
    changes = [np.diff(piece["velocity"].astype(np.float64)) for piece in pieces]
    return {
        "shift": np.concatenate(steps),
        "duration": np.concatenate([piece["duration_ms"][1:] for piece in pieces]),
        "velocity": np.concatenate(changes),
    }


def _draw(
    axes: list[Any],
    name: str,
    table: ClassTable,
    values: NDArray[np.float64],
    share: NDArray[np.float64],
) -> None:
    """Draw one argument: data and borders, widths, shares."""
    edges = np.asarray(table.edges, dtype=np.float64)
    data, width, balance = axes
    if name == "velocity":
        cells = np.arange(edges[0], edges[-1] + 1) - 0.5
        middle = np.abs(table.centres)
    else:
        cells = np.geomspace(1.0, edges[-1], CELLS)
        middle = np.maximum(table.centres, 1.0)
        data.set_xscale("log")
        width.set_xscale("log")
        width.set_yscale("log")
        for line in WEBER_LINES:
            ends = np.asarray([10.0, edges[-1]])
            width.plot(ends, line * ends, "k:", linewidth=0.8)
            width.annotate(f"{line:.0%}", (ends[1], line * ends[1]), fontsize=7, ha="right")
    across = data.get_xaxis_transform()
    data.vlines(edges, 0.0, 1.0, transform=across, color="0.8", linewidth=0.5, zorder=0)
    inside = np.clip(values, cells[0], cells[-1])
    heights, *_ = data.hist(inside, bins=cells, weights=np.full(len(inside), 1.0 / len(inside)))
    _cut_off(data, heights)
    data.set_title(f"{_TITLES[name]}: notes, and borders of {table.classes} classes", fontsize=8)
    data.set_ylabel("share of notes", fontsize=7)
    width.plot(middle, table.widths, ".", markersize=4)
    width.set_title("width of each class over its value", fontsize=8)
    balance.bar(np.arange(table.classes), share, width=1.0)
    _cut_off(balance, share)
    balance.axhline(1.0 / table.classes, color="k", linestyle=":", linewidth=0.8)
    balance.set_title("share of notes in each class, by number (dotted: all equal)", fontsize=8)


def _cut_off(axis: Any, heights: NDArray[np.float64]) -> None:
    """Let one bar that dwarfs the others end at the top, and say how high it is."""
    second, largest = np.sort(heights)[-2:].tolist()
    if largest > 3.0 * second > 0.0:
        axis.set_ylim(0.0, 1.5 * second)
        axis.set_xlabel(f"one bar is cut off: {largest:.1%}", fontsize=7)
