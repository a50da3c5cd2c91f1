"""A MIDI file as a query: its bars on the grid of a model that answers.

In: a ``.mid`` file and the codec of a query bundle. Out: cells, bar by bar. Any tempo is taken, for
the file is read in beats; a bar of another metre than four quarters is laid on the model's bar as
it is written, from its first beat on, and what does not fit is said in one line.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.beatfile import BeatPiece, read_beats
from streamer.errors import MidiFileError
from streamer.windows import RollCodec

logger = logging.getLogger(__name__)

MOST_BARS = 4096
"""Longer queries are cut: two hours of music at 120 a minute."""

MOST_SILENT_BARS = 8
"""So many empty bars in a row are kept; further ones say nothing more."""


def read_query(path: Path, codec: RollCodec) -> list[NDArray[np.uint8]]:
    """Return the bars of a file.

    A bar that is shorter than the model's leaves its end empty; one that is longer, such as 5/4, is
    refused, as is one of 7/8: neither has a place on the grid of quarters.

    Args:
        path: The file; drums are left out.
        codec: Of the bundle.

    Returns:
        ``(steps, pitches, layers)`` each, from the first bar with a note on.

    Raises:
        MidiFileError: It cannot be read, has no notes but drums, or bars that have no place.
    """
    piece = read_beats(path)
    notes = piece.notes[~piece.drums]
    if not len(notes):
        what = "only drums" if len(piece.notes) else "no notes"
        raise MidiFileError(
            f"{path}: holds {what}; a query needs notes on other channels than 10", "empty"
        )
    inside = (notes["pitch"] >= codec.low) & (notes["pitch"] <= codec.high)
    if not inside.any():
        raise MidiFileError(
            f"{path}: none of its {len(notes)} notes lies in {codec.low}..{codec.high}, which the "
            "model hears; transpose it",
            "range",
        )
    found = _bars(piece, notes[inside], codec, path)
    if len(found) > MOST_BARS:
        logger.warning("%s: has %d bars; the first %d are asked", path, len(found), MOST_BARS)
    return found[:MOST_BARS]


def _bars(
    piece: BeatPiece, notes: NDArray[Any], codec: RollCodec, path: Path
) -> list[NDArray[np.uint8]]:
    onset, length = codec.grid(notes["onset"], notes["length"])
    pitch = notes["pitch"].astype(np.int64)
    found: list[NDArray[np.uint8]] = []
    silent = 0
    for first, steps in _lines(piece, float((notes["onset"] + notes["length"]).max()), codec, path):
        near = (onset < first + steps) & (onset + length > first)
        cells = codec.encode(onset[near] - first, length[near], pitch[near])
        cells[steps:] = 0
        silent = 0 if cells.any() else silent + 1
        if (found or cells.any()) and silent <= MOST_SILENT_BARS:
            found.append(cells)
        if len(found) > MOST_BARS:
            break
    while found and not found[-1].any():
        found.pop()
    return found


def _lines(piece: BeatPiece, end: float, codec: RollCodec, path: Path) -> list[tuple[int, int]]:
    """Return first step and steps of each bar.

    Raises:
        MidiFileError: A bar has no place on the grid.
    """
    lines: list[tuple[int, int]] = []
    changes = [*((m.onset, m.bar, f"{m.beats}/{m.unit}") for m in piece.metres), (end, 0.0, "")]
    for (start, bar, name), (stop, _, _) in zip(changes, changes[1:], strict=False):
        steps = bar * codec.steps_per_beat
        if steps > codec.steps or abs(steps - round(steps)) > 1e-9 or bar % 1 > 0:
            raise MidiFileError(
                f"{path}: has bars of {name}; the model hears bars of {codec.beats:g} quarter "
                "notes or fewer whole ones: 4/4, 3/4, 2/4, 6/8",
                "metre",
            )
        at = start
        while at < min(stop, end) - 1e-6 and len(lines) <= 4 * MOST_BARS:
            lines.append((round(at * codec.steps_per_beat), round(steps)))
            at += bar
    return lines
