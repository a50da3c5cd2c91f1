"""Phrases of a tune come back in it, varied (ours; the paper's models say nothing twice).

In: the phrases of a tune, a candidate. Out: which of them is offered again, a push in the noise,
and whether it came. Above all it is the tune's first phrase; where one has come back, the one after
it often follows. Rhythm and pitch are pushed alike; what follows the part that is pushed is the
model's own. Called by the tune generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.engine import StepBlock
from streamer.tunes import PITCH_CLASSES, TuneCodec

AFTER_PHRASES = 2
"""Phrases of a tune before one of them comes back, and between two returns that do not follow."""

FOLLOWS_SHARE = 0.6
"""How often what once followed a phrase follows its return."""

FIRST_SHARE = 0.6
"""How often it is the first phrase that comes back, and not another."""

MOST_PHRASES = 32
"""Phrases of a tune that are remembered."""

UNFIT_RETURN = "figure"
"""Why a candidate is dropped whose returning phrase the model finds less likely than chance."""


@dataclass(slots=True, eq=False)
class Returns:
    """The phrases of one tune that may come back: those that began with a bar."""

    _phrases: list[NDArray[np.int64] | None] = field(default_factory=list)
    _count: int = 0
    _last: int = -AFTER_PHRASES
    _from: int | None = None

    def add(self, classes: NDArray[np.int64], whole: bool) -> None:
        """Remember a phrase ``(notes, 3)``, if it is ``whole``: if it began with a bar."""
        if self._count < MOST_PHRASES:
            self._phrases.append(classes if whole else None)
        self._count += 1

    def draw(self, rng: np.random.Generator, share: float) -> tuple[int, NDArray[np.int64]] | None:
        """Choose a phrase to bring back; None for a new one.

        Args:
            rng: Decides; it is asked as often, whatever comes of it.
            share: How often one comes back, 0..1.
        """
        wanted, follows, first, other = rng.random(4).tolist()
        if self._from is not None and self._last == self._count - 1 and follows < FOLLOWS_SHARE:
            chosen = self._from + 1
        elif wanted < share and self._count - self._last > AFTER_PHRASES <= self._count:
            chosen = 0 if first < FIRST_SHARE else int(other * (self._count - 1))
        else:
            return None
        # What was only just said would be an echo.
        if chosen >= min(self._count - 1, len(self._phrases)):
            return None
        phrase = self._phrases[chosen]
        return None if phrase is None else (chosen, phrase)

    def came(self, chosen: int) -> None:
        """Take note that a phrase is being offered; before its notes are added."""
        self._from, self._last = chosen, self._count


def push_phrase(
    noise: NDArray[np.float32], classes: NDArray[np.int64], codec: TuneCodec, strength: float
) -> None:
    """Put a phrase forward in one candidate's noise ``(notes, classes)``, from its first note.

    Args:
        noise: Changed in place.
        classes: ``(notes, 3)`` of a phrase, of which as many are used as there are notes.
        codec: The bundle's.
        strength: Nats.
    """
    for step, row in enumerate(classes[: len(noise)].tolist()):
        for argument, number in enumerate(row):
            if argument < 2 or number != codec.end_class:
                noise[step, codec.offsets[argument] + number] += np.float32(strength)


def unfit_return(block: StepBlock, candidate: int, first: NDArray[np.int64] | None) -> str | None:
    """Return why a returning phrase does not fit here, None when it does or none was offered."""
    if first is None:
        return None
    notes = min(len(first), len(block.classes))
    came = block.classes[:notes, candidate, 0] == first[:notes, 0]
    if not came.any():
        return None
    mean = float(block.log_probs[:notes, candidate, 0][came].mean())
    return UNFIT_RETURN if mean < -math.log(PITCH_CLASSES) else None


def came_back(first: NDArray[np.int64] | None, classes: NDArray[np.int64]) -> bool:
    """Whether the first half of a phrase is that of the tune's first one."""
    if first is None:
        return False
    half = min(math.ceil(len(first) / 2), len(classes))
    return bool((classes[:half, :2] == first[:half, :2]).all())
