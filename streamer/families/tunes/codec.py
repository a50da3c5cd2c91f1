"""Tunes <-> class indices of the melody models ([Yamshchikov2020]; docs/design/tunes.md).

A tune is a line of one note at a time. A note is its pitch and its *length*: the time from its
onset to the next onset, in twelfths of the tune's own *unit* (the median of those times, the
paper's "delay"). How long the note sounds, how loud, and how far off the beat, is the performance
layer's business (docs/expression.md). The last note of a tune has no next onset: its length is END.

Three arguments a note: pitch class (12), octave (pitch // 12, so 60..71 is octave 5) and length (a
table of values, and END behind them). One definition for training (tracks to classes), the
generator (classes to tunes) and the bundle (tables and fingerprint in the manifest).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

TUNE_DTYPE = np.dtype([("pitch", np.uint8), ("length", np.uint16)])
"""One note of a tune: MIDI pitch 0..127; length in twelfths of the unit, 0 for END."""

TuneArray = NDArray[Any]
"""A numpy structured array of :data:`TUNE_DTYPE`; only its last note may have the length END."""

TUNE_ARGUMENTS = ("pitch_class", "octave", "length")
"""The three arguments of a note in the order in which they are sampled."""

TUNE_CODEC_NAME = "tune"
UNIT_PARTS = 12
"""Parts of a unit in which lengths are counted."""

END = 0
"""The length of the last note of a tune."""

PITCH_CLASSES = 12
_OCTAVES = 10
_LONGEST = 2**16 - 1


@dataclass(frozen=True)
class TuneCodec:
    """What the classes of a tune mean.

    Attributes:
        octave_low: The octave of class 0, 0..9.
        octaves: How many octaves there are, at least 1; the last is at most 9 (pitch 119).
        lengths: The lengths that notes may have, ascending, in twelfths of a unit, 1..65535;
            at most 255 of them.
    """

    octave_low: int
    octaves: int
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not (0 <= self.octave_low and self.octaves >= 1):
            raise ValueError(
                f"octave_low must be 0 or more and octaves 1 or more,"
                f" not {self.octave_low} and {self.octaves}"
            )
        if self.octave_low + self.octaves > _OCTAVES:
            raise ValueError(
                f"the last octave must be at most {_OCTAVES - 1},"
                f" not {self.octave_low + self.octaves - 1}"
            )
        if not 1 <= len(self.lengths) <= 255:
            raise ValueError(f"there must be 1..255 lengths, not {len(self.lengths)}")
        if any(a >= b for a, b in pairwise(self.lengths)):
            raise ValueError("lengths must ascend")
        if self.lengths[0] < 1 or self.lengths[-1] > _LONGEST:
            raise ValueError(f"lengths must be in range 1..{_LONGEST}")

    @property
    def name(self) -> str:
        """Always ``tune``: which kind of codec a manifest or tensor file holds."""
        return TUNE_CODEC_NAME

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Classes of each argument in the order of :data:`TUNE_ARGUMENTS`."""
        return (PITCH_CLASSES, self.octaves, len(self.lengths) + 1)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each argument begins in a row of all classes, and the row's width (4 numbers)."""
        return tuple(int(x) for x in np.cumsum((0, *self.sizes)))

    @property
    def end_class(self) -> int:
        """The length class of a tune's last note."""
        return len(self.lengths)

    @property
    def pitch_range(self) -> tuple[int, int]:
        """Lowest and highest pitch that has classes."""
        low = PITCH_CLASSES * self.octave_low
        return low, low + PITCH_CLASSES * self.octaves - 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the tables: equal when and only when classes mean the same notes."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest or tensor file; :meth:`from_dict` reads it."""
        return {
            "name": TUNE_CODEC_NAME,
            "octave_low": self.octave_low,
            "octaves": self.octaves,
            "lengths_twelfths": list(self.lengths),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TuneCodec:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: It is another codec's, or a value is out of range.
        """
        if data["name"] != TUNE_CODEC_NAME:
            raise ValueError(f"codec must be {TUNE_CODEC_NAME}, not {data['name']}")
        lengths = tuple(int(value) for value in data["lengths_twelfths"])
        return cls(int(data["octave_low"]), int(data["octaves"]), lengths)

    @cached_property
    def _middles(self) -> NDArray[np.float64]:
        """Midway between neighbouring lengths: where the nearest one changes."""
        table = np.asarray(self.lengths, dtype=np.float64)
        middles: NDArray[np.float64] = (table[1:] + table[:-1]) / 2.0
        return middles

    @cached_property
    def _values(self) -> NDArray[np.uint16]:
        return np.asarray((*self.lengths, END), dtype=np.uint16)

    def encode(self, tune: TuneArray) -> NDArray[np.uint8]:
        """Return the classes of a tune, ``(len(tune), 3)``.

        A length that is not in the table takes the nearest one (of two equally near the longer).

        Raises:
            ValueError: A pitch has no class, or a note before the last has the length END.
        """
        low, high = self.pitch_range
        pitch = tune["pitch"].astype(np.int64)
        if len(pitch) and (pitch.min() < low or pitch.max() > high):
            raise ValueError(f"pitch must be in range {low}..{high}")
        length = tune["length"]
        if (length[:-1] == END).any():
            raise ValueError("only the last note of a tune may have the length END")
        index = np.searchsorted(self._middles, length, side="right")
        columns = (
            pitch % PITCH_CLASSES,
            pitch // PITCH_CLASSES - self.octave_low,
            np.where(length == END, self.end_class, index),
        )
        return np.stack(columns, axis=1).astype(np.uint8)

    def decode(self, classes: NDArray[Any]) -> TuneArray:
        """Return the notes of classes ``(notes, 3)``; END may stand anywhere in them.

        Raises:
            ValueError: A class is out of range.
        """
        rows = np.asarray(classes, dtype=np.int64).reshape(-1, len(TUNE_ARGUMENTS))
        if ((rows < 0) | (rows >= np.asarray(self.sizes))).any():
            raise ValueError(f"classes must be below {self.sizes}")
        tune = np.zeros(len(rows), dtype=TUNE_DTYPE)
        tune["pitch"] = rows[:, 0] + PITCH_CLASSES * (rows[:, 1] + self.octave_low)
        tune["length"] = self._values[rows[:, 2]]
        return tune


def to_tune(pitches: NDArray[Any], lengths: NDArray[Any]) -> TuneArray:
    """Return a tune of two columns: MIDI pitches, and lengths in twelfths of the unit (0: END)."""
    tune = np.zeros(len(pitches), dtype=TUNE_DTYPE)
    tune["pitch"], tune["length"] = pitches, lengths
    return tune
