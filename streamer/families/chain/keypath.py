"""The keys that a stream goes through when nobody asks for one: near to each other, as in pieces.

A mood has a home key. Each phrase is asked for the pitch classes of home or of a key near to it, as
often as phrases of pieces lie there; the next mood's home is near to the last one's. Left alone a
model that hears its own notes wanders between keys until it is in none.

Out: shares of pitch classes, ``(12,)``. Thread: the generator's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.music.scales import OCTAVE
from streamer.system.marks import Marked

PROFILES = np.array(
    [
        [0.311, 0.018, 0.062, 0.012, 0.141, 0.094, 0.015, 0.160, 0.028, 0.061, 0.052, 0.045],
        [0.240, 0.021, 0.087, 0.199, 0.012, 0.077, 0.034, 0.133, 0.062, 0.048, 0.051, 0.035],
    ]
)
"""Shares of pitch classes above the first note of a major and of a minor key: means over phrases of
32 notes of piano-midi.de and GiantMIDI, each counted to the key that it is likest to."""

FIFTH = 7
RELATIVE = (9, 3)
"""From a major key down to its minor, from a minor key up to its major, semitones."""

STAYS = 0.35
"""Share of phrases that keep the last one's key, in the same corpora."""

NEAR = (0.40, 0.22, 0.16, 0.16, 0.06)
"""Else: home, a fifth above it, a fifth below, its relative, its parallel key."""

MINOR = 0.4
"""Share of first homes in minor."""

LEAVES = 0.6
"""Share of moods whose home is another than the last one's."""

Key = tuple[int, int]
"""First note, 0..11, and 0 major or 1 minor."""


def near(home: Key, way: int) -> Key:
    """Return a key near to home, by its place in :data:`NEAR`."""
    root, mode = home
    if way == 1:
        return (root + FIFTH) % OCTAVE, mode
    if way == 2:
        return (root - FIFTH) % OCTAVE, mode
    if way == 3:
        return (root + RELATIVE[mode]) % OCTAVE, 1 - mode
    return (root, 1 - mode) if way == 4 else home


class KeyPath(Marked):
    """Goes from key to key.

    Args:
        rng: Draws; the generator's.
    """

    marked = ("_home", "_here")

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._home: Key = (int(rng.integers(OCTAVE)), int(rng.random() < MINOR))
        self._here = self._home

    def change_home(self) -> None:
        """Begin another mood."""
        if self._rng.random() < LEAVES:
            self._home = near(self._home, int(self._rng.integers(1, len(NEAR))))

    def go_on(self) -> None:
        """Go on to the next phrase."""
        if self._rng.random() >= STAYS:
            self._here = near(self._home, int(self._rng.choice(len(NEAR), p=NEAR)))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Of the pitch classes of the present key, ``(12,)``."""
        root, mode = self._here
        return np.roll(PROFILES[mode], root)
