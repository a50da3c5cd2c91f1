"""Scales: their names, their notes, and where a note that lies off one is put.

In: the name of a scale, its root, pitches. Out: semitones and pitches as plain numbers. No numpy:
the command line reads the names to answer ``--help``.
"""

from __future__ import annotations

import math
from typing import Literal

OCTAVE = 12
"""Semitones."""

Scale = Literal[
    "off",
    "major",
    "minor",
    "harmonic-minor",
    "dorian",
    "phrygian",
    "lydian",
    "mixolydian",
    "pentatonic",
    "minor-pentatonic",
    "blues",
    "whole-tone",
    "octatonic",
]

SCALE_STEPS: dict[Scale, tuple[int, ...]] = {
    "off": tuple(range(OCTAVE)),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
}
"""Semitones above the root."""

SOFT_LOCK_NATS = 8.0
"""How far notes off the scale are pushed down as the lock comes near to 1, nats."""


def fold(pitch: int, low: int, high: int) -> int:
    """Return the pitch moved by octaves into low..high, which spans at least an octave."""
    if pitch < low:
        return pitch + OCTAVE * -((pitch - low) // OCTAVE)
    if pitch > high:
        return pitch - OCTAVE * -((high - pitch) // OCTAVE)
    return pitch


def scale_targets(pitches: range, scale: Scale, root: int, lock: float) -> dict[int, int | None]:
    """Return where each pitch goes that a scale moves; the others stay.

    A pitch off the scale goes to its next note below, or else above.

    Args:
        pitches: MIDI numbers that there are; none goes to another.
        scale: Name of the scale.
        root: Its first note, semitones above C.
        lock: Share of the foreign pitch classes that are moved, the lowest above the root first:
            1 moves all, 0 none.

    Returns:
        Pitch off the scale to pitch on it; None where no note of the scale is near.
    """
    if scale == "off" or lock <= 0:
        return {}
    steps = SCALE_STEPS[scale]
    foreign = [c for c in range(OCTAVE) if c not in steps]
    foreign = foreign[: math.ceil(len(foreign) * lock)]

    def on_scale(pitch: int) -> bool:
        return pitch in pitches and (pitch - root) % OCTAVE in steps

    return {
        pitch: next(filter(on_scale, (pitch - 1, pitch + 1, pitch - 2, pitch + 2)), None)
        for pitch in pitches
        if (pitch - root) % OCTAVE in foreign
    }
