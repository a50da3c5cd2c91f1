"""Does a long stream stay itself? Figures of equal stretches of time, against the corpus's spread.

A note array of any length comes in; a row of figures for each stretch, and how far the last lies
from the first, go out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.measures.note_entropy import entropy_bits
from streamer.measures.repetition import figure_return_flags, longest_repeat
from streamer.measures.signature import notes_in_window
from streamer.music.notes import NoteArray
from training.evaluation.distributions import keys_down

STRETCH_S = 60.0
"""Length of a stretch, seconds."""

FIGURES = (
    "notes_per_second",
    "pitch_mean",
    "pitch_sd",
    "velocity_mean",
    "velocity_sd",
    "log2_duration_mean",
    "polyphony_mean",
    "pedal_share",
    "pitch_class_entropy",
)
"""What is measured of each stretch, in order."""


def stretch_figures(notes: NoteArray, seconds: float = STRETCH_S) -> NDArray[np.float64]:
    """Return the figures of one stretch, ``(9,)``; NaN where there is no note but for density."""
    if len(notes) == 0:
        return np.asarray([0.0] + [np.nan] * (len(FIGURES) - 1))
    pitch, velocity = notes["pitch"].astype(np.float64), notes["velocity"].astype(np.float64)
    return np.asarray([
        len(notes) / seconds, pitch.mean(), pitch.std(), velocity.mean(), velocity.std(),
        float(np.log2(np.maximum(notes["duration_ms"], 1.0)).mean()),
        float(keys_down(notes).mean()),
        float(notes["pedal"].mean()), entropy_bits(notes["pitch"].astype(np.int64) % 12),
    ])  # fmt: skip


def stretches(notes: NoteArray, seconds: float = STRETCH_S) -> NDArray[np.float64]:
    """Return the figures of every whole stretch of a piece, ``(stretches, 9)``.

    Raises:
        ValueError: ``seconds`` is not above 0.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, not {seconds}")
    if len(notes) == 0:
        return np.zeros((0, len(FIGURES)))
    start = float(notes["onset_ms"][0])
    count = int((float(notes["onset_ms"][-1]) - start) / (seconds * 1000.0))
    rows = [
        stretch_figures(notes_in_window(notes, start + i * seconds * 1e3, seconds * 1e3), seconds)
        for i in range(count)
    ]
    return np.stack(rows) if rows else np.zeros((0, len(FIGURES)))


@dataclass(frozen=True)
class Drift:
    """How a long piece changes.

    Attributes:
        minutes: Length of what was measured, minutes.
        inside: For each figure the share of stretches between the corpus's 1 % and 99 %.
        change: For each figure, mean of the last quarter less that of the first, in standard
            deviations of the corpus's stretches.
        returned_share: Share of 8-note figures that came within five minutes before.
        longest_repeat: Longest run of pitches that occurs twice without overlap, notes.
    """

    minutes: float
    inside: dict[str, float]
    change: dict[str, float]
    returned_share: float
    longest_repeat: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "minutes": self.minutes,
            "inside": self.inside,
            "change": self.change,
            "returned_share": self.returned_share,
            "longest_repeat": self.longest_repeat,
        }


def corpus_stretches(
    pieces: Sequence[NoteArray], seconds: float = STRETCH_S
) -> NDArray[np.float64]:
    """Return the figures of the stretches of all pieces, ``(stretches, 9)``."""
    rows = [stretches(p, seconds) for p in pieces]
    return np.concatenate(rows) if rows else np.zeros((0, len(FIGURES)))


def measure_drift(
    notes: NoteArray, corpus: NDArray[np.float64], seconds: float = STRETCH_S
) -> Drift | None:
    """Return how a piece drifts against the corpus, None below four stretches.

    Args:
        notes: The piece, sorted by onset.
        corpus: :func:`corpus_stretches` of real music.
        seconds: Length of a stretch, the same for both.
    """
    rows = stretches(notes, seconds)
    if len(rows) < 4 or len(corpus) < 2:
        return None
    low, high = np.nanquantile(corpus, (0.01, 0.99), axis=0)
    spread = np.maximum(np.nanstd(corpus, axis=0), 1e-9)
    quarter = len(rows) // 4
    change = (np.nanmean(rows[-quarter:], axis=0) - np.nanmean(rows[:quarter], axis=0)) / spread
    inside = ((rows >= low) & (rows <= high)).mean(axis=0)
    flags = figure_return_flags(notes)
    return Drift(
        len(rows) * seconds / 60.0,
        dict(zip(FIGURES, inside.tolist(), strict=True)),
        dict(zip(FIGURES, change.tolist(), strict=True)),
        float(flags.mean()) if len(flags) else float("nan"),
        longest_repeat(notes["pitch"]),
    )
