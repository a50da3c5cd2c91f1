"""How the latents of a genre scatter: their mean, the ways in which they vary together, the rest.

In: encodings of a genre's windows. Out: a Gaussian of low rank, drawn from by coordinates that are
standard normal. Latents of a genre do not vary each for itself: drawn as if they did they lie where
no music of the genre was ever encoded, and a judge of genres hears that (docs/results/musae.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GENRE_FACTORS = 16
"""Directions that a bundle keeps of each genre. With eight a genre is heard less often, with 32 a
little more often (docs/results/musae.md), and they are most of the manifest."""


@dataclass(frozen=True, eq=False)
class Scatter:
    """A Gaussian whose covariance is ``factorsᵀ factors`` and what is left on the diagonal.

    Attributes:
        mean: ``(latent,)``.
        variance: Of each component, whatever it comes from, ``(latent,)``.
        factors: Directions in which components vary together, as long as the standard deviation
            there, ``(rank, latent)``; rank 0 where each varies for itself.
    """

    mean: Floats
    variance: Floats
    factors: Floats

    @classmethod
    def measure(cls, means: Floats, variances: Floats, rank: int) -> Scatter:
        """Return the scatter of encoded windows.

        Args:
            means: Of their posteriors, ``(windows, latent)``, one window or more.
            variances: Of their posteriors, the same.
            rank: Most directions, 0 or more.
        """
        middle = means.mean(axis=0)
        away = (means - middle) / np.sqrt(len(means))
        _, lengths, directions = np.linalg.svd(away, full_matrices=False)
        factors = lengths[:rank, None] * directions[:rank]
        return cls(middle, means.var(axis=0) + variances.mean(axis=0), factors)

    @property
    def rest(self) -> Floats:
        """Standard deviation of each component beside the factors, ``(latent,)``."""
        shared = (self.factors**2).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(self.variance - shared, 0.0)))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Return latents, ``(count, latent)``."""
        along = rng.standard_normal((count, len(self.factors))) @ self.factors
        return self.mean + along + self.rest * rng.standard_normal((count, len(self.mean)))


def mixed(scatters: list[Scatter], shares: Floats) -> Scatter:
    """Return the scatter between some: means and covariances by their shares.

    Args:
        scatters: One or more, of one latent space.
        shares: Of each, 0 or more, sum 1.
    """
    used = [*zip(scatters, shares.tolist(), strict=True)]
    return Scatter(
        np.sum([share * one.mean for one, share in used], axis=0),
        np.sum([share * one.variance for one, share in used], axis=0),
        np.concatenate([np.sqrt(share) * one.factors for one, share in used]),
    )
