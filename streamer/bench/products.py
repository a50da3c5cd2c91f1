"""Matrix products by themselves: the least that a model costs, whoever writes its graph.

In: a bundle, whose family says which products a note or a section needs. Out: what multiplies so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.pipeline import family_for
from streamer.registry import opened

Product = tuple[int, int, int]
"""Rows and columns of a matrix, and how many times one after another it is multiplied with."""

Contestant = Callable[[], int]
"""Plays some notes or sections once and returns how many; each candidate's step counts once."""


def floors_of(bundle: Bundle) -> list[Product]:
    """Return the products of one note, or of one section, as the bundle's family counts them.

    Raises:
        BundleError: No family that is installed plays the bundle.
        EngineError: The bundle does not say how large they are.
    """
    products: list[Product] = opened(family_for(bundle).floors)(bundle)
    return products


def multiplier(
    products: Sequence[Product], batch: int, rng: np.random.Generator, turns: int = 1
) -> Contestant:
    """Return what multiplies ``batch`` rows with every matrix, ``turns`` times over."""
    work = []
    for rows, columns, times in products:
        x = rng.standard_normal((batch, rows), dtype=np.float32)
        w = rng.standard_normal((rows, columns), dtype=np.float32)
        work += [(x, w, np.empty((batch, columns), np.float32))] * times

    def play() -> int:
        for _ in range(turns):
            for x, w, out in work:
                np.matmul(x, w, out=out)
        return turns

    return play


def as_one(products: Sequence[Product]) -> list[Product]:
    """Return one product with the same number of weights."""
    columns = max(columns for _, columns, _ in products)
    rows = -(-sum(a * b for a, b, _ in products) // columns)
    return [(rows, columns, 1)]
