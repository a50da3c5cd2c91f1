"""Holding each phrase near the density that is asked for, and its loudness: bounds, by a control.

In: the bounds that hold anyway, the corpus's own density and loudness, the controls. Out: bounds of
the filters, and what is added to the noise so that no time shift is longer than a rest may be: a
phrase of which each candidate had one too long would be played all the same. Homing steers the mean
of many phrases; these hold each of them, so that no minute is empty, full or loud. Moods are held
back in the same measure (:mod:`streamer.families.chain.homing`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.engine.noise import FORBID
from streamer.families.chain.codec import ChainCodec
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.hands import shift_floors
from streamer.music.notes import Phrase
from streamer.selection.filters import Limits
from streamer.settings.controls import Controls

FACTOR = 1.5
"""At a steadiness of 1, how far a phrase may be from the density that is asked for, either way."""

GAPS = 7.0
"""At a steadiness of 1, the longest rest, in mean times from one note to the next."""

LOUDNESS = 1.0
"""At a steadiness of 1, how far the mean velocity of a phrase may be from the corpus's, or from the
loudness that is asked for, in spreads of the corpus."""


def steadied(
    limits: Limits,
    density: float,
    controls: Controls,
    velocity: tuple[float, float] | None = None,
) -> Limits:
    """Return the bounds of the filters where steadiness is asked for.

    Args:
        limits: Those that hold anyway; nothing is allowed that they forbid.
        density: Of the corpus, notes a second, above 0.
        controls: Steadiness, and the density that is asked for.
        velocity: Middle and spread of its phrases' mean velocities; None where it is not known. A
            loudness that is asked for takes the place of the middle.
    """
    own = controls.of(ChainControls)
    steadiness = own.steadiness
    if not steadiness:
        return limits
    factor = math.exp(math.log(FACTOR) / steadiness)
    low, high = limits.density
    softest, loudest = limits.velocity
    if velocity is not None:
        middle = velocity[0] if own.loudness is None else own.loudness
        middle, spread = min(max(middle, softest), loudest), velocity[1] * LOUDNESS / steadiness
        softest, loudest = max(softest, middle - spread), min(loudest, middle + spread)
    return replace(
        limits,
        velocity=(softest, loudest),
        density=(max(low, density / factor), min(high, density * factor)),
        longest_rest_ms=min(limits.longest_rest_ms, longest_rest_ms(density, controls)),
    )


def longest_rest_ms(density: float, controls: Controls) -> float:
    """Return the longest rest of a steady stream, ms; steadiness is above 0."""
    return 1000.0 * GAPS / controls.of(ChainControls).steadiness / (density * controls.density)


def forbid_rests(
    bias: NDArray[np.float32],
    codec: ChainCodec,
    density: float | None,
    controls: Controls,
    waited_ms: float = 0.0,
) -> None:
    """Let no time shift of a steady stream be longer than a rest may be, in place.

    Args:
        bias: What is added to the noise of every note, ``(362,)``.
        codec: The bundle's.
        density: Of the corpus, notes a second, above 0; None where it is not known: nothing is
            forbidden then.
        controls: Steadiness, and the density that is asked for.
        waited_ms: Time since the last note in which nothing may begin any more; 0 at least counts.
    """
    if density is not None and controls.of(ChainControls).steadiness:
        longest_ms = longest_rest_ms(density, controls) + max(waited_ms, 0.0)
        bias[codec.offsets[1] : codec.offsets[2]][shift_floors(codec) > longest_ms] = FORBID


def as_asked(
    phrases: Sequence[Phrase], kept: Sequence[int], density: float | None, controls: Controls
) -> list[int]:
    """Return those whose density is as a steady stream's must be; the nearest where none is.

    Args:
        phrases: Candidates.
        kept: Which of them may be played, one or more, whatever filters were given up for them.
        density: Of the corpus, notes a second, above 0; None where it is not known: all are then.
        controls: Steadiness, and the density that is asked for.
    """
    steadiness = controls.of(ChainControls).steadiness
    if density is None or not steadiness:
        return [*kept]
    asked = math.log(density * controls.density)
    away = {
        k: abs(math.log(len(phrases[k].notes) / max(phrases[k].seconds, 1e-3)) - asked)
        for k in kept
    }
    near = [k for k in kept if away[k] <= math.log(FACTOR) / steadiness]
    return near or [min(kept, key=away.__getitem__)]
