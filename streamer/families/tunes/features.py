"""What a tune's filter looks at: sixteen entropies of its notes, bits.

Source: [Yamshchikov2020], section 4.

In: tunes, as many as there are candidates. Out: one row of figures each. Behind them the caller may
put the latent coordinates of an encoder: the paper's "coordinates of the sampling vector". One
definition for ``perpetuo train filter`` and for the stream; numpy only, all tunes at once.

Six entropies of the whole: pitch classes and their changes, lengths and their changes, pitches and
their changes. Ten of windows over pitches: the least and the mean of those of 8, 16, 32, 64 and 128
notes; a tune shorter than a window is one window. A loop is low in the long windows, a stuck tune
in all, chance is high in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import PITCH_CLASSES, TuneArray
from streamer.measures.note_entropy import WINDOWS

Features = NDArray[np.float64]

WHOLE_TUNE_FEATURES = (
    "pitch_class",
    "pitch_class_change",
    "length",
    "length_change",
    "pitch",
    "pitch_change",
)
"""Names of the six entropies of the whole tune, in order."""

TUNE_FEATURES = (
    *WHOLE_TUNE_FEATURES,
    *(f"min_{w}" for w in WINDOWS),
    *(f"mean_{w}" for w in WINDOWS),
)
"""Names of the sixteen figures, in order."""

LATENT_PREFIX = "z_"

_ROWS = 256
"""Tunes that are described at once: more would fill the cache with counts."""


def feature_names(latent: int = 0) -> tuple[str, ...]:
    """Return the names of all figures: the sixteen, and ``z_0`` .. for ``latent`` coordinates."""
    return (*TUNE_FEATURES, *(f"{LATENT_PREFIX}{i}" for i in range(latent)))


def tune_features(tunes: Sequence[TuneArray]) -> Features:
    """Return the sixteen entropies of each tune, ``(tunes, 16)`` bits.

    Args:
        tunes: Notes of :data:`streamer.families.tunes.codec.TUNE_DTYPE`, 2 or more each; those of
            equal length are counted together. The length END is a length like others.

    Raises:
        ValueError: A tune has fewer than two notes.
    """
    sizes = np.array([len(tune) for tune in tunes], dtype=np.int64)
    if len(sizes) and sizes.min() < 2:
        raise ValueError(f"a tune must have 2 notes or more, not {sizes.min()}")
    rows = np.zeros((len(tunes), len(TUNE_FEATURES)))
    for size in np.unique(sizes).tolist():
        places = np.flatnonzero(sizes == size)
        for start in range(0, len(places), _ROWS):
            some = places[start : start + _ROWS]
            pitch = np.stack([tunes[i]["pitch"] for i in some.tolist()]).astype(np.int64)
            length = np.stack([tunes[i]["length"] for i in some.tolist()]).astype(np.int64)
            rows[some] = equal_features(pitch, length)
    return rows


def equal_features(pitch: NDArray[np.int64], length: NDArray[np.int64]) -> Features:
    """Return :func:`tune_features` of columns ``(tunes, notes)``, two notes or more."""
    whole = [
        _entropy(pitch % PITCH_CLASSES),
        _entropy(np.diff(pitch) % PITCH_CLASSES),
        _entropy(length),
        _entropy(np.diff(length)),
        _entropy(pitch),
        _entropy(np.diff(pitch)),
    ]
    # Counts of each pitch before each note: the difference of two is a window's own count.
    kinds, index = _numbered(pitch)
    tunes, notes = pitch.shape
    before = np.zeros((tunes, notes + 1, kinds), dtype=np.int16)
    np.put_along_axis(before[:, 1:], index[..., None], 1, axis=2)
    np.cumsum(before, axis=1, out=before)
    least, mean = [], []
    for window in WINDOWS:
        if window > notes:
            least.append(whole[4])
            mean.append(whole[4])
            continue
        counts = before[:, window:] - before[:, :-window]
        bits = np.log2(window) - _terms(window)[counts].sum(axis=2) / window
        least.append(bits.min(axis=1))
        mean.append(bits.mean(axis=1))
    return np.stack([*whole, *least, *mean], axis=1)


def _entropy(symbols: NDArray[np.int64]) -> Features:
    """Return the entropy of each row's frequencies, ``(rows,)`` bits."""
    rows, total = symbols.shape
    kinds, index = _numbered(symbols)
    cells = index + kinds * np.arange(rows)[:, None]
    counts = np.bincount(cells.ravel(), minlength=rows * kinds).reshape(rows, kinds)
    return np.asarray(np.log2(total) - _terms(total)[counts].sum(axis=1) / total)


def _numbered(symbols: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Return how many kinds of symbols there are, and each symbol's number among them."""
    low = int(symbols.min())
    shifted = symbols - low
    present = np.zeros(int(shifted.max()) + 1, dtype=np.int64)
    present[shifted] = 1
    number = np.cumsum(present) - 1
    return int(number[-1]) + 1, number[shifted]


def _terms(total: int) -> NDArray[Any]:
    """Return n log2 n for 0..total."""
    counts = np.arange(total + 1, dtype=np.float64)
    return counts * np.log2(np.maximum(counts, 1.0))
