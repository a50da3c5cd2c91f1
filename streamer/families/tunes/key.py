"""Keys: in which one a tune stands, and to which the next one moves (ours).

The model writes every tune in whatever key it likes, since it was trained in all of them alike; it
is moved as a whole before it sounds. In: notes. Out: tonic and mode, and a transposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, PITCH_CLASSES, TuneArray

NAMES = ("C", "C#", "D", "E flat", "E", "F", "F#", "G", "A flat", "A", "B flat", "B")

# How much a degree of the scale speaks for the key: the triad, above all the tonic, then the rest.
_MAJOR = np.array([5.0, 0.3, 2.5, 0.4, 3.4, 2.6, 0.4, 4.0, 0.4, 2.4, 0.5, 2.2])
_MINOR = np.array([5.0, 0.4, 2.5, 3.4, 0.4, 2.6, 0.4, 4.0, 2.0, 0.8, 2.0, 1.4])


def _every_key() -> NDArray[np.float64]:
    """Return what speaks for each key, ``(24, 12)``: major from C on, then minor."""
    rows = [np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)]
    away = np.array(rows) - np.mean(rows, axis=1, keepdims=True)
    return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True), dtype=np.float64)


_KEYS = _every_key()

_FIRST, _LAST = 1.5, 3.0
"""How much more the first and the closing note of a tune count."""

STEP_SHARES = (0.3, 0.35, 0.35)
"""How often the next tune stays near the key, goes a fifth up, a fifth down."""

CLOSING_MAJOR, CLOSING_MINOR = (0, 4, 7), (0, 3, 7)
"""The triad, semitones above the tonic."""


@dataclass(frozen=True, slots=True)
class Key:
    """Tonic 0..11 (0 is C), and whether the third is a minor one."""

    tonic: int
    minor: bool = False

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {'minor' if self.minor else 'major'}"

    def moved(self, semitones: int) -> Key:
        """Return the key moved up by ``semitones``."""
        return Key((self.tonic + semitones) % PITCH_CLASSES, self.minor)

    @property
    def closing(self) -> tuple[int, ...]:
        """Pitch classes of its triad, on which tunes close: the tonic, above all, comes first."""
        degrees = CLOSING_MINOR if self.minor else CLOSING_MAJOR
        return tuple((self.tonic + degree) % PITCH_CLASSES for degree in degrees)


def find_key(tune: TuneArray) -> Key:
    """Return the key that fits the notes best, by how long each pitch class lasts.

    Args:
        tune: At least one note of :data:`streamer.families.tunes.codec.TUNE_DTYPE`.
    """
    lengths = tune["length"].astype(np.float64)
    usual = float(np.median(lengths[lengths != END])) if (lengths != END).any() else 1.0
    weights = np.minimum(np.where(lengths == END, usual, lengths), 4.0 * usual)
    weights[0] *= _FIRST
    if tune["length"][-1] == END:
        weights[-1] *= _LAST
    held = np.zeros(PITCH_CLASSES)
    np.add.at(held, tune["pitch"] % PITCH_CLASSES, weights)
    best = int(np.argmax(_KEYS @ held))
    return Key(best % PITCH_CLASSES, best >= PITCH_CLASSES)


@dataclass(frozen=True, slots=True)
class Modulation:
    """Where the key moves with the next tune, whatever that will be written in.

    Attributes:
        before: Key in which the last tune sounded; None at the start.
        step: The same key or its relative (0), a fifth above it (1), a fifth below it (2).
        tonic: Where to begin when there was no tune before, 0..11.
    """

    before: Key | None
    step: int
    tonic: int

    @classmethod
    def draw(cls, rng: np.random.Generator, before: Key | None) -> Modulation:
        """Draw the way to the next key."""
        return cls(before, int(rng.choice(3, p=STEP_SHARES)), int(rng.integers(PITCH_CLASSES)))

    def transposition(self, key: Key) -> int:
        """Return by how many semitones, -6..5, a tune in this key is moved."""
        tonic = self.tonic
        if self.before is not None:
            relative = 0
            if key.minor != self.before.minor:
                relative = -3 if key.minor else 3
            tonic = self.before.tonic + relative + (0, 7, -7)[self.step]
        return (tonic - key.tonic + 6) % PITCH_CLASSES - 6
