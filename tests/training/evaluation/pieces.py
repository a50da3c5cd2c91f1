"""Made-up music for the tests of the laboratory: structured, and different with every seed."""

from __future__ import annotations

import numpy as np

from streamer.music.notes import NOTE_DTYPE, NoteArray

SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def tune(seed: int, notes: int = 800) -> NoteArray:
    """A wandering line in a key, with phrases that return, swells, chords and a pedal.

    What differs from seed to seed (key, tempo, touch) differs from note to note much less, as
    in the works of real music.
    """
    rng = np.random.default_rng(seed)
    key, beat, loudness = int(rng.integers(12)), float(rng.uniform(150, 350)), rng.uniform(50, 80)
    degree = np.cumsum(rng.choice([-2, -1, -1, 1, 1, 2], notes))
    for start in range(96, notes - 48, 96):
        if rng.random() < 0.5:  # a phrase comes back
            back = int(rng.integers(0, start - 24))
            degree[start : start + 24] = degree[back : back + 24]
    degree = np.abs((degree + 14) % 56 - 28)
    array = np.zeros(notes, dtype=NOTE_DTYPE)
    array["pitch"] = 40 + (key % 5) + 12 * (degree // 7) + SCALE[degree % 7]
    swell = 12 * np.sin(np.arange(notes) / rng.uniform(8, 16))
    array["velocity"] = np.clip(loudness + swell + rng.normal(0, 3, notes), 1, 127).astype(int)
    pattern = rng.choice([0.0, 0.5, 1.0, 1.0, 2.0], 16)
    pattern[0] = 1.0
    shift = beat * np.tile(pattern, notes // 16 + 1)[:notes] * rng.normal(1.0, 0.04, notes)
    array["onset_ms"] = np.cumsum(np.maximum(shift, 0.0))
    array["duration_ms"] = np.maximum(np.roll(shift, -1) * rng.uniform(0.7, 1.1, notes), 40.0)
    array["pedal"] = (np.arange(notes) // 12) % 2 == 0
    return array


def tunes(count: int, first: int = 0, notes: int = 800) -> list[NoteArray]:
    """Several of them."""
    return [tune(first + i, notes) for i in range(count)]
