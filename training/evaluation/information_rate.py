"""Information rate: how much of the music is told by its own past ([Dubnov2019], section 3.1).

Frames (chroma of a piece, latents of a model) come in; the information rate over thresholds, the
best threshold, the rate over time and the motifs there go out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray
from training.evaluation.oracle import Motif, build, find_motifs, information_rates

FRAME_MS = 500.0
"""Length of a chroma frame, ms: a beat at 120 beats a minute."""

FRAMES = 256
"""Frames of an excerpt, 128 s; rates are compared between excerpts of equal length."""

THRESHOLDS = 24
_RADII = (1.0, 1.0, 0.5)
_TURNS = (7.0 / 6.0, 3.0 / 2.0, 2.0 / 3.0)
"""Radius and half-turns a semitone of the circles of fifths, minor thirds and major thirds."""


def chroma(
    notes: NoteArray, frame_ms: float = FRAME_MS, frames: int | None = None
) -> NDArray[np.float64]:
    """Return how long each pitch class sounds in each frame.

    Args:
        notes: A note array, in any order; frame 0 begins at the first onset.
        frame_ms: Length of a frame, ms, above 0.
        frames: How many; None: up to the last release.

    Returns:
        ``(frames, 12)`` milliseconds.

    Raises:
        ValueError: ``frame_ms`` is not above 0.
    """
    if not frame_ms > 0:
        raise ValueError(f"frame_ms must be above 0, not {frame_ms}")
    if len(notes) == 0:
        return np.zeros((frames or 0, 12))
    start = (notes["onset_ms"] - notes["onset_ms"].min()) / frame_ms
    end = start + notes["duration_ms"] / frame_ms
    count = frames if frames is not None else math.ceil(float(end.max()))
    inside = start < count
    start, end = start[inside], np.minimum(end[inside], count)
    kind = notes["pitch"][inside].astype(np.int64) % 12
    # Integrate: each note adds a ramp that starts at its onset and stops rising at its release.
    total = np.zeros((count + 2, 12))
    for at, sign in ((start, 1.0), (end, -1.0)):
        whole = np.floor(at).astype(np.int64)
        part = at - whole
        np.add.at(total, (whole, kind), sign * (1.0 - part))
        np.add.at(total, (whole + 1, kind), sign * part)
    sounding = np.maximum(np.cumsum(total, axis=0)[:count], 0.0) * frame_ms
    sounding[sounding < 1e-6] = 0.0
    return sounding


def tonnetz(chromagram: NDArray[Any]) -> NDArray[np.float64]:
    """Project pitch classes onto the circles of fifths, minor thirds and major thirds.

    The chroma is normalised to the sum 1 and so, by its absolute values, is the projection: the
    golden distances of docs/design/query.md hold for that form.

    Args:
        chromagram: ``(..., 12)``, >= 0.

    Returns:
        ``(..., 6)``; zeros for silence.
    """
    values = np.asarray(chromagram, dtype=np.float64)
    semitone = np.arange(12)
    matrix = np.stack([
        radius * wave(math.pi * turn * semitone)
        for radius, turn in zip(_RADII, _TURNS, strict=True)
        for wave in (np.sin, np.cos)
    ])  # fmt: skip
    projected = _unit_sum(values) @ matrix.T
    projected[np.abs(projected) < 1e-12] = 0.0
    return _unit_sum(projected)


def _unit_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.abs(values).sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(values, total, out=np.zeros_like(values), where=total > 0))


def euclidean_distances(frames: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``(n, n)`` Euclidean distances of ``(n, d)`` or ``(n,)`` frames."""
    x = np.asarray(frames, dtype=np.float64)
    x = x.reshape(len(x), -1)
    return np.asarray(np.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=-1)))


def tonnetz_distances(chromagram: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``(n, n)`` Tonnetz distances of ``(n, 12)`` chroma frames."""
    return euclidean_distances(tonnetz(chromagram))


def cosine_distances(frames: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``(n, n)`` 1 - cosine, 0..2; a zero vector is 1 from all but another zero vector."""
    x = np.asarray(frames, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
    distances = np.maximum(1.0 - unit @ unit.T, 0.0)
    silent = norm[:, 0] == 0
    distances[np.ix_(silent, silent)] = 0.0
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances)


@dataclass(frozen=True)
class RateCurve:
    """Information rate over thresholds.

    Attributes:
        thresholds: The grid, ascending.
        rates: Sum of the information rate over frames at each, bits.
        best: The threshold with the highest sum, the lowest of them on ties.
        over_time: ``(n,)`` the rate of every frame at the best threshold, bits.
        motifs: What comes back at the best threshold, longest first.
    """

    thresholds: NDArray[np.float64]
    rates: NDArray[np.float64]
    best: float
    over_time: NDArray[np.float64]
    motifs: tuple[Motif, ...]

    @property
    def total(self) -> float:
        """The sum of the rate over frames at the best threshold, bits."""
        return float(self.rates.max())

    @property
    def per_frame(self) -> float:
        """The mean rate at the best threshold, bits a frame."""
        return self.total / max(len(self.over_time), 1)

    @property
    def interior(self) -> bool:
        """Whether the peak lies inside the grid and above both of its ends."""
        at = int(np.argmax(self.rates))
        inside = 0 < at < len(self.rates) - 1
        return inside and self.total > float(max(self.rates[0], self.rates[-1]))


def total_rate(distances: NDArray[np.float64], threshold: float) -> float:
    """Return the summed information rate, bits, of a sequence at one threshold."""
    return float(information_rates(build(distances, threshold)).sum())


def threshold_grid(distances: NDArray[np.float64], count: int = THRESHOLDS) -> NDArray[np.float64]:
    """Return thresholds from 0 (nothing matches) to beyond the largest distance (all does).

    Between them they follow the quantiles of the distances, so that each says something new.
    """
    own = distances[np.triu_indices(len(distances), 1)]
    if len(own) == 0 or own.max() == 0:
        return np.asarray([0.0, 1.0])
    inner = np.quantile(own, np.linspace(0.0, 1.0, count - 1) ** 2)
    return np.unique(np.concatenate([[0.0], np.nextafter(inner, np.inf)]))


def rate_curve(
    distances: NDArray[np.float64],
    thresholds: NDArray[np.float64] | None = None,
    least_frames: int = 4,
    least_count: int = 2,
) -> RateCurve:
    """Search the threshold with the highest information rate.

    Args:
        distances: ``(n, n)`` between frames, n at least 1.
        thresholds: The grid; None takes :func:`threshold_grid`.
        least_frames: Shortest motif, frames.
        least_count: Fewest occurrences of a motif.

    Raises:
        ValueError: There is no frame.
    """
    if len(distances) == 0:
        raise ValueError("distances must hold at least 1 frame, not 0")
    grid = threshold_grid(distances) if thresholds is None else np.sort(np.asarray(thresholds))
    rates = np.asarray([total_rate(distances, float(t)) for t in grid])
    best = float(grid[int(np.argmax(rates))])
    oracle = build(distances, best)
    motifs = find_motifs(oracle, least_frames, least_count)
    return RateCurve(grid, rates, best, information_rates(oracle), tuple(motifs))


def piece_rate(
    notes: NoteArray, frame_ms: float = FRAME_MS, frames: int = FRAMES
) -> RateCurve | None:
    """Return the rate curve of a piece's beginning by Tonnetz distances.

    None when the piece does not fill ``frames`` frames: rates of unequal lengths do not compare.
    """
    frame_count = len(chroma(notes, frame_ms))
    if frame_count < frames:
        return None
    return rate_curve(tonnetz_distances(chroma(notes, frame_ms, frames)))
