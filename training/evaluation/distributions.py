"""Distributions of notes, and how far two sets of music lie apart in each.

A note array comes in; counts over fixed cells for six aspects go out: pitch class, interval,
inter-onset interval, duration, velocity and polyphony. Counts of pieces are added up and compared
by the Jensen-Shannon distance, 0 for equal and 1 for disjoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray
from training.evaluation import bootstrap
from training.evaluation.bootstrap import Interval

Counts = NDArray[np.int64]

INTERVALS = 24
"""Larger intervals than two octaves are counted with those of two octaves."""

POLYPHONY = 16
_TIME_EDGES = np.concatenate([[0.0], 5.0 * 2.0 ** (np.arange(0, 49) / 4.0), [np.inf]])
"""Cells of times, ms: four to a doubling, from 5 ms to 20 s."""


def pitch_class_counts(notes: NoteArray) -> Counts:
    """Count pitch classes, ``(12,)``, from C."""
    return np.bincount(notes["pitch"] % 12, minlength=12)


def interval_counts(notes: NoteArray) -> Counts:
    """Count intervals between consecutive notes, ``(2 * INTERVALS + 1,)``, downward first."""
    interval = np.diff(notes["pitch"].astype(np.int64))
    return np.bincount(
        np.clip(interval, -INTERVALS, INTERVALS) + INTERVALS, minlength=2 * INTERVALS + 1
    )


def _time_counts(values: NDArray[np.float64]) -> Counts:
    return np.asarray(np.histogram(values, bins=_TIME_EDGES)[0], dtype=np.int64)


def shift_counts(notes: NoteArray) -> Counts:
    """Count inter-onset intervals between consecutive notes, chords included."""
    return _time_counts(np.diff(notes["onset_ms"]))


def duration_counts(notes: NoteArray) -> Counts:
    """Count durations of keys."""
    return _time_counts(notes["duration_ms"])


def velocity_counts(notes: NoteArray) -> Counts:
    """Count velocities in 32 cells of 4."""
    return np.bincount(notes["velocity"] // 4, minlength=32)


def polyphony_counts(notes: NoteArray) -> Counts:
    """Count how many keys are down as each note begins, itself included: 1..POLYPHONY and more."""
    return np.bincount(np.minimum(keys_down(notes), POLYPHONY) - 1, minlength=POLYPHONY)


def keys_down(notes: NoteArray) -> NDArray[np.int64]:
    """Return how many notes sound at each note's onset, itself included; sorted by onset."""
    onset = notes["onset_ms"]
    ends = np.sort(onset + notes["duration_ms"])
    begun = np.searchsorted(onset, onset, side="right")
    down = begun - np.searchsorted(ends, onset, side="right")
    return np.asarray(np.maximum(down, 1), dtype=np.int64)


ASPECTS: dict[str, Callable[[NoteArray], Counts]] = {
    "pitch_class": pitch_class_counts,
    "interval": interval_counts,
    "shift": shift_counts,
    "duration": duration_counts,
    "velocity": velocity_counts,
    "polyphony": polyphony_counts,
}
"""Aspect to the function that counts it."""


def count_aspects(notes: NoteArray) -> dict[str, Counts]:
    """Return the counts of all aspects of one piece."""
    return {name: count(notes) for name, count in ASPECTS.items()}


def jensen_shannon(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon distance, 0..1 (the root of the divergence in bits).

    Args:
        first: ``(..., cells)`` counts or frequencies, >= 0.
        second: ``(..., cells)``.

    Returns:
        ``(...)``; NaN where one of the two is empty.
    """
    totals = first.sum(axis=-1, keepdims=True), second.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = first / totals[0], second / totals[1]
        middle = (p + q) / 2.0
        parts = [np.where(x > 0, x * np.log2(x / middle), 0.0).sum(axis=-1) / 2.0 for x in (p, q)]
    divergence = np.clip(parts[0] + parts[1], 0.0, 1.0)
    empty = (totals[0][..., 0] == 0) | (totals[1][..., 0] == 0)
    return np.asarray(np.where(empty, np.nan, np.sqrt(divergence)))


def distance_interval(
    pieces: Sequence[Counts], reference: Sequence[Counts], rng: np.random.Generator
) -> Interval:
    """Return the distance of two sets in one aspect, with its bootstrap interval over pieces.

    A distance of frequencies is never below 0 and a resample is farther off than the set itself;
    the interval is the basic one (twice the value less the quantiles), cut at 0.
    """
    if not pieces or not reference:
        return bootstrap.NOTHING
    own = np.stack(pieces).astype(np.float64)
    other = np.stack(reference).astype(np.float64)
    value = float(jensen_shannon(own.sum(axis=0), other.sum(axis=0)))
    drawn = jensen_shannon(_resampled(own, rng), _resampled(other, rng))
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) == 0:
        return bootstrap.NOTHING
    tail = (1 - bootstrap.LEVEL) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Interval(
        value, max(2 * value - float(high), 0.0), max(2 * value - float(low), value), len(pieces)
    )


def _resampled(counts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return ``(resamples, cells)`` sums over pieces drawn with repetition."""
    share = np.full(len(counts), 1.0 / len(counts))
    times = rng.multinomial(len(counts), share, size=bootstrap.RESAMPLES)
    return np.asarray(times @ counts)


def total(pieces: Sequence[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Add up the counts of pieces; zeros when there is none."""
    empty = np.zeros(0, dtype=np.int64)
    return {
        name: np.sum([p[name] for p in pieces], axis=0) if pieces else empty for name in ASPECTS
    }
