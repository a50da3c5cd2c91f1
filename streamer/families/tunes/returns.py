"""Phrases of a tune come back in it, varied (ours; the paper's models say nothing twice).

In: the phrases of a tune, how much of it is to return, a candidate. Out: which phrase is offered
again, a push in the noise, and whether it came. How much has returned is counted as it is in the
corpus, in figures of eight notes, and a phrase is the likelier to be offered the more is missing.
Often it is the tune's first phrase; where one has come back, the one after it may follow. Rhythm
and pitch are pushed alike; what follows the part that is pushed is the model's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import StepBlock
from streamer.families.tunes.codec import PITCH_CLASSES, TUNE_DTYPE, TuneArray, TuneCodec
from streamer.families.tunes.fingerprint import run_hashes
from streamer.measures.repetition import FIGURE_NOTES
from streamer.system.marks import Marked

AFTER_PHRASES = 2
"""Phrases of a tune before one of them comes back."""

BETWEEN_PHRASES = 1
"""Phrases between two returns of which the second does not follow the first."""

FOLLOWS_SHARE = 0.4
"""How often what once followed a phrase follows its return, and more often where much is missing:
what returns in tracks of folk, pop and Bach is 8 to 30 notes long, half of it 13 or less."""

FIRST_SHARE = 0.25
"""How often it is the first phrase that comes back, and not another; so it is in those tracks."""

WHOLE_SHARE = 0.7
"""How often all of it is put forward, and its end not left to the model."""

MOST_PHRASES = 32
"""Phrases of a tune that are remembered."""

UNFIT_RETURN = "figure"
"""Why a candidate is dropped whose returning phrase the model finds less likely than chance."""


@dataclass(slots=True, eq=False)
class Returns(Marked):
    """The phrases of one tune that may come back: those that began with a bar."""

    marked: ClassVar = (
        "_phrases", "_count", "_last", "_from", "_tail", "_first", "_figures", "_returned",
    )  # fmt: skip

    _phrases: list[NDArray[np.int64] | None] = field(default_factory=list)
    _count: int = 0
    _last: int = -AFTER_PHRASES
    _from: int | None = None
    _tail: TuneArray = field(default_factory=lambda: np.zeros(0, dtype=TUNE_DTYPE))
    _first: dict[int, int] = field(default_factory=dict)
    _figures: int = 0
    _returned: int = 0

    @property
    def share(self) -> float:
        """Share of the tune's figures so far that came before in it, in any key, 0..1."""
        return self._returned / self._figures if self._figures else 0.0

    def add(self, classes: NDArray[np.int64], notes: TuneArray, whole: bool) -> None:
        """Remember a phrase.

        Args:
            classes: ``(notes, 3)``.
            notes: The same notes.
            whole: Whether it began with a bar, and may come back.
        """
        if self._count < MOST_PHRASES:
            self._phrases.append(classes if whole else None)
        self._count += 1
        joined = np.concatenate([self._tail, notes])
        self._tail = joined[-(FIGURE_NOTES - 1) :]
        for figure in run_hashes(joined, FIGURE_NOTES).tolist():
            first = self._first.setdefault(figure, self._figures)
            self._returned += self._figures - first >= FIGURE_NOTES
            self._figures += 1

    def draw(
        self, rng: np.random.Generator, share: float, notes: int
    ) -> tuple[int, NDArray[np.int64]] | None:
        """Choose a phrase to bring back; None for a new one.

        Args:
            rng: Decides; it is asked as often, whatever comes of it.
            share: Share of the tune's figures that are to have come before, 0..1.
            notes: Of the next phrase.
        """
        missing = share * (self._figures + notes) - self._returned
        wanted, follows, first, other = rng.random(4).tolist()
        pull = min(max(missing / notes, 0.0), 1.0)
        may_follow = self._from is not None and self._last == self._count - 1
        if may_follow and follows < max(FOLLOWS_SHARE, pull):
            chosen = (self._from or 0) + 1
        elif (
            wanted < pull
            and self._count - self._last > BETWEEN_PHRASES
            and self._count >= AFTER_PHRASES
        ):
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


def pushed_notes(rng: np.random.Generator, notes: int) -> int:
    """Draw how much of a phrase of ``notes`` is put forward: all of it, or a figure or more."""
    whole, least = rng.random() < WHOLE_SHARE, min(FIGURE_NOTES, notes)
    part = int(rng.integers(least, notes + 1))
    return notes if whole else part


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
