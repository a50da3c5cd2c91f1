"""Excerpts of equal numbers of notes and the figures that describe them, by feature group.

Note arrays come in; rows of features for the two-sample test go out, in four groups: velocity,
timing, pitch and pedal. None needs beats, so that performances and streams are described alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.measures.repetition import figure_codes
from streamer.music.notes import NoteArray

EXCERPT_NOTES = 128
TOGETHER_MS = 30.0
"""Onsets closer than this sound as one chord."""

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
Row = NDArray[np.float64]


def excerpts(
    piece: NoteArray, notes: int = EXCERPT_NOTES, limit: int | None = None
) -> list[NoteArray]:
    """Cut a piece into excerpts of ``notes`` notes that do not overlap.

    Args:
        piece: A note array sorted by onset.
        notes: Notes in an excerpt.
        limit: At most this many, spread evenly over the piece.
    """
    count = len(piece) // notes
    if limit is None or count <= limit:
        starts = np.arange(count)
    else:
        starts = np.unique(np.linspace(0, count - 1, limit).round().astype(int))
    return [piece[i * notes : (i + 1) * notes] for i in starts]


def _correlation(a: Row, b: Row) -> float:
    """Return Pearson's correlation, 0 where one of the two does not vary."""
    if len(a) < 2:
        return 0.0
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 1e-12 else 0.0


def _shape(values: Row) -> list[float]:
    """Return mean, spread and quantiles."""
    return [float(values.mean()), float(values.std()), *np.quantile(values, _LEVELS).tolist()]


def _order(values: Row) -> list[float]:
    """Return how a value hangs together with those 1, 2, 4 and 8 notes before."""
    return [_correlation(values[lag:], values[:-lag]) for lag in (1, 2, 4, 8)]


def _shifts(notes: NoteArray) -> Row:
    return np.diff(notes["onset_ms"])


def _entropy(counts: NDArray[np.int64]) -> float:
    p = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(-(p * np.log2(p)).sum())


def velocity_features(notes: NoteArray) -> Row:
    """Describe dynamics: level, range, steps from note to note, lines, chords, and phrases."""
    velocity = notes["velocity"].astype(np.float64)
    change = np.diff(velocity)
    chord = _shifts(notes) < TOGETHER_MS
    smooth = np.convolve(velocity, np.full(8, 0.125), "valid")
    order = np.argsort(notes["pitch"], kind="stable")
    lowest, highest = order[: len(order) // 4], order[-(len(order) // 4) :]
    return np.asarray([
        *_shape(velocity), *_order(velocity), *_shape(np.abs(change)),
        float((change == 0).mean()), float((np.abs(change) <= 2).mean()),
        float(np.abs(change[chord]).mean()) if chord.any() else 0.0,
        float(smooth.std()), float(smooth.max() - smooth.min()), *_order(smooth)[2:],
        _correlation(velocity, notes["pitch"].astype(np.float64)),
        float(velocity[highest].mean() - velocity[lowest].mean()),
        len(np.unique(velocity)) / len(velocity),
        _entropy(np.bincount(notes["velocity"] // 4)),
    ])  # fmt: skip


def timing_features(notes: NoteArray) -> Row:
    """Describe rhythm and articulation: shifts and durations (logarithmic), chords, overlap."""
    shift = _shifts(notes)
    log_shift = np.log2(shift + 10.0)
    duration = notes["duration_ms"]
    log_duration = np.log2(duration + 10.0)
    chord = shift < TOGETHER_MS
    line = log_shift[~chord] if (~chord).any() else log_shift
    seconds = max(float(notes["onset_ms"][-1] - notes["onset_ms"][0]) / 1000.0, 1e-3)
    return np.asarray([
        *_shape(log_shift), *_order(log_shift), *_shape(log_duration), *_order(log_duration),
        *_shape(line), *(_order(line) if len(line) > 16 else [0.0] * 4),
        float(chord.mean()), float((shift == 0).mean()),
        float(np.abs(np.diff(line)).mean()) if len(line) > 1 else 0.0,
        _correlation(log_shift, log_duration[:-1]), _correlation(log_shift, log_duration[1:]),
        float((duration[:-1] > shift).mean()), float(duration.sum() / 1000.0 / seconds),
        len(notes) / seconds, _correlation(log_duration, notes["pitch"].astype(np.float64)),
    ])  # fmt: skip


def pitch_features(notes: NoteArray) -> Row:
    """Describe harmony and line: register, intervals, key, chords, returning figures."""
    pitch = notes["pitch"].astype(np.float64)
    step = np.diff(pitch)
    size = np.abs(step)
    kinds = np.bincount(notes["pitch"] % 12, minlength=12)
    rotated = np.roll(kinds, -int(kinds.argmax())) / len(notes)
    chord = _shifts(notes) < TOGETHER_MS
    inner = np.bincount((size[chord] % 12).astype(np.int64), minlength=12) / max(
        int(chord.sum()), 1
    )
    leap = np.bincount((size % 12).astype(np.int64), minlength=12) / len(size)
    codes = [figure_codes(notes["pitch"], n) for n in (2, 3, 4, 8)]
    halves = [np.bincount(h % 12, minlength=12) for h in np.array_split(notes["pitch"], 2)]
    return np.asarray([
        *_shape(pitch), *_order(pitch), *_shape(size), float(step.mean()),
        float((size == 0).mean()), float((size <= 2).mean()), float((size >= 12).mean()),
        float((step[1:] * step[:-1] < 0).mean()),
        _entropy(kinds), *np.sort(kinds)[::-1][:8] / len(notes), *rotated[1:], *inner, *leap,
        *(len(np.unique(c)) / len(c) for c in codes), len(np.unique(pitch)) / len(pitch),
        _correlation(halves[0].astype(np.float64), halves[1].astype(np.float64)),
    ])  # fmt: skip


def pedal_features(notes: NoteArray) -> Row:
    """Describe the sustain pedal: how much, how often it changes, and when."""
    pedal = notes["pedal"].astype(np.float64)
    change = np.abs(np.diff(pedal))
    log_shift = np.log2(_shifts(notes) + 10.0)
    return np.asarray([
        pedal.mean(), change.mean(), *_order(pedal), _correlation(pedal[1:], log_shift),
        _correlation(change, log_shift),
        _correlation(pedal, np.log2(notes["duration_ms"] + 10.0)),
    ])  # fmt: skip


GROUPS: dict[str, Callable[[NoteArray], Row]] = {
    "velocity": velocity_features,
    "timing": timing_features,
    "pitch": pitch_features,
    "pedal": pedal_features,
}
"""The feature groups; each maps an excerpt of at least 16 notes to a row of finite figures."""


def describe(samples: Sequence[NoteArray]) -> dict[str, NDArray[np.float64]]:
    """Return ``(excerpts, features)`` for each group of :data:`GROUPS`."""
    return {
        name: np.stack([function(s) for s in samples]) if samples else np.zeros((0, 1))
        for name, function in GROUPS.items()
    }
