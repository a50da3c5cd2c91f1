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

from streamer.errors import MidiFileError
from streamer.families.windows.codec import RollCodec
from streamer.midi.beatfile import BeatPiece, read_beats
from streamer.midi.ticks import require_pitched

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
        MidiFileError: As :func:`streamer.midi.midifile.read_midi`; or it has bars that have no
            place, or no note that the model hears.
    """
    piece = read_beats(path)
    require_pitched(piece.drums, str(path))
    notes = piece.notes[~piece.drums]
    inside = (notes["pitch"] >= codec.low) & (notes["pitch"] <= codec.high)
    if not inside.any():
        raise MidiFileError(
            f"{path}: none of its {len(notes)} notes lies in {codec.low}..{codec.high}, which the "
            "model hears; transpose it",
            "range",
        )
    bars = _bars(piece, notes[inside], codec, path)
    if len(bars) > MOST_BARS:
        logger.warning("%s: has %d bars; the first %d are asked", path, len(bars), MOST_BARS)
    return bars[:MOST_BARS]


def _bars(
    piece: BeatPiece, notes: NDArray[Any], codec: RollCodec, path: Path
) -> list[NDArray[np.uint8]]:
    onset, length = codec.grid(notes["onset"], notes["length"])
    pitch = notes["pitch"].astype(np.int64)
    bars: list[NDArray[np.uint8]] = []
    silent = 0
    for first, steps in _lines(piece, float((notes["onset"] + notes["length"]).max()), codec, path):
        near = (onset < first + steps) & (onset + length > first)
        cells = codec.encode(onset[near] - first, length[near], pitch[near])
        cells[steps:] = 0
        silent = 0 if cells.any() else silent + 1
        if (bars or cells.any()) and silent <= MOST_SILENT_BARS:
            bars.append(cells)
        if len(bars) > MOST_BARS:
            break
    while bars and not bars[-1].any():
        bars.pop()
    return bars


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
