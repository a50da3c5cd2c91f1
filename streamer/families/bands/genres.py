"""Genres of a band: weights, latents, tempo and sounds, on a walk around the flower.

Source: [Valenti2020].

In: what the bundle says of its genres, what a person asks for, the live controls. Out: for each
section a :class:`SectionManner`, and latents near to where the songs of its genres lie.

Genres that are asked for are mixed by their weights. Where none is asked for, a walk goes around
the mixture prior (the *flower*), from each component (*petal*) to its neighbour, and stays a while
at each. Strength says how the genre is held:
1 as its own songs lie, 0 anywhere among all songs, 2 close to its middle (ours).
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.manifest import Manifest
from streamer.engine.engine import Function
from streamer.errors import BundleError
from streamer.families.bands.controls import BandControls
from streamer.families.bands.scatter import Scatter, mixed
from streamer.families.bands.spec import BandSpec, GenreSpec, bands_of
from streamer.families.bands.tracks import TRACKS
from streamer.generators.sections import step_angle
from streamer.generators.sectionspec import WindowSpec, section_of
from streamer.generators.styles import Weights, moved_share
from streamer.settings.controls import Controls
from streamer.system.marks import Marked

Floats = NDArray[np.float64]

GENRES_A_BEAT = 1 / 24
"""How far around the circle a quarter leads where the walk control is 1, genres."""

SURE_WINDOWS = 32.0
"""Windows of a genre at which its own figures count as much as what the prior says of it."""

CLOSEST = 0.25
"""Share of a genre's spread that is left at a strength of 2."""

TEMPO_LEVELS = (0.35, 0.65)
"""Quantiles of the genres' tempos between which a stream draws its own."""

BPM_LEVELS = (0.05, 0.5, 0.95)
SLOWEST_BAND_BPM, FASTEST_BAND_BPM = 50.0, 200.0
"""Tempos that a walk among genres keeps to."""

TEMPO_STEP_A_BEAT = 0.004
"""Greatest relative change of tempo for each quarter of a section."""

LEAD = 0.1
"""A genre's sounds take over when its weight is this far above that of the one that gave them."""


@dataclass(frozen=True, slots=True, eq=False)
class SectionManner:
    """How one section is played.

    Attributes:
        weights: Of the genres, ``(genres,)``; sum 1, empty where the bundle has none.
        beat_ms: Length of a quarter.
        programs: Of each track, 0..127.
        genre: As a person reads it.
    """

    weights: Weights
    beat_ms: float
    programs: tuple[int, ...]
    genre: str


class Genres(Marked):
    """The genres of a bundle, and what a person wants of them; one thread.

    Args:
        manifest: Of a band.
        asked: Names and shares (:func:`streamer.settings.styles.parse_styles`); none
            wanders.
        rng: Draws where the walk begins, which way it goes, and the level of the tempo.

    Raises:
        BundleError: The bundle is no band, or has not the genre that is asked for.
    """

    marked = ("_place", "_leader", "_beat_ms")
    remembered = ("_way", "_level")

    def __init__(
        self, manifest: Manifest, asked: tuple[tuple[str, float], ...], rng: np.random.Generator
    ) -> None:
        spec, window = bands_of(manifest), section_of(manifest)
        if spec is None or window is None:
            raise BundleError(f"bundle {manifest.name} is no band")
        self._spec, self._window = spec, window
        self.names = tuple(genre.name for genre in self._spec.genres)
        self._asked = [(_place(name, self.names, manifest.name), share) for name, share in asked]
        self._latents = _Latents(self._spec, self._window)
        self._place = float(rng.integers(max(len(self.names), 1)))
        self._way = 1.0 if rng.random() < 0.5 else -1.0
        self._level = float(rng.uniform(*TEMPO_LEVELS))
        self._leader: int | None = None
        self._beat_ms: float | None = None

    @property
    def latent(self) -> int:
        """Components of z."""
        return self._window.latent

    @property
    def usual_step(self) -> float | None:
        """The step that the corpus takes from section to section, where the bundle knows it."""
        return self._window.walk

    def next(self, controls: Controls, beats: float) -> SectionManner:
        """Return how the next section, ``beats`` quarters long, is played; the walk goes on."""
        weights = self._weights(controls)
        self._place += self._way * controls.walk * GENRES_A_BEAT * beats
        self._beat_ms = self._tempo(weights, beats)
        return SectionManner(weights, self._beat_ms, self._programs(weights), self.shown(weights))

    @property
    def coordinates(self) -> int:
        """Numbers of a place: those of z, and one for each way in which a genre varies."""
        return self._latents.coordinates

    def scatter(self, weights: Weights, strength: float) -> Scatter:
        """Return how latents lie there; factors are those of all genres, one after the other."""
        return self._latents.scatter(weights, strength)

    def latents(self, places: Floats, weights: Weights, strength: float) -> Floats:
        """Return the latents that places mean there, ``(n, latent)``.

        Args:
            places: ``(n, coordinates)``, standard normal.
            weights: Of the genres.
            strength: The live control, 0..2.
        """
        lie, latent = self.scatter(weights, strength), self.latent
        along = places[:, latent:] @ lie.factors
        return np.asarray(lie.mean + along + lie.rest * places[:, :latent])

    def shown(self, weights: Weights) -> str:
        """Return the weights as a person reads them: ``jazz``, or ``jazz 60 %, rock 40 %``."""
        named = sorted(zip(weights.tolist(), self.names, strict=True), reverse=True)
        shares = [(name, weight) for weight, name in named if weight >= 0.005]
        if len(shares) == 1:
            return shares[0][0]
        return ", ".join(f"{name} {weight:.0%}" for name, weight in shares)

    def _weights(self, controls: Controls) -> Weights:
        weights = np.zeros(len(self.names), dtype=np.float32)
        if self._asked:
            for genre, share in self._asked:
                weights[genre] = share
            if len(self._asked) > 1 and controls.style_mix:
                (first, _), (second, _) = self._asked[:2]
                weights = moved_share(weights, first, second, controls.style_mix)
        elif self.names:
            whole = math.floor(self._place)
            share = _lingering(self._place - whole)
            weights[whole % len(weights)] += 1.0 - share
            weights[(whole + 1) % len(weights)] += share
        return weights

    def _tempo(self, weights: Weights, beats: float) -> float:
        """Return the length of a quarter, which glides to that of the genres."""
        wanted = 60_000.0 / self._window.bpm
        if len(weights):
            levels = [np.interp(self._level, BPM_LEVELS, one.bpm) for one in self._spec.genres]
            bpm = math.exp(float(np.log(levels) @ weights.astype(np.float64)))
            wanted = 60_000.0 / min(max(bpm, SLOWEST_BAND_BPM), FASTEST_BAND_BPM)
        if self._beat_ms is None:
            return wanted
        most = TEMPO_STEP_A_BEAT * beats
        step = math.log(wanted / self._beat_ms)
        return self._beat_ms * math.exp(min(max(step, -most), most))

    def _programs(self, weights: Weights) -> tuple[int, ...]:
        if not len(weights):
            return tuple(track.program for track in self._spec.tracks)
        best = int(weights.argmax())
        if self._leader is None or weights[best] >= weights[self._leader] + LEAD:
            self._leader = best
        return tuple(self._spec.genres[self._leader].programs)


class _Latents:
    """Where the songs of the genres lie: their own figures, the prior's where they are few."""

    def __init__(self, spec: BandSpec, window: WindowSpec) -> None:
        latent = window.latent
        self._genres = [_shrunk(spec, genre, latent) for genre in spec.genres]
        count = sum(len(genre.factors) for genre in self._genres)
        self._all = Scatter(
            np.asarray(window.mean or [0.0] * latent),
            np.asarray(window.variance or [1.0] * latent),
            np.zeros((count, latent)),
        )
        self.coordinates = latent + count

    def scatter(self, weights: Weights, strength: float) -> Scatter:
        """See :meth:`Genres.scatter`."""
        every = self._all
        if not len(weights):
            return every
        mixture = mixed(self._genres, weights.astype(np.float64))
        hold = min(strength, 1.0)
        close = 1.0 - (1.0 - CLOSEST) * max(strength - 1.0, 0.0)
        factors = close * hold * mixture.factors
        rest = close * ((1.0 - hold) * every.rest + hold * mixture.rest)
        return Scatter(
            every.mean + hold * (mixture.mean - every.mean),
            rest**2 + (factors**2).sum(axis=0),
            factors,
        )


class PetalPath(Marked):
    """A walk among the latents of some genres; one thread.

    Args:
        decode: Graph from ``z (batch, latent)`` to probabilities, an output for each track.
        genres: Where the latents of a section's genres lie.
        rng: Draws the first place.
    """

    marked = ("_here",)

    def __init__(self, decode: Function, genres: Genres, rng: np.random.Generator) -> None:
        self._decode, self._genres = decode, genres
        self._here = rng.standard_normal(genres.coordinates)

    def propose(
        self, manner: SectionManner, count: int, controls: Controls, rng: np.random.Generator
    ) -> tuple[Floats, NDArray[np.float32]]:
        """Return places a step away, as their genres see them, and what they sound like.

        Returns:
            ``(count, coordinates)``, and probabilities ``(count, steps, 4, 130)``.

        Raises:
            EngineError: The bundle's graph cannot be run.
        """
        near, far = step_angle(controls, self._genres.usual_step)
        places = near * self._here + far * rng.standard_normal((count, len(self._here)))
        strength = controls.of(BandControls).style_strength
        z = self._genres.latents(places, manner.weights, strength)
        shown: dict[str, Any] = self._decode(z=z.astype(np.float32))
        return places, np.stack([shown[track] for track in TRACKS], axis=2)

    def take(self, place: Floats) -> None:
        """Go on from a place."""
        self._here = place


def _place(name: str, names: tuple[str, ...], bundle: str) -> int:
    """Return which genre is meant (BundleError where there is none of that name)."""
    if name in names:
        return names.index(name)
    if not names:
        raise BundleError(f"bundle {bundle} has no genres; leave --style out")
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise BundleError(f"bundle {bundle} has no genre {name!r}; {hint}it has {', '.join(names)}")


def _lingering(share: float) -> float:
    """Return a share of the way that begins and ends slowly, 0..1."""
    return share * share * (3.0 - 2.0 * share)


def _shrunk(spec: BandSpec, genre: GenreSpec, latent: int) -> Scatter:
    """Return how a genre's latents lie, drawn to the prior where songs are few."""
    mean, variance = np.asarray(genre.mean), np.asarray(genre.variance)
    factors = np.asarray(genre.factors, dtype=np.float64).reshape(-1, latent)
    if spec.prior != "flower":
        return Scatter(mean, variance, factors)
    flower = spec.flower(latent)
    share = genre.windows / (genre.windows + SURE_WINDOWS)
    middle = np.zeros(latent)
    middle[:2] = flower.mean(genre.petal)
    wide = np.full(latent, flower.other_sd**2)
    angle = 2 * math.pi * genre.petal / flower.petals
    along, across = flower.radial_sd**2, flower.other_sd**2
    wide[0] = along * math.cos(angle) ** 2 + across * math.sin(angle) ** 2
    wide[1] = along * math.sin(angle) ** 2 + across * math.cos(angle) ** 2
    return Scatter(
        share * mean + (1 - share) * middle,
        share * variance + (1 - share) * wide,
        math.sqrt(share) * factors,
    )
