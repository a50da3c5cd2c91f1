"""Randomness and control, both as the noise that a step graph takes.

The graph picks ``argmax(logits + noise)``. With Gumbel noise times the temperature that is a draw
from the tempered softmax (Gumbel-max); a bias added to it masks or forces classes. Scale locks,
ranges, priming and forced notes are all written here, so that no graph needs another operator
(docs/design/engine.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.codecs import Codec

Noise = NDArray[np.float32]

FORBID, FORCE = -1e6, 1e6
"""Bias that no logit and no draw outweighs."""

TEMPERATURE_HIGH = 100.0


def gumbel_noise(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    temperature: float | Sequence[float],
    codec: Codec,
    bias: NDArray[Any] | None = None,
) -> Noise:
    """Draw noise for a block.

    Args:
        rng: SFC64 for speed; the same generator state gives the same noise.
        shape: ``(notes, batch, classes)``, classes as the codec has them.
        temperature: One for all, or one for each of the codec's arguments; 0 takes the likeliest
            class. Range 0..100.
        codec: Tells which classes belong to which argument.
        bias: Added after the temperature: ``(classes,)``, ``(notes, classes)`` or
            ``(notes, batch, classes)``; None for none.

    Returns:
        ``shape``, float32.

    Raises:
        ValueError: A shape does not fit the codec, or a temperature is out of range.
    """
    if shape[2] != codec.offsets[-1]:
        raise ValueError(f"shape must be (notes, batch, {codec.offsets[-1]}), not {shape}")
    noise = rng.standard_exponential(shape, dtype=np.float32)
    # An exponential of exactly 0 would become infinite noise.
    np.maximum(noise, np.float32(1e-30), out=noise)
    np.log(noise, out=noise)
    noise *= -_row(temperature, codec)
    if bias is not None:
        noise += _bias(bias, shape)
    return noise


def force_classes(noise: Noise, classes: NDArray[Any], codec: Codec) -> Noise:
    """Make a step graph choose given classes: how a stream is primed.

    Args:
        noise: ``(notes, batch, classes)``, changed in place.
        classes: ``(notes, arguments)`` or ``(notes, batch, arguments)``; -1 leaves an argument
            free.
        codec: Tells which classes belong to which argument.

    Returns:
        ``noise``.

    Raises:
        ValueError: A class is not the codec's.
    """
    wanted = np.asarray(classes, dtype=np.int64)
    if wanted.ndim == 2:
        wanted = wanted[:, None]
    wanted = np.broadcast_to(wanted, (*noise.shape[:2], len(codec.sizes)))
    if (wanted < -1).any() or (wanted >= codec.sizes).any():
        raise ValueError(f"classes must be -1 or below {codec.sizes}")
    note, candidate, argument = np.nonzero(wanted >= 0)
    rows = wanted[note, candidate, argument] + np.asarray(codec.offsets)[argument]
    noise[note, candidate, rows] = FORCE
    return noise


def _row(temperature: float | Sequence[float], codec: Codec) -> Noise:
    """Return the temperature of each class."""
    given = np.asarray(temperature, dtype=np.float32)
    if given.size not in (1, len(codec.sizes)):
        raise ValueError(f"temperature must be one number or {len(codec.sizes)}, not {given.size}")
    values = np.broadcast_to(given, len(codec.sizes))
    if not ((values >= 0) & (values <= TEMPERATURE_HIGH)).all():
        raise ValueError(f"temperature must be in range 0..{TEMPERATURE_HIGH:g}, not {temperature}")
    return np.repeat(values, codec.sizes)


def _bias(bias: NDArray[Any], shape: tuple[int, int, int]) -> Noise:
    values = np.asarray(bias, dtype=np.float32)
    if values.ndim == 2:
        values = values[:, None]
    if values.shape[-1] != shape[2] or np.isnan(values).any():
        raise ValueError(f"bias must be numbers of shape (..., {shape[2]}), not {values.shape}")
    return values
