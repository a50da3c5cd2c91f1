"""A noisy channel between encoder and decoder with a number of bits a bar.

Source: [Dubnov2019], section 4.

In: the variances of the latent's components over the corpus, and a number of bits. Out: how many
bits each component gets; the graph of the bundle does the rest (:func:`transmit` is its reference):
at 0 bits a component is the corpus's mean, at many it passes unaltered.

Variance and mean are those of the corpus as a whole and not of the single bar: read literally, with
the bar's own posterior, the control is inverted (docs/design/query.md, "Channel").
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

FULL_RATE = 16
"""Bits of each component at the full rate: what is left of the noise is below a thousandth of the
component's spread."""


def full_bits(components: int) -> int:
    """Return the bits of a bar at the full rate."""
    return components * FULL_RATE


def allocate(variances: NDArray[np.floating], bits: int) -> NDArray[np.int64]:
    """Share bits out: each to the component whose variance is largest, which then is a quarter.

    Args:
        variances: ``(components,)``, >= 0.
        bits: To share out, 0 or more; beyond :func:`full_bits` none is left to give.

    Returns:
        Bits of each component, ``(components,)``, at most :data:`FULL_RATE`. Of equal variances
        the lower index comes first.

    Raises:
        ValueError: A variance or the number of bits is below 0.
    """
    values = np.asarray(variances, dtype=np.float64)
    if values.ndim != 1 or not (values >= 0).all():
        raise ValueError("variances must be a row of numbers of 0 or more")
    if bits < 0:
        raise ValueError(f"bits must be in range 0..{full_bits(len(values))}, not {bits}")
    rates = np.zeros(len(values), dtype=np.int64)
    heap = [(-value, i) for i, value in enumerate(values.tolist())]
    heapq.heapify(heap)
    for _ in range(bits):
        if not heap:
            break
        value, i = heapq.heappop(heap)
        rates[i] += 1
        if rates[i] < FULL_RATE:
            heapq.heappush(heap, (value / 4, i))
    return rates


def transmit(
    z: NDArray[np.floating],
    rates: NDArray[np.integer],
    mean: NDArray[np.floating],
    variances: NDArray[np.floating],
    noise: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Send latents through the channel.

    Args:
        z: Posterior means, ``(..., components)``.
        rates: Bits of each component.
        mean: Of each component over the corpus.
        variances: The same.
        noise: From the standard normal, as ``z``.

    Returns:
        ``(1 - 4^-R) z + 4^-R mean + 4^-R sqrt((4^R - 1) variance) noise``: the distortion of each
        component is ``4^-R`` of its variance.
    """
    left = 4.0 ** -np.asarray(rates, dtype=np.float64)
    spread = left * np.sqrt((1.0 / left - 1.0) * np.asarray(variances))
    out: NDArray[np.floating] = (1.0 - left) * z + left * mean + spread * noise
    return out
