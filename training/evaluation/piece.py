"""All that is measured of one piece alone, so that pieces can be measured in several processes.

A note array comes in; a :class:`PieceMeasures` of plain figures and small arrays goes out. What
needs other pieces (distances, classifiers, the training corpus) is compare.py's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.measures.note_entropy import (
    WHOLE_FEATURES,
    WINDOW_FEATURES,
    entropy_bits,
    note_entropies,
)
from streamer.measures.repetition import figure_return_flags, longest_repeat
from streamer.measures.signature import FEATURES, STEPS, note_signature
from streamer.music.notes import CHORD_MS, NoteArray
from training.evaluation.distributions import count_aspects, keys_down
from training.evaluation.excerpts import EXCERPT_NOTES, describe, excerpts
from training.evaluation.information_rate import RateCurve, piece_rate
from training.evaluation.signature import windows

EXCERPTS_A_PIECE = 8
"""Excerpts of a piece that the two-sample test may use, spread evenly over it."""

_MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])


@dataclass(frozen=True)
class PieceMeasures:
    """Figures of one piece.

    Attributes:
        notes: How many notes.
        seconds: From the first onset to the last release.
        figures: Name to figure; NaN where the piece is too short for it.
        signatures: ``(windows, 15)`` of its 300-step samples.
        counts: :func:`training.evaluation.distributions.count_aspects`.
        rows: Feature group to ``(excerpts, features)``, for the two-sample test.
        rate: Information rate over thresholds, None for short pieces or when not asked for.
    """

    notes: int
    seconds: float
    figures: dict[str, float]
    signatures: NDArray[np.float64]
    counts: dict[str, NDArray[np.int64]]
    rows: dict[str, NDArray[np.float64]]
    rate: RateCurve | None


def scale_consistency(notes: NoteArray) -> float:
    """Return the largest share of notes that fit one major scale, 0..1; NaN for no notes.

    Natural minor scales hold the same pitch classes.
    """
    counts = np.bincount(notes["pitch"] % 12, minlength=12)
    if counts.sum() == 0:
        return float("nan")
    return max(int(counts[(_MAJOR + root) % 12].sum()) for root in range(12)) / int(counts.sum())


def pitch_class_entropy(notes: NoteArray) -> float:
    """Return the entropy of pitch classes, bits, 0..log2 12."""
    return entropy_bits(notes["pitch"].astype(np.int64) % 12)


def mean_polyphony(notes: NoteArray) -> float:
    """Return how many notes sound on average over the time in which any does; NaN for none."""
    if len(notes) == 0:
        return float("nan")
    onset, end = notes["onset_ms"], notes["onset_ms"] + notes["duration_ms"]
    reach = np.maximum.accumulate(end)
    covered = float((reach[-1] - onset[0]) - np.maximum(onset[1:] - reach[:-1], 0.0).sum())
    return float(notes["duration_ms"].sum()) / max(covered, 1e-9)


def measure_piece(notes: NoteArray, with_rate: bool = True) -> PieceMeasures:
    """Measure one piece.

    Args:
        notes: Sorted by onset, at least one note.
        with_rate: Whether the information rate is computed, which is most of the time.

    Raises:
        ValueError: There is no note, or a time is not finite.
    """
    if len(notes) == 0:
        raise ValueError("a piece must have at least 1 note")
    if not (np.isfinite(notes["onset_ms"]).all() and np.isfinite(notes["duration_ms"]).all()):
        raise ValueError("onsets and durations must be finite")
    rate = piece_rate(notes) if with_rate else None
    cut = excerpts(notes, EXCERPT_NOTES, EXCERPTS_A_PIECE)
    end = float((notes["onset_ms"] + notes["duration_ms"]).max())
    seconds = (end - float(notes["onset_ms"][0])) / 1000.0
    return PieceMeasures(
        len(notes),
        seconds,
        _figures(notes, seconds, rate),
        _signatures(notes),
        count_aspects(notes),
        describe(cut),
        rate,
    )  # fmt: skip


def _keyboard(notes: NoteArray) -> dict[str, float]:
    """Return shares of notes: of keys struck again at once, without length, in chords."""
    order = np.lexsort((notes["onset_ms"], notes["pitch"]))
    pitch, onset = notes["pitch"][order], notes["onset_ms"][order]
    again = np.diff(onset)[pitch[1:] == pitch[:-1]]
    near = np.diff(notes["onset_ms"]) < CHORD_MS
    chord = np.append(near, False) | np.append(False, near)
    return {
        "restrikes_60ms": float((again < 60.0).sum()) / len(notes),
        "restrikes_120ms": float((again < 120.0).sum()) / len(notes),
        "zero_lengths": float((notes["duration_ms"] <= 1.0).mean()),
        "chord_notes": float(chord.mean()),
    }


def _signatures(notes: NoteArray) -> NDArray[np.float64]:
    rows = [note_signature(sample, steps=STEPS) for sample in windows(notes)]
    return np.stack(rows) if rows else np.zeros((0, len(FEATURES)))


def _figures(notes: NoteArray, seconds: float, rate: RateCurve | None) -> dict[str, float]:
    velocity = notes["velocity"].astype(np.float64)
    flags = figure_return_flags(notes)
    repeat = longest_repeat(notes["pitch"])
    own = {
        "notes_per_second": len(notes) / max(seconds, 1e-3),
        "pitch_mean": float(notes["pitch"].mean()),
        "velocity_mean": float(velocity.mean()),
        "velocity_sd": float(velocity.std()),
        "pedal_share": float(notes["pedal"].mean()),
        **_keyboard(notes),
        "polyphony": mean_polyphony(notes),
        "keys_down": float(keys_down(notes).mean()),
        "scale_consistency": scale_consistency(notes),
        "returned_figures": float(flags.mean()) if len(flags) else float("nan"),
        "longest_repeat": float(repeat),
        "longest_repeat_share": repeat / len(notes),
        "information_rate": rate.per_frame if rate else float("nan"),
    }
    names = [f"entropy_{name}" for name in (*WHOLE_FEATURES, *WINDOW_FEATURES)]
    return own | dict(zip(names, note_entropies(notes).tolist(), strict=True))
