"""Piece signature and Mahalanobis distance ([Sabathe2017], section II-A; docs/design/draw.md).

A piece, or a phrase of it, comes in as a note array or a piano roll; a vector of fifteen figures
(seventeen as an option) goes out, and its distance from a reference. The stream drops phrases by
it, ``perpetuo evaluate`` and ``perpetuo search`` judge models by it: one definition for all.

The covariance of a signature is near singular (condition about 1e8), so that a reference is fitted
in training (standardised, shrunk after [Ledoit2004], inverted) and travels as plain numbers: here
numpy alone is needed. Compare excerpts of equal length only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray

STEP_MS = 62.5
"""Length of a step in ms: eight steps a beat at 120 beats a minute. Performances have no beats."""

STEPS = 300
"""Steps in a sample of the paper; 18.75 s at :data:`STEP_MS`."""

_ZERO = np.zeros(1, dtype=np.int64)
_TRUE = np.ones(1, dtype=np.bool_)
_FOUR = ("max", "min", "mean", "sd")
FEATURES = (
    "notes_per_step",
    "cells_per_step",
    "polyphonic_steps_per_note",
    *(f"pitch_{s}" for s in _FOUR),
    *(f"interval_{s}" for s in _FOUR),
    *(f"duration_{s}" for s in _FOUR),
)
"""Names of the fifteen figures, in order."""

EXTRA_FEATURES = ("distinct_intervals", "modal_interval")
"""The two figures that bring the vector to the paper's seventeen; an option."""


@dataclass(frozen=True)
class Roll:
    """A piano roll as its notes: a note is a maximal run of one pitch.

    Attributes:
        start: First step of each note, ``(notes,)`` int64, sorted by (start, pitch).
        length: Steps that each note lasts, at least 1.
        pitch: MIDI note number, 0..127.
        steps: Length of the roll, at least 1.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    pitch: NDArray[np.int64]
    steps: int


def roll_of_notes(
    notes: NoteArray,
    step_ms: float = STEP_MS,
    steps: int | None = None,
    start_ms: float | None = None,
) -> Roll:
    """Put notes on the grid of steps.

    An onset falls into the nearest step and a note lasts at least one. Notes of the same pitch
    that touch or overlap become one, as they do in a binary roll.

    Args:
        notes: A note array, in any order.
        step_ms: Length of a step, ms, above 0.
        steps: Length of the roll; notes outside are left out and longer ones cut. None: up to
            the last release.
        start_ms: Where step 0 begins. None: at the first onset.

    Raises:
        ValueError: ``step_ms`` is not above 0, or ``steps`` below 1.
    """
    if not step_ms > 0:
        raise ValueError(f"step_ms must be above 0, not {step_ms}")
    if steps is not None and steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if len(notes) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Roll(empty, empty, empty, steps or 1)
    if steps is None and start_ms is None:
        pitch = notes["pitch"].astype(np.int64)
        return roll_of_columns(notes["onset_ms"], notes["duration_ms"], pitch, step_ms)
    onset = notes["onset_ms"] - (notes["onset_ms"].min() if start_ms is None else start_ms)
    first, end = _on_grid(onset, notes["duration_ms"], step_ms)
    pitch = notes["pitch"].astype(np.int64)
    total = int(end.max()) if steps is None else steps
    inside = (first < total) & (end > 0)
    return _merge(
        np.maximum(first[inside], 0), np.minimum(end[inside], total), pitch[inside], total
    )


def roll_of_columns(
    onset_ms: NDArray[np.float64],
    duration_ms: NDArray[np.float64],
    pitch: NDArray[np.int64],
    step_ms: float = STEP_MS,
) -> Roll:
    """Return the roll of at least one note, whole, from the first onset; for the stream's judges.

    The same as :func:`roll_of_notes` without a length, from plain columns ``(notes,)``.
    """
    first, end = _on_grid(onset_ms - onset_ms.min(), duration_ms, step_ms)
    return _merge(first, end, pitch, int(end.max()))


def _on_grid(
    onset: NDArray[np.float64], duration: NDArray[np.float64], step_ms: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first = np.rint(onset / step_ms)
    end = np.maximum(np.rint((onset + duration) / step_ms), first + 1)
    return first.astype(np.int64), end.astype(np.int64)


def roll_of_matrix(matrix: NDArray[Any]) -> Roll:
    """Return the roll of a binary matrix ``(steps, pitches)``; anything above 0 is on."""
    on = np.asarray(matrix) > 0
    padded = np.zeros((on.shape[0] + 2, on.shape[1]), dtype=np.int8)
    padded[1:-1] = on
    change = np.diff(padded, axis=0).T
    pitch, first = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    return _merge(first, end, pitch, on.shape[0])


def _merge(
    first: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64], steps: int
) -> Roll:
    """Join runs of one pitch that touch, and sort by (start, pitch)."""
    if len(first) == 0:
        return Roll(first, end, pitch, max(steps, 1))
    # All pitches on one line, each in a stretch of its own with a gap before the next: one sort
    # and one running maximum then find the runs of all of them.
    width = int(end.max()) + 2
    line = pitch * width
    first = first + line
    order = first.argsort()
    first, reach = first[order], np.maximum.accumulate((end + line)[order])
    new = np.concatenate([_TRUE, first[1:] > reach[:-1]])
    start = first[new]
    length = reach[np.concatenate([new[1:], _TRUE])] - start
    pitch, start = np.divmod(start, width)
    order = (start * 128 + pitch).argsort()
    return Roll(start[order], length[order], pitch[order], max(steps, 1))


def signature(roll: Roll, seventeen: bool = False) -> NDArray[np.float64]:
    """Return the piece signature.

    Args:
        roll: The excerpt; an empty one gives zeros.
        seventeen: Append the number of distinct intervals ÷ 127 and the modal interval ÷ 127.

    Returns:
        ``(15,)`` or ``(17,)`` float64 in the order of :data:`FEATURES`, always finite. Pitches
        and intervals are divided by 127, durations are in steps.
    """
    size = len(FEATURES) + (len(EXTRA_FEATURES) if seventeen else 0)
    count = len(roll.start)
    if count == 0:
        return np.zeros(size)
    change = np.bincount(roll.start, minlength=roll.steps + 1)
    change -= np.bincount(roll.start + roll.length, minlength=roll.steps + 1)
    polyphonic = int(np.count_nonzero(change.cumsum() >= 2))
    pitch, length = roll.pitch, roll.length
    interval = np.abs(pitch[1:] - pitch[:-1]) if count > 1 else _ZERO
    # Pitch (over cells: each note as often as it lasts), interval and duration side by side: in
    # the stream, one call on three rows costs a third of three calls. Sums of integers are exact.
    bounds = (0, count, count + len(interval))
    values = np.concatenate([pitch, interval, length])
    weighted = np.concatenate([pitch * length, interval, length])
    top = np.maximum.reduceat(values, bounds).tolist()
    bottom = np.minimum.reduceat(values, bounds).tolist()
    sums = np.add.reduceat(weighted, bounds).tolist()
    squares = np.add.reduceat(weighted * values, bounds).tolist()
    cells = sums[2]
    figures = [count / roll.steps, cells / roll.steps, polyphonic / count]
    for row, (over, scale) in enumerate(((cells, 127.0), (len(interval), 127.0), (count, 1.0))):
        mean = sums[row] / over
        sd = max(squares[row] / over - mean * mean, 0.0) ** 0.5
        figures += [top[row] / scale, bottom[row] / scale, mean / scale, sd / scale]
    if seventeen:
        kinds = np.bincount(interval)
        figures += [int((kinds > 0).sum()) / 127.0, int(kinds.argmax()) / 127.0]
    return np.asarray(figures, dtype=np.float64)


def note_signature(
    notes: NoteArray, step_ms: float = STEP_MS, steps: int | None = None, seventeen: bool = False
) -> NDArray[np.float64]:
    """Return the signature of a note array; see :func:`roll_of_notes` and :func:`signature`."""
    return signature(roll_of_notes(notes, step_ms, steps), seventeen)


def notes_in_window(notes: NoteArray, start_ms: float, length_ms: float) -> NoteArray:
    """Return the notes whose onsets lie in ``[start_ms, start_ms + length_ms)``; sorted input."""
    low, high = np.searchsorted(notes["onset_ms"], (start_ms, start_ms + length_ms))
    return notes[low:high]


@dataclass(frozen=True)
class SignatureReference:
    """What a signature is measured against.

    Attributes:
        mean: ``(features,)``.
        precision: ``(features, features)``, the inverse of the shrunk covariance in the
            signature's own units.
        quantiles: Distances of the reference's own, cross-fitted, samples at 50, 90 and 99 %:
            the limits between the four categories.
        steps: Length of every sample, steps.
        step_ms: Length of a step, ms.
        samples: How many samples it was fitted on.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    quantiles: tuple[float, float, float]
    steps: int = STEPS
    step_ms: float = STEP_MS
    samples: int = 0

    def __post_init__(self) -> None:
        size = len(self.mean)
        if self.precision.shape != (size, size):
            raise ValueError(f"precision must be {(size, size)}, not {self.precision.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.precision).all()):
            raise ValueError("mean and precision must be finite")

    @property
    def seventeen(self) -> bool:
        """Whether the vectors hold the two extra figures."""
        return len(self.mean) > len(FEATURES)

    def distance(self, signatures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Mahalanobis distance of each of ``(..., features)`` signatures."""
        away = np.asarray(signatures, dtype=np.float64) - self.mean
        squared = np.einsum("...i,ij,...j->...", away, self.precision, away)
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)

    def distance_of_notes(self, notes: NoteArray) -> float:
        """Return the distance of one excerpt: the reference's own length, from its first onset."""
        vector = note_signature(notes, self.step_ms, self.steps, self.seventeen)
        return float(self.distance(vector))

    def category(self, distance: float) -> int:
        """Return 0 (nearer than half the corpus), 1, 2 or 3 (farther than 99 % of it)."""
        return int(np.searchsorted(np.asarray(self.quantiles), distance, side="left"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest; :meth:`from_dict` reads it."""
        return {
            "mean": self.mean.tolist(),
            "precision": self.precision.tolist(),
            "quantiles": list(self.quantiles),
            "steps": self.steps,
            "step_ms": self.step_ms,
            "samples": self.samples,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SignatureReference:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: Shapes do not fit or a figure is not finite.
        """
        low, middle, high = (float(q) for q in data["quantiles"])
        return cls(
            np.asarray(data["mean"], dtype=np.float64),
            np.asarray(data["precision"], dtype=np.float64),
            (low, middle, high),
            int(data["steps"]),
            float(data["step_ms"]),
            int(data.get("samples", 0)),
        )
