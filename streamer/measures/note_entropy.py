"""How much there is to hear: entropies of the notes themselves, bits.

Source: [Yamshchikov2020], section 4.

Notes come in, sixteen figures go out: the entropies of pitches, pitch classes and durations and of
their changes, over the whole excerpt, and the least and mean entropy of windows. A stuck phrase is
low in all of them, and a random one is high. No model is asked: what :mod:`.entropy` measures is
how sure the model is, and this is how varied the music is. Numpy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray

WHOLE_FEATURES = (
    "pitch_class",
    "pitch_class_change",
    "duration",
    "duration_change",
    "pitch",
    "pitch_change",
)
"""Names of the six entropies of the whole excerpt, in order."""

WINDOWS = (8, 16, 32, 64, 128)
"""Lengths of the windows, notes."""

WINDOW_FEATURES = (*(f"min_{w}" for w in WINDOWS), *(f"mean_{w}" for w in WINDOWS))

_BINS_AN_OCTAVE = 3
_LENGTHS = 64
"""Classes of durations; the last holds all above three hours."""

_SIZES = (12, 12, _LENGTHS, 2 * _LENGTHS, 128, 256)
_STARTS = tuple(sum(_SIZES[:i]) for i in range(len(_SIZES)))
_CELLS = sum(_SIZES)
_TERMS = np.concatenate([[0.0], np.arange(1.0, 512.0) * np.log2(np.arange(1.0, 512.0))])
"""n log2 n: phrases are judged in the stream, where a logarithm each is dear."""


def entropy_bits(symbols: NDArray[np.int64]) -> float:
    """Return the entropy, bits, of the frequencies of integers >= 0; 0 when there is none."""
    total = len(symbols)
    if total == 0:
        return 0.0
    counts = np.bincount(symbols)
    if total < len(_TERMS):
        return math.log2(total) - float(_TERMS[counts].sum()) / total
    counts = counts[counts > 0]
    return math.log2(total) - float((counts * np.log2(counts)).sum()) / total


def duration_symbols(duration_ms: NDArray[Any]) -> NDArray[np.int64]:
    """Return the class of each duration: three to a doubling, from 8 ms."""
    octaves = np.log2(np.maximum(duration_ms, 8.0) / 8.0)
    return np.asarray(octaves * _BINS_AN_OCTAVE, dtype=np.int64)


def whole_entropies(notes: NoteArray) -> NDArray[np.float64]:
    """Return the six entropies of an excerpt, ``(6,)`` bits; see :data:`WHOLE_FEATURES`."""
    return column_entropies(notes["duration_ms"], notes["pitch"].astype(np.int64))


def column_entropies(
    duration_ms: NDArray[np.float64], pitch: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return :func:`whole_entropies` from plain columns ``(notes,)``; for the stream's judges."""
    count = len(pitch)
    if count < 2:
        return np.zeros(len(WHOLE_FEATURES))
    length = np.minimum(duration_symbols(duration_ms), _LENGTHS - 1)
    change = pitch[1:] - pitch[:-1]
    lengthen = length[1:] - length[:-1]
    # The six alphabets side by side: in the stream, one count costs a sixth of six counts.
    parts = (pitch % 12, change % 12, length, lengthen + _LENGTHS, pitch, change + 128)
    symbols = np.concatenate([p + start for p, start in zip(parts, _STARTS, strict=True)])
    counts = np.bincount(symbols, minlength=_CELLS)
    terms = _TERMS[counts] if count < len(_TERMS) else counts * np.log2(np.maximum(counts, 1))
    totals = np.asarray([count, count - 1] * 3, dtype=np.float64)
    return np.asarray(np.log2(totals) - np.add.reduceat(terms, _STARTS) / totals)


def window_entropies(symbols: NDArray[Any], window: int) -> NDArray[np.float64]:
    """Return the entropy of every run of ``window`` symbols, bits.

    Args:
        symbols: ``(n,)`` integers.
        window: Symbols in a run, at least 1.

    Returns:
        ``(n - window + 1,)``; one figure, of the whole, when there are fewer symbols.

    Raises:
        ValueError: ``window`` is below 1.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    n = len(symbols)
    if n == 0:
        return np.zeros(1)
    kinds, inverse = np.unique(symbols, return_inverse=True)
    width = min(window, n)
    seen = np.zeros((n + 1, len(kinds)), dtype=np.int32)
    seen[np.arange(1, n + 1), inverse] = 1
    np.cumsum(seen, axis=0, out=seen)
    counts = seen[width:] - seen[:-width]
    sizes = np.arange(width + 1, dtype=np.float64)
    weights = sizes * np.log2(np.maximum(sizes, 1.0))
    return np.asarray(np.log2(width) - weights[counts].sum(axis=1) / width)


def note_entropies(notes: NoteArray) -> NDArray[np.float64]:
    """Return the sixteen figures of a piece, ``(16,)`` bits.

    In the order of :data:`WHOLE_FEATURES` and :data:`WINDOW_FEATURES`; windows are over pitches.
    """
    windows = [window_entropies(notes["pitch"], w) for w in WINDOWS]
    least = [float(w.min()) for w in windows]
    mean = [float(w.mean()) for w in windows]
    return np.concatenate([whole_entropies(notes), least, mean])
