"""What comes soon after a cut: of the rest of a phrase that is drawn again, a first note in time.

A control is heard with the first note that is drawn under it, and a pause of the music may put that
note off by a second. So where a phrase was cut every other candidate is drawn with a few nats
against a first note that comes late, and of those that the filters keep the ones are preferred that
begin soon. Among these again the ones that last about as long as what would be played otherwise:
the pause goes to a later place, and a knob that is turned all the time does not make the music
denser. A phrase that follows on another is not concerned (ours).

Thread: any; nothing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import ChainCodec
from streamer.families.chain.hands import shift_floors
from streamer.music.notes import Phrase

SOON_MS = 120.0
"""What begins within this after the cut is soon enough."""

ALIKE_MS = 20.0
"""Candidates whose first notes lie nearer than this are soon alike."""

HASTE_NATS = (3.0, 5.0, 7.0, 9.0)
"""Against each longer time shift of a hastened candidate's first note, in turn: with 3 of them what
the model gives a chance of one in twenty comes every other time, with 9 hardly a pause is left."""

LEAST_DENSITY = 0.5
"""Of the least density of a phrase, what holds for the few notes after a cut: they vary more."""

HASTENED = slice(1, None, 2)
"""Which of the candidates are hastened: of one alone, none."""


def hasten(noise: NDArray[np.float32], codec: ChainCodec, passed_ms: float) -> None:
    """Let some candidates lean towards a first note that comes soon, in place.

    Args:
        noise: Of the first note's time shift, ``(candidates, 105)``.
        codec: The bundle's.
        passed_ms: Time from the note before it to the cut.
    """
    late = shift_floors(codec) > passed_ms + SOON_MS
    hastened = noise[HASTENED]
    hastened[:, late] -= np.resize(HASTE_NATS, len(hastened)).astype(np.float32)[:, None]


def freely_drawn(candidates: int, kept: Sequence[int]) -> list[int]:
    """Return those of the candidates ``kept`` that were not hastened; all where there are none."""
    hastened = {*range(candidates)[HASTENED]}
    return [k for k in kept if k not in hastened] or [*kept]


def soonest(phrases: Sequence[Phrase], kept: Sequence[int], usual: Sequence[int]) -> list[int]:
    """Return which of the candidates ``kept`` are preferred, in their order; one at least.

    Args:
        phrases: All candidates, equally many notes in each; they start at the cut.
        kept: Indices of one or more of them, ascending.
        usual: Those that would be chosen from if nothing were in haste, one or more.
    """
    waits = {k: phrases[k].notes[0].onset_ms - phrases[k].start_ms for k in kept}
    enough = max(SOON_MS, min(waits.values()) + ALIKE_MS)
    early = [k for k in kept if waits[k] <= enough]
    lengths = [_length(phrases[k]) for k in usual]
    middle = math.fsum(lengths) / len(lengths)
    nearest = sorted(early, key=lambda k: abs(_length(phrases[k]) - middle))
    return sorted(nearest[: (len(early) + 1) // 2])


def _length(phrase: Phrase) -> float:
    """Return the logarithm of how long a phrase lasts."""
    return math.log(max(phrase.end_ms - phrase.start_ms, 1.0))
