"""When a phrase is to return, and when to be new: as often, and for as long, as in the corpus.

A stream that is asked for nothing hardly ever begins to repeat itself, and one that is asked for a
half does not know which half. So a bundle that was trained with the dial ``repetition`` is asked
for all of it in some phrases and for none in the others. How many comes from what of the corpus's
figures comes back, or from what a person sets; what came back in spite of that is made up for.

In: quantiles of the share over the corpus's phrases, and what came of each phrase. Out: what to ask
for, 0 or 1. Thread: the generator's.
"""

from __future__ import annotations

import math

import numpy as np

from streamer.bundle.manifest import Statistics
from streamer.system.marks import Marked

DIAL = "repetition"

HOLDS = 0.65
"""Correlation from one phrase to the next of the normal number behind: with it a phrase of which
half returns is followed by another as often as in piano-midi.de with GiantMIDI, .57."""

GROWTH, FADING, MOST = 0.1, 0.99, 0.6
"""The leaky integral that makes up for what the model does not do of what it is asked: with each
phrase it gains a part of what is missing, and it is bounded, as homing's is."""


class Returning(Marked):
    """Says of phrase after phrase whether it is to return.

    Args:
        statistics: The bundle's.
        rng: Draws; the generator's.
    """

    marked = ("_level", "_lasting")

    def __init__(self, statistics: Statistics, rng: np.random.Generator) -> None:
        self._rng = rng
        shares = statistics.note.get(DIAL)
        self._usual = None if shares is None else _mean(statistics.levels, shares)
        self._level = self._lasting = 0.0

    def go_on(self) -> None:
        """Go on to the next phrase."""
        fresh = math.sqrt(1.0 - HOLDS**2) * float(self._rng.standard_normal())
        self._level = HOLDS * self._level + fresh

    def share(self, wished: float | None) -> float | None:
        """Return what to ask of the present phrase: 1 all, 0 nothing.

        Args:
            wished: Share of the stream that a person wants to return; None: as in the corpus.

        Returns:
            None where the corpus was not measured, and nothing is wished.
        """
        wanted = self._usual if wished is None else wished
        if wanted is None:
            return None
        place = 0.5 * (1.0 + math.erf(self._level / math.sqrt(2.0)))
        return float(place > 1.0 - wanted - self._lasting)

    def watch(self, came: float, wished: float | None) -> None:
        """Learn how much of a phrase that was committed came before, 0..1."""
        wanted = self._usual if wished is None else wished
        if wanted is not None:
            grown = FADING * self._lasting + GROWTH * (wanted - came)
            self._lasting = min(max(grown, -MOST), MOST)


def _mean(levels: list[float], quantiles: list[float]) -> float:
    """Return the mean of a distribution of which quantiles are known, straight between them."""
    heights = np.asarray(quantiles)
    return float(np.diff(levels) @ (heights[1:] + heights[:-1]) / 2.0)
