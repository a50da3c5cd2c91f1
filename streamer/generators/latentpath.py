"""Paths through a latent space: where the next section of a window family comes from.

In: live controls and randomness. Out: K places that could be next, and the cells that the bundle's
graphs make of them. A path remembers where it is; the generator tells it which place was taken.

A step goes a part of the way round the sphere from the present place to a fresh draw (the paper's
proposal for music without end, specs 001-draw): ``cos a * here + sin a * new``. Places stay draws
from the same normal distribution, however long the path is and whatever its steps are.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.channel import allocate, full_bits
from streamer.controls import Controls
from streamer.engine import Function
from streamer.windowspec import WindowSpec

Array = NDArray[Any]

_DEFAULT_WALK = Controls().walk


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
        """Return so many places that could be next.

        Raises:
            EngineError: The bundle's graphs cannot be run.
        """

    def take(self, places: Places, chosen: int) -> None:
        """Go on from one of the places last proposed."""


def step_angle(controls: Controls, usual: float | None = None) -> tuple[float, float]:
    """Return cosine and sine of a step.

    Args:
        controls: ``walk``: 0 stays where it is, 1 forgets where it was.
        usual: The step that the corpus takes from one section to the next, 0..1: where the control
            stands by itself, so far it goes. None takes the control as it is.
    """
    walk = controls.walk
    if usual is not None:
        walk = walk ** (math.log(usual) / math.log(_DEFAULT_WALK))
    angle = walk * math.pi / 2
    return math.cos(angle), math.sin(angle)


class PassesPath:
    """DRAW: one latent for each pass of the canvas.

    Args:
        decode: Graph from ``z (passes, batch, latent)`` to ``probabilities``.
        spec: Passes and latent.
        rng: Draws the first place.
    """

    def __init__(self, decode: Function, spec: WindowSpec, rng: np.random.Generator) -> None:
        self._decode, self._spec = decode, spec
        self._here = rng.standard_normal((spec.passes, 1, spec.latent), dtype=np.float32)

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return places a step away; the canvas is written to as often as the controls say."""
        near, far = step_angle(controls, self._spec.walk)
        shape = (self._spec.passes, count, self._spec.latent)
        z = near * self._here + far * rng.standard_normal(shape, dtype=np.float32)
        passes = max(1, round(controls.refinement * self._spec.passes))
        wide = math.sqrt(controls.temperature)
        cells = self._decode(z=(wide * z[:passes]).astype(np.float32))["probabilities"]
        return Places(z.swapaxes(0, 1), cells[..., None])

    def take(self, places: Places, chosen: int) -> None:
        """Go on from a place."""
        self._here = places.latents[chosen][:, None]


class WalkPath:
    """The query VAE on its own: a walk through what the corpus's bars have as latents.

    Args:
        decode: Graph from ``z (batch, latent)`` to ``probabilities``.
        spec: Latent, and its mean and variance over the corpus.
        rng: Draws the first place.
    """

    def __init__(self, decode: Function, spec: WindowSpec, rng: np.random.Generator) -> None:
        self._decode, self._usual = decode, spec.walk
        self._mean = np.asarray(spec.mean or [0.0] * spec.latent)
        self._spread = np.sqrt(np.asarray(spec.variance or [1.0] * spec.latent))
        self._here = rng.standard_normal(spec.latent)

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return places a step away."""
        near, far = step_angle(controls, self._usual)
        places = near * self._here + far * rng.standard_normal((count, len(self._here)))
        wide = math.sqrt(controls.temperature)
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


class AnswerPath:
    """The query VAE answering: each bar of the query through the channel, then a walk.

    Args:
        answer: Graph from ``cells``, ``rates``, ``noise`` to ``z``.
        walk: Goes on when the query is over.
        spec: Variance of the latent over the corpus.
        query: Bars, ``(steps, pitches, layers)`` each; more may be given at any time.
    """

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

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        """Return answers to the bar that has waited longest, or places of the walk."""
        if not self._query:
            return self._walk.propose(count, controls, rng)
        full = full_bits(len(self._variance))
        bits = full if controls.bits is None else min(controls.bits, full)
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
