"""Styles of a stream of tunes: weights, latents, tempo, unit and bar of each tune.

In: what the bundle says of its styles, what a person asks for, and the live control between two of
them. Out: for each tune a :class:`TuneManner`, and latents drawn from the styles' own.

A person who names no style hears tunes of one style each, every style as often; one who names some
hears each tune in all of them at once, by their weights ([Yamshchikov2020]: interpolation of
latents).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import Manifest
from streamer.errors import BundleError
from streamer.families.tunes.codec import UNIT_PARTS
from streamer.families.tunes.spec import StyleSpec, tunes_of
from streamer.generators.styles import Weights, moved_share

Latent = NDArray[np.float32]

TEMPO_LEVELS = (0.1, 0.9)
LENGTH_LEVELS = (0.15, 0.85)
"""Quantiles of the style between which tempo and length of a tune are drawn."""

RETURN_LEVELS = (0.05, 0.95)
"""The same for how much of a tune returns."""

USUAL_RECALL = 0.4
"""The live control ``recall`` at which as much of a tune returns as in tracks of its style."""

MOST_RETURNING = 0.9
"""Share of a tune's figures that may have come before in it, whatever is asked for."""

SLOWEST_TUNE_BPM, FASTEST_TUNE_BPM = 40.0, 240.0
"""Tempos that a tune is drawn within, whatever its style's mean and spread."""

MOST_LATENT_SPREAD = 2.0
"""Latents are drawn within this many standard deviations."""


@dataclass(frozen=True, slots=True)
class TuneManner:
    """How one tune is played.

    Attributes:
        style: Index of the style that gives tempo, unit, bar and length.
        tempo_bpm: Quarters a minute.
        unit_beats: A unit of the tune in quarters.
        bar_beats: A bar in quarters.
        notes: About how many notes it is to have.
        kind: Index of the style's kind of unit and bar; -1 where the bundle knows none.
        returning: Share of its figures that are to have come before in it, 0..1.
    """

    style: int
    tempo_bpm: float
    unit_beats: float
    bar_beats: float
    notes: int
    kind: int = -1
    returning: float = 0.0

    @property
    def beat_ms(self) -> float:
        """Length of a quarter, ms."""
        return 60_000.0 / self.tempo_bpm

    @property
    def beat(self) -> float:
        """Length of a quarter in twelfths of the unit."""
        return UNIT_PARTS / self.unit_beats

    @property
    def bar(self) -> float:
        """Length of a bar in twelfths of the unit."""
        return self.bar_beats * self.beat


class Styles:
    """The styles of a bundle, and what a person wants of them; one thread.

    Args:
        manifest: Of a bundle with tunes.
        asked: Names and shares (:func:`streamer.settings.styles.parse_styles`); none for
            all in turn.

    Raises:
        BundleError: The bundle has no tunes, or not the style that is asked for.
    """

    def __init__(self, manifest: Manifest, asked: tuple[tuple[str, float], ...] = ()) -> None:
        spec = tunes_of(manifest)
        if spec is None:
            raise BundleError(
                f"bundle {manifest.name} does not say what its styles are like; export it again"
            )
        self._spec = spec
        self.names = tuple(style.name for style in self._spec.styles)
        for name, _ in asked:
            if name not in self.names:
                raise BundleError(
                    f"bundle {manifest.name} has no style {name!r}; it has {', '.join(self.names)}"
                )
        self._asked = [(self.names.index(name), share) for name, share in asked]
        self._mean = np.array([style.mean for style in self._spec.styles], dtype=np.float64)
        self._sd = np.array([style.sd for style in self._spec.styles], dtype=np.float64)

    def __len__(self) -> int:
        return len(self.names)

    def spec(self, style: int) -> StyleSpec:
        """Return what the bundle says of a style."""
        return self._spec.styles[style]

    def draw(self, rng: np.random.Generator) -> Weights:
        """Return the weights of the next tune, before the live control, ``(S,)``, sum 1."""
        weights = np.zeros(len(self), dtype=np.float32)
        if not self._asked:
            weights[rng.integers(len(self))] = 1.0
        for style, share in self._asked:
            weights[style] = share
        return weights

    def mixed(self, weights: Weights, mix: float) -> Weights:
        """Return weights of which a share of the first style that was named went to the second.

        Args:
            weights: ``(S,)``.
            mix: The live control, 0..1; nothing moves where fewer than two styles were named.
        """
        if not mix or len(self._asked) < 2:
            return weights
        (first, _), (second, _) = self._asked[:2]
        return moved_share(weights, first, second, mix)

    def middle(
        self, weights: Weights, manner: TuneManner
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and deviations of latents between the styles, ``(Z,)`` each.

        Args:
            weights: ``(S,)``.
            manner: Of the tune: its style counts as those of its tracks that have the same unit
                and bar, which the network hears nothing of but through the latent.
        """
        shares = np.asarray(weights, dtype=np.float64)
        mean, sd = shares @ self._mean, shares @ self._sd
        kind = self.spec(manner.style).kinds[manner.kind] if manner.kind >= 0 else None
        if kind is not None and kind.mean:
            share = shares[manner.style]
            mean = mean + share * (np.asarray(kind.mean) - self._mean[manner.style])
            sd = sd + share * (np.asarray(kind.sd) - self._sd[manner.style])
        return mean, sd

    def latent(self, rng: np.random.Generator, weights: Weights, manner: TuneManner) -> Latent:
        """Draw the latent of a tune, ``(Z,)``."""
        away = rng.standard_normal(self._mean.shape[1])
        away = np.clip(away, -MOST_LATENT_SPREAD, MOST_LATENT_SPREAD)
        mean, sd = self.middle(weights, manner)
        return np.asarray(mean + sd * away, dtype=np.float32)

    def walk(
        self,
        rng: np.random.Generator,
        weights: Weights,
        manner: TuneManner,
        latent: Latent,
        step: float,
    ) -> Latent:
        """Return the latent a step further on a walk that stays among the style's own.

        Args:
            rng: Decides.
            weights: ``(S,)``.
            manner: Of the tune.
            latent: ``(Z,)``.
            step: 0 stays, 1 draws another latent.
        """
        keep = math.sqrt(1.0 - step * step)
        mean, sd = self.middle(weights, manner)
        away = rng.standard_normal(len(latent)) * sd
        return (mean + keep * (latent - mean) + step * away).astype(np.float32)

    def moved(self, latent: Latent, manner: TuneManner, before: Weights, after: Weights) -> Latent:
        """Return the latent as far from the middle of the new weights as it was from the old."""
        there = latent + (self.middle(after, manner)[0] - self.middle(before, manner)[0])
        return np.asarray(there, dtype=np.float32)

    def nearest(self, latent: Latent) -> Weights:
        """Return the weights of the one style whose latents are most like this one."""
        spread = np.maximum(self._sd, 1e-3)
        away = ((latent - self._mean) / spread) ** 2 + 2.0 * np.log(spread)
        weights = np.zeros(len(self), dtype=np.float32)
        weights[int(away.sum(axis=1).argmin())] = 1.0
        return weights

    def entropy(self, weights: Weights) -> NDArray[np.float64] | None:
        """Return mean and deviation of the model's entropies, ``(arguments, 2)``; None: unknown."""
        if not all(style.entropy for style in self._spec.styles):
            return None
        known = np.array([style.entropy for style in self._spec.styles], dtype=np.float64)
        return np.asarray(np.tensordot(np.asarray(weights, dtype=np.float64), known, axes=1))

    def manner(
        self, rng: np.random.Generator, weights: Weights, least: int, most: int
    ) -> TuneManner:
        """Draw how a tune is played.

        Args:
            rng: Decides.
            weights: ``(S,)``; one style of them gives all, unit, bar and tempo together.
            least: Fewest notes.
            most: Most notes.
        """
        style, levels = _drawn(rng, weights), self._spec.levels
        spec = self.spec(style)
        kind = _drawn(rng, [each.share for each in spec.kinds]) if spec.kinds else -1
        pattern = spec.kinds[kind] if spec.kinds else spec
        tempo = float(np.interp(rng.uniform(*TEMPO_LEVELS), levels, pattern.bpm))
        notes = float(np.interp(rng.uniform(*LENGTH_LEVELS), levels, spec.notes))
        returns = spec.returns or [spec.returned] * len(levels)
        return TuneManner(
            style=style,
            tempo_bpm=min(max(tempo, SLOWEST_TUNE_BPM), FASTEST_TUNE_BPM),
            unit_beats=pattern.unit_beats,
            bar_beats=pattern.metre,
            notes=round(min(max(notes, least), most)),
            kind=kind,
            returning=float(np.interp(rng.uniform(*RETURN_LEVELS), levels, returns)),
        )

    def shown(self, weights: Weights) -> str:
        """Return the weights as a person reads them: ``bach``, or ``bach 70 %, jazz 30 %``."""
        shares = [(name, float(w)) for name, w in zip(self.names, weights, strict=True) if w > 0]
        if len(shares) == 1:
            return shares[0][0]
        shares.sort(key=lambda item: -item[1])
        return ", ".join(f"{name} {weight:.0%}" for name, weight in shares)


def asked_returning(manner: TuneManner, recall: float) -> float:
    """Return the share of a tune's figures that are to return when the live control says so."""
    return min(manner.returning * recall / USUAL_RECALL, MOST_RETURNING)


def _drawn(rng: np.random.Generator, shares: Sequence[float] | Weights) -> int:
    """Draw a place by its share."""
    sums = np.cumsum(shares, dtype=np.float64)
    return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)
