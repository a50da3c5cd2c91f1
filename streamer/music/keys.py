"""Keys: how like each of the 24 major and minor keys a weighing of pitch classes is.

In: how much is heard of each pitch class. Out: correlations with the probe-tone profiles of
[Krumhansl1990], as the Krumhansl-Schmuckler algorithm of key finding takes them. Any thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.music.scales import Scale

MODES: tuple[Scale, Scale] = ("major", "minor")

PROFILES = np.array([
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
])  # fmt: skip
"""How well each pitch class fits a key on 0, of each of :data:`MODES`, ``(2, 12)``."""


def _normal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows less their means, each of length 1; a flat one of length 0."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    size = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    found: NDArray[np.float64] = np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)
    return found


_KEYS = _normal(np.array([[np.roll(profile, root) for root in range(12)] for profile in PROFILES]))


def likeness(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation with each key, ``(2, 12)``: of :data:`MODES`, on each pitch class.

    Args:
        weights: ``(12,)``, from C on, 0 or more; where all are the same, nothing is like any.
    """
    found: NDArray[np.float64] = _KEYS @ _normal(weights)
    return found
