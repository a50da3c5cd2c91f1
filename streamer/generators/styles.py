"""Weights of styles, or of genres: how much of each the music is in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]
"""A number 0..1 for each style, ``(styles,)``, sum 1."""


def moved_share(weights: Weights, first: int, second: int, mix: float) -> Weights:
    """Return weights of which the share ``mix``, 0..1, of one style went to another."""
    moved: Weights = weights.copy()
    moved[second] += np.float32(mix) * weights[first]
    moved[first] *= np.float32(1.0 - mix)
    return moved
