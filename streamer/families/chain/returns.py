"""How much of each phrase is to return: as much, as seldom and for as long as in the corpus.

Of half of a corpus's phrases nothing came before, of others all of it. A stream that is asked for
nothing seldom begins to repeat itself; so a bundle that was trained with the dial ``repetition`` is
asked, phrase by phrase, for shares as its corpus has them.

In: quantiles of the share over the corpus's phrases. Out: a share, 0..1. Thread: the generator's.
"""

from __future__ import annotations

import math

import numpy as np

from streamer.bundle.manifest import Statistics
from streamer.system.marks import Marked

DIAL = "repetition"

HOLDS = 0.65
"""Correlation from one phrase to the next of the normal number behind the share: with it a phrase
of which half returns is followed by another as often as in piano-midi.de with GiantMIDI, .57."""


class Returning(Marked):
    """Goes from share to share.

    Args:
        statistics: The bundle's.
        rng: Draws; the generator's.
    """

    marked = ("_level",)

    def __init__(self, statistics: Statistics, rng: np.random.Generator) -> None:
        self._rng = rng
        self._levels, self._shares = statistics.levels, statistics.note.get(DIAL, [])
        self._level = 0.0

    def go_on(self) -> None:
        """Go on to the next phrase."""
        fresh = math.sqrt(1.0 - HOLDS**2) * float(self._rng.standard_normal())
        self._level = HOLDS * self._level + fresh

    @property
    def share(self) -> float | None:
        """Of the present phrase's notes; None where the corpus was not measured."""
        if not self._shares:
            return None
        place = 0.5 * (1.0 + math.erf(self._level / math.sqrt(2.0)))
        return float(np.interp(place, self._levels, self._shares))
