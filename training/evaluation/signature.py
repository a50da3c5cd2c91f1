"""Fit a signature reference on a corpus, and the random music it is compared with.

Pieces come in, a :class:`streamer.measures.signature.SignatureReference` goes out, which bundles
carry. Definition and distance live with the edge; fitting needs scikit-learn and lives here.
Source: [Sabathe2017], section II-A and figure 1; docs/design/draw.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.measures.signature import (
    STEP_MS,
    STEPS,
    Roll,
    SignatureReference,
    note_signature,
    notes_in_window,
    roll_of_matrix,
)
from streamer.music.notes import NoteArray

SD_FLOOR = 1e-3
"""Smallest standard deviation of a feature, in its own unit: a constant one says nothing."""

FOLDS = 5
QUANTILES = (0.5, 0.9, 0.99)
RANDOM_CELLS = 450
"""Filled cells of a random sample of 300 steps in the paper."""


def windows(
    piece: NoteArray, steps: int = STEPS, step_ms: float = STEP_MS, least: int = 8
) -> list[NoteArray]:
    """Cut a piece into samples of equal length that do not overlap.

    Args:
        piece: A note array sorted by onset.
        steps: Length of a sample, steps.
        step_ms: Length of a step, ms.
        least: Samples with fewer notes are left out, as is the end that does not fill one.
    """
    if len(piece) == 0:
        return []
    length = steps * step_ms
    start = float(piece["onset_ms"][0])
    end = float((piece["onset_ms"] + piece["duration_ms"]).max())
    count = int((end - start) / length)
    cut = (notes_in_window(piece, start + i * length, length) for i in range(count))
    return [window for window in cut if len(window) >= least]


def window_signatures(
    pieces: Sequence[NoteArray],
    steps: int = STEPS,
    step_ms: float = STEP_MS,
    limit: int | None = None,
    rng: np.random.Generator | None = None,
    seventeen: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the signatures of samples of many pieces.

    Args:
        pieces: Note arrays.
        steps: Length of a sample, steps.
        step_ms: Length of a step, ms.
        limit: At most this many samples, drawn without repetition; needs ``rng``.
        rng: Decides which samples are drawn.
        seventeen: Whether the two extra figures are computed.

    Returns:
        Signatures ``(samples, features)``, and the number of the piece of each ``(samples,)``.
    """
    samples = [(w, i) for i, p in enumerate(pieces) for w in windows(p, steps, step_ms)]
    if limit is not None and len(samples) > limit:
        chosen = (rng or np.random.default_rng(0)).choice(len(samples), limit, replace=False)
        samples = [samples[i] for i in np.sort(chosen)]
    width = 17 if seventeen else 15
    rows = [note_signature(w, step_ms, steps, seventeen) for w, _ in samples]
    vectors = np.stack(rows) if rows else np.zeros((0, width))
    return vectors, np.asarray([i for _, i in samples], dtype=np.int64)


def _mean_and_precision(
    signatures: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardise, shrink after Ledoit and Wolf, invert, and return to the features' units."""
    from sklearn.covariance import LedoitWolf

    mean = signatures.mean(axis=0)
    sd = np.maximum(signatures.std(axis=0), SD_FLOOR)
    fitted = LedoitWolf(assume_centered=True).fit((signatures - mean) / sd)
    return mean, fitted.precision_ / np.outer(sd, sd)


def fit_reference(
    signatures: NDArray[np.float64],
    groups: NDArray[Any] | None = None,
    steps: int = STEPS,
    step_ms: float = STEP_MS,
) -> SignatureReference:
    """Fit what pieces are measured against.

    The quantiles that part the categories are those of distances of samples to a reference that
    was fitted without their piece; a sample's distance to a reference that holds it is too small.

    Args:
        signatures: ``(samples, features)``; the paper takes 100 samples of 300 steps.
        groups: The piece of each sample. None: each sample is its own.
        steps: Length of every sample, steps.
        step_ms: Length of a step, ms.

    Raises:
        DataError: There are fewer samples than features and one more, or a figure is not finite.
    """
    count, features = signatures.shape
    if count <= features:
        raise DataError(
            f"the reference has {count} samples of {steps * step_ms / 1000:.4g} s; a signature of "
            f"{features} figures needs at least {features + 1}: give more or longer files"
        )
    if not np.isfinite(signatures).all():
        raise DataError("the reference's signatures hold figures that are not finite; remove them")
    mean, precision = _mean_and_precision(signatures)
    own = cross_fitted_distances(signatures, groups)
    low, middle, high = (float(q) for q in np.quantile(own, QUANTILES))
    return SignatureReference(mean, precision, (low, middle, high), steps, step_ms, count)


def cross_fitted_distances(
    signatures: NDArray[np.float64], groups: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return each sample's distance to a reference fitted without its piece, ``(samples,)``."""
    names = np.arange(len(signatures)) if groups is None else groups
    inverse = np.unique(names, return_inverse=True)[1]
    fold = inverse % min(FOLDS, int(inverse.max()) + 1)
    distances = np.empty(len(signatures))
    for k in range(int(fold.max()) + 1):
        rest = signatures[fold != k] if (fold != k).sum() > 1 else signatures
        mean, precision = _mean_and_precision(rest)
        part = SignatureReference(mean, precision, (0.0, 0.0, 0.0))
        distances[fold == k] = part.distance(signatures[fold == k])
    return distances


def random_roll(
    rng: np.random.Generator, low: int = 0, high: int = 127, steps: int = STEPS,
    cells: float = RANDOM_CELLS,
) -> Roll:  # fmt: skip
    """Return the paper's random music: every cell between two pitches is on by chance.

    Args:
        rng: The chance.
        low: Lowest pitch; the paper's "sensible" random takes 20..100.
        high: Highest pitch.
        steps: Length, steps.
        cells: How many cells are on, on average, in 300 steps.
    """
    chance = cells / (STEPS * (high - low + 1))
    matrix = np.zeros((steps, 128), dtype=bool)
    matrix[:, low : high + 1] = rng.random((steps, high - low + 1)) < chance
    return roll_of_matrix(matrix)
