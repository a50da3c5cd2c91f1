"""Ways from one latent of a band to another: what lies between two bars of two songs.

In: two latents and how far to go. Out: the latents between. The studies of the family use the same
ways, so that what is measured is what is played.

``linear`` is z = (1 - α) z1 + α z2 ([Valenti2020], equation 19, which is printed the other way
round). ``spherical`` turns from one direction to the other and grows from one length to the other,
because in many dimensions the middle of a straight line lies nearer the origin than any song.
``flower`` does so in all dimensions but the first two, where it goes around the circle of petals in
place of through its centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WALKS = ("linear", "spherical", "flower")

Latents = NDArray[np.float32]

_PLANE = 2
"""Dimensions in which the petals lie."""

_SMALL = 1e-6


def walk(first: NDArray[Any], second: NDArray[Any], alpha: Any, kind: str = "linear") -> Latents:
    """Return latents between two others.

    Args:
        first: ``(..., latent)``, where α is 0.
        second: The same shape, where α is 1.
        alpha: 0..1; a number, or an array that fits the shape without its last axis.
        kind: One of :data:`WALKS`.

    Returns:
        Shape of the three together, float32; exactly ``first`` and ``second`` at the ends of
        ``linear``, and up to rounding at those of the others.

    Raises:
        ValueError: The kind is unknown.
    """
    if kind not in WALKS:
        raise ValueError(f"walk must be one of {', '.join(WALKS)}, not {kind!r}")
    share = np.asarray(alpha, dtype=np.float64)[..., None]
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if kind == "linear":
        between = _straight(one, other, share)
    elif kind == "spherical":
        between = _turned(one, other, share)
    else:
        plane = _around(one[..., :_PLANE], other[..., :_PLANE], share)
        rest = _turned(one[..., _PLANE:], other[..., _PLANE:], share)
        between = np.concatenate([plane, rest], axis=-1)
    return between.astype(np.float32)


def _straight(one: NDArray[Any], other: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    return np.asarray((1 - share) * one + share * other)


def _turned(one: NDArray[Any], other: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    """Turn from one direction to another on the great arc, length by length."""
    lengths = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (one, other)]
    units = [v / np.maximum(n, _SMALL) for v, n in zip((one, other), lengths, strict=True)]
    angle = np.arccos(np.clip((units[0] * units[1]).sum(-1, keepdims=True), -1, 1))
    bent = np.sin(angle)
    # Of directions that are equal, opposite or none there is no one arc.
    plain = (bent < _SMALL) | (np.minimum(*lengths) < _SMALL)
    safe = np.where(plain, 1.0, bent)
    arc = (np.sin((1 - share) * angle) * units[0] + np.sin(share * angle) * units[1]) / safe
    length = _straight(lengths[0], lengths[1], share)
    return np.where(plain, _straight(one, other, share), arc * length)


def _around(one: NDArray[Any], other: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    """Go around the origin of a plane the shorter way."""
    angles = [np.arctan2(v[..., 1:], v[..., :1]) for v in (one, other)]
    turn = (angles[1] - angles[0] + np.pi) % (2 * np.pi) - np.pi
    radii = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (one, other)]
    angle, radius = angles[0] + share * turn, _straight(radii[0], radii[1], share)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
