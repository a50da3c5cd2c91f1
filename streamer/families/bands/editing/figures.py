"""Low-level figures of windows of a band: notes, lengths, rests, pitches.

Source: [Valenti2020], section 4.4.

In: states. Out: named numbers, one a window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import DRUMS, PITCHES, TRACKS, sounding_pitches


def metrics(states: NDArray[np.uint8], beats: float) -> dict[str, NDArray[np.float64]]:
    """Return low-level figures of windows by name, one number a window.

    Of each track: notes a beat, mean length of a note in steps, share of silence; of all but the
    drums also mean pitch, and mean step between the pitches of successive notes.

    Args:
        states: ``(windows, steps, 4)``.
        beats: Of a window.
    """
    figures: dict[str, NDArray[np.float64]] = {}
    struck = states < PITCHES
    sounding = sounding_pitches(states) < PITCHES
    pitches = np.where(struck, states, 0).astype(np.float64)
    step, steps = _steps(states, struck)
    for track, name in enumerate(TRACKS):
        notes = struck[..., track].sum(1)
        some = np.maximum(notes, 1)
        figures[f"{name} notes a beat"] = notes / beats
        figures[f"{name} length"] = sounding[..., track].sum(1) / some
        figures[f"{name} silence"] = 1.0 - sounding[..., track].mean(1)
        if track != DRUMS:
            figures[f"{name} pitch"] = pitches[..., track].sum(1) / some
            figures[f"{name} step"] = step[:, track] / np.maximum(steps[:, track], 1)
    return {name: np.asarray(values, dtype=np.float64) for name, values in figures.items()}


def _steps(
    states: NDArray[np.uint8], struck: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum of the pitch steps of each track, and how many there are, ``(n, 4)`` each."""
    at = np.where(struck, np.arange(states.shape[1])[:, None], -1)
    before = np.maximum.accumulate(at, axis=1)[:, :-1]
    last = np.take_along_axis(states, np.maximum(before, 0), axis=1).astype(np.int64)
    again = struck[:, 1:] & (before >= 0)
    moved = np.where(again, np.abs(states[:, 1:].astype(np.int64) - last), 0)
    return moved.sum(1).astype(np.float64), again.sum(1)
