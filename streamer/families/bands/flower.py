"""The flower: a prior of petals, one for each genre, on a circle ([Valenti2020], section 3.3).

Each petal is a Gaussian with its mean on the unit circle of the first two dimensions, long in the
direction of the radius and narrow across it and in all other dimensions. One more, round, lies at
the centre for what has no genre. Sampled directly: no covariance is ever built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RADIAL_SD, OTHER_SD = math.sqrt(0.1), math.sqrt(0.001)
"""Standard deviations of the paper: along the radius, and in every other direction."""


@dataclass(frozen=True)
class Flower:
    """A Gaussian mixture prior, one component (*petal*) for each genre.

    Attributes:
        latent: Dimensions, 2 or more.
        petals: On the circle, 1 or more; petal ``petals`` is the one at the centre.
        radial_sd: Standard deviation along the radius.
        other_sd: Standard deviation in all other directions.
    """

    latent: int
    petals: int = 32
    radial_sd: float = RADIAL_SD
    other_sd: float = OTHER_SD

    def __post_init__(self) -> None:
        if self.latent < 2 or self.petals < 1:
            raise ValueError("latent must be 2 or more, petals 1 or more")
        if self.radial_sd <= 0 or self.other_sd <= 0:
            raise ValueError("radial_sd and other_sd must be above 0")

    @property
    def untagged(self) -> int:
        """Number of the petal at the centre."""
        return self.petals

    @property
    def count(self) -> int:
        """Petals, that at the centre among them."""
        return self.petals + 1

    def place(self, genres: int) -> list[int]:
        """Return petals for a number of genres, spread over the circle in their order.

        Raises:
            ValueError: There are more than petals.
        """
        if genres > self.petals:
            raise ValueError(f"{genres} genres for {self.petals} petals")
        return [i * self.petals // genres for i in range(genres)]

    def mean(self, petal: NDArray[np.integer] | int) -> NDArray[np.float64]:
        """Return where petals lie in the first two dimensions, ``(..., 2)``."""
        which = np.asarray(petal)
        angle = 2 * math.pi * which / self.petals
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return np.where((which == self.untagged)[..., None], 0.0, circle)

    def sample(self, petal: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw one latent for each petal named.

        Args:
            petal: ``(n,)``, 0..petals.
            rng: Randomness.

        Returns:
            ``(n, latent)``.
        """
        standard = rng.standard_normal((len(petal), self.latent), dtype=np.float32)
        return self.unfold(standard, petal)

    def unfold(
        self, standard: NDArray[np.floating], petal: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the latents that standard normal numbers mean in the petals; see :meth:`fold`."""
        which = np.asarray(petal)
        angle = 2 * math.pi * which / self.petals
        cos, sin = np.cos(angle), np.sin(angle)
        along, across = standard[:, 0] * self.radial_sd, standard[:, 1] * self._across(which)
        z = np.asarray(standard * self.other_sd, dtype=np.float64)
        middle = self.mean(which)
        z[:, 0] = middle[:, 0] + along * cos - across * sin
        z[:, 1] = middle[:, 1] + along * sin + across * cos
        return z.astype(np.float32)

    def fold(self, z: NDArray[np.floating], petal: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return latents as their petals see them: standard normal where the prior holds.

        Args:
            z: ``(n, latent)``.
            petal: ``(n,)``.

        Returns:
            ``(n, latent)``: first along the radius, then across it, then the others.
        """
        which = np.asarray(petal)
        angle = 2 * math.pi * which / self.petals
        cos, sin = np.cos(angle), np.sin(angle)
        away = np.asarray(z[:, :2], dtype=np.float64) - self.mean(which)
        standard = np.asarray(z, dtype=np.float64) / self.other_sd
        standard[:, 0] = (away[:, 0] * cos + away[:, 1] * sin) / self.radial_sd
        standard[:, 1] = (away[:, 1] * cos - away[:, 0] * sin) / self._across(which)
        return standard

    def nearest(self, z: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the petal under which each latent is likeliest, ``(n,)``, 0..petals."""
        scores = []
        for petal in range(self.count):
            which = np.full(len(z), petal)
            seen = self.fold(z[:, :2], which)
            scores.append(-0.5 * (seen**2).sum(1) - np.log(self._across(which)))
        return np.asarray(np.argmax(np.stack(scores), axis=0), dtype=np.int64)

    def _across(self, petal: NDArray[np.integer]) -> NDArray[np.float64]:
        """Standard deviation across the radius; the middle one is round."""
        return np.where(petal == self.untagged, self.radial_sd, self.other_sd)
