"""Paths through a latent space: where the next section of a window family comes from.

In: live controls and randomness. Out: K places that could be next, and the cells that the bundle's
graphs make of them. A path remembers where it is; the generator tells it which place was taken.

A step goes a part of the way round the sphere from the present place to a fresh draw (the paper's
proposal for music without end, docs/design/draw.md): ``cos a * here + sin a * new``. Places stay
draws from the same normal distribution, however long the path is and whatever its steps are.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import Function
from streamer.families.windows.bitchannel import allocate, full_bits
from streamer.families.windows.controls import WindowControls
from streamer.generators.sections import step_angle
from streamer.generators.sectionspec import WindowSpec
from streamer.settings.controls import Controls
from streamer.system.marks import Marked

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """K places that could be next.

    Attributes:
        latents: What :meth:`Path.take` needs of each; the first axis is K.
        probabilities: Of the cells, ``(K, steps, pitches, layers)`` float32.
        answers: Whether they answer a query, and did not come of walking.
    """

    latents: Array
    probabilities: NDArray[np.float32]
    answers: bool = False


class Path(Protocol):
    """Where sections come from; one thread."""

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return ``count`` places that could be next.

        Raises:
            EngineError: The bundle's graphs cannot be run.
        """

    def take(self, places: Places, chosen: int) -> None:
        """Go on from one of the places last proposed."""


class PassesPath(Marked):
    """DRAW: one latent for each pass of the canvas.

    Args:
        decode: Graph from ``z (passes, batch, latent)`` to ``probabilities``.
        spec: Passes and latent.
        rng: Draws the first place.
        temperature: Of the latents, above 0; the live control multiplies it.
    """

    marked = ("_here",)

    def __init__(
        self,
        decode: Function,
        spec: WindowSpec,
        rng: np.random.Generator,
        temperature: float = 1.0,
    ) -> None:
        self._decode, self._spec, self._temperature = decode, spec, temperature
        self._here = rng.standard_normal((spec.passes, 1, spec.latent), dtype=np.float32)

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return places a step away; the canvas is written to as often as the controls say."""
        near, far = step_angle(controls, self._spec.walk)
        shape = (self._spec.passes, count, self._spec.latent)
        z = near * self._here + far * rng.standard_normal(shape, dtype=np.float32)
        passes = max(1, round(controls.of(WindowControls).refinement * self._spec.passes))
        wide = math.sqrt(self._temperature * controls.temperature)
        cells = self._decode(z=(wide * z[:passes]).astype(np.float32))["probabilities"]
        return Places(z.swapaxes(0, 1), cells[..., None])

    def take(self, places: Places, chosen: int) -> None:
        """Go on from a place."""
        self._here = places.latents[chosen][:, None]


class WalkPath(Marked):
    """The query VAE on its own: a walk through what the corpus's bars have as latents.

    Args:
        decode: Graph from ``z (batch, latent)`` to ``probabilities``.
        spec: Latent, and its mean and variance over the corpus.
        rng: Draws the first place.
        temperature: Of the latents, above 0; the live control multiplies it.
    """

    marked = ("_here",)

    def __init__(
        self,
        decode: Function,
        spec: WindowSpec,
        rng: np.random.Generator,
        temperature: float = 1.0,
    ) -> None:
        self._decode, self._usual, self._temperature = decode, spec.walk, temperature
        self._mean = np.asarray(spec.mean or [0.0] * spec.latent)
        self._spread = np.sqrt(np.asarray(spec.variance or [1.0] * spec.latent))
        self._here = rng.standard_normal(spec.latent)

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return places a step away."""
        near, far = step_angle(controls, self._usual)
        places = near * self._here + far * rng.standard_normal((count, len(self._here)))
        wide = math.sqrt(self._temperature * controls.temperature)
        z = self._mean + wide * self._spread * places
        return Places(z, self.decode(z))

    def decode(self, z: Array) -> NDArray[np.float32]:
        """Return the probabilities of the cells for latents ``(K, latent)``."""
        cells: NDArray[np.float32] = self._decode(z=z)["probabilities"]
        return cells

    def take(self, places: Places, chosen: int) -> None:
        """Go on from a place, wherever it came from."""
        away = places.latents[chosen] - self._mean
        wide = np.where(self._spread > 0, self._spread, 1.0)
        # A query can lie far out; what walks on from there comes home to where bars are.
        length = float(np.linalg.norm(away / wide))
        self._here = away / wide / max(1.0, length / math.sqrt(len(away)))


class AnswerPath(Marked):
    """The query VAE answering: each bar of the query through the channel, then a walk.

    Args:
        answer: Graph from ``cells``, ``rates``, ``noise`` to ``z``.
        walk: Goes on when the query is over.
        spec: Variance of the latent over the corpus.
        query: Bars, ``(steps, pitches, layers)`` each; more may be given at any time.
    """

    marked = ("_query", "_walk")

    def __init__(
        self, answer: Function, walk: WalkPath, spec: WindowSpec, query: Iterable[Array] = ()
    ) -> None:
        self._answer, self._walk = answer, walk
        self._variance = np.asarray(spec.variance)
        self._query: deque[Array] = deque(query)

    @property
    def waiting(self) -> int:
        """Bars of the query that have no answer yet."""
        return len(self._query)

    def ask(self, bar: Array) -> None:
        """Put a bar behind those that wait."""
        self._query.append(bar)

    def ask_only(self, bars: Iterable[Array]) -> None:
        """Let these bars wait, and no others."""
        self._query = deque(bars)

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return answers to the bar that has waited longest, or places of the walk."""
        if not self._query:
            return self._walk.propose(count, controls, rng)
        full = full_bits(len(self._variance))
        asked = controls.of(WindowControls).bits
        bits = full if asked is None else min(asked, full)
        rates = np.broadcast_to(allocate(self._variance, bits), (count, len(self._variance)))
        cells = np.broadcast_to(self._query[0], (count, *self._query[0].shape))
        noise = rng.standard_normal(rates.shape, dtype=np.float32)
        z = self._answer(cells=cells, rates=rates, noise=noise)["z"].astype(np.float64)
        return Places(z, self._walk.decode(z), answers=True)

    def take(self, places: Places, chosen: int) -> None:
        """Go on from a place; a bar that was answered is gone."""
        if places.answers:
            self._query.popleft()
        self._walk.take(places, chosen)
