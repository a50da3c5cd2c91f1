"""How much there is to hear: entropies of the notes themselves, bits (paper 003, section 4).

Notes come in, sixteen figures go out: the entropies of pitches, pitch classes and durations and of
their changes, over the whole excerpt, and the least and mean entropy of windows. A stuck phrase is
low in all of them, and a random one is high. No model is asked: what :mod:`.entropy` measures is
how sure the model is, and this is how varied the music is. Called by the judges of the stream and
by evaluation; numpy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.notes import NoteArray

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
    pitch = notes["pitch"].astype(np.int64)
    length = duration_symbols(notes["duration_ms"])
    change = np.diff(pitch)
    kind = pitch % 12
    return np.asarray([
        entropy_bits(kind), entropy_bits(change % 12), entropy_bits(length),
        entropy_bits(np.diff(length) + 64), entropy_bits(pitch), entropy_bits(change + 128),
    ])  # fmt: skip


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
