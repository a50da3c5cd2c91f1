"""Choosing: of K candidate phrases the one that is played, the same way for every family.

In: a family's way to draw candidates, the filters, the ranking. Out: the candidate to commit. What
the family or a filter objects to is dropped; when nothing is left, all are drawn again, some times;
after that filters are given up in their stated order, so that a stream never starves; a ranking by
entropy orders the rest ([Liu2025], section 4; docs/design/selection.md). Everything is counted
here.

Thread: the generator's. A family brings :class:`Candidates`: notes one after the other from a
state, or sections at once. What it needs to go on from the one that was chosen it keeps in a
subclass.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamer.generators.stats import SET_ASIDE, GenerationStats
from streamer.measures.entropy import CorpusEntropy, Floats, sequence_statistics
from streamer.music.notes import Phrase
from streamer.selection.filters import (
    RELAX_ORDER,
    Context,
    Filter,
    Panel,
    all_reasons,
    first_reason,
    relax,
)
from streamer.selection.ranking import RANKINGS, Order, rank_mean
from streamer.selection.taste import Taste

logger = logging.getLogger(__name__)

Reasons = list[str | None]
"""Why each candidate is dropped; None keeps it."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """K phrases that could be next.

    Attributes:
        phrases: At least one.
        contexts: What the filters may look at, one for each phrase.
        unfit: Why the family itself drops each; such reasons are not given up: the last draw is
            relaxed as if they were not.
        entropies: ``(notes, K, arguments)``, nats, where all phrases are equally long; None takes
            those of the phrases.
        prefer: Given those that the filters have kept, by their indices, returns which of them are
            preferred, one or more; nothing is wrong with the others.
        set_aside: As ``also_drop``, but called when a person's taste has had its say: for what
            nothing is wrong with.
        rank: Orders what is kept by its statistics; None leaves that to the chooser's ranking.
        pick: Picks one of those that are kept, by their indices; None leaves it to a ranking.
        also_drop: Called with the reasons when the filters have had their say; may enter more of
            them, but never for every candidate that is left.
    """

    phrases: list[Phrase]
    contexts: Sequence[Context]
    unfit: Reasons
    entropies: NDArray[np.float32] | None = None
    also_drop: Callable[[Reasons], None] | None = None
    prefer: Callable[[Sequence[int]], Sequence[int]] | None = None
    set_aside: Callable[[Reasons], None] | None = None
    rank: Callable[[Floats], Order] | None = None
    pick: Callable[[Sequence[int]], int] | None = None

    def statistics(self, kept: Sequence[int]) -> Floats:
        """Return what the rankings look at, ``(3, len(kept), arguments)``."""
        if self.entropies is not None:
            return sequence_statistics(self.entropies[:, list(kept)])
        each = [sequence_statistics(self.phrases[k].entropies) for k in kept]
        return np.stack(each, axis=1)


C = TypeVar("C", bound=Candidates)


@dataclass(frozen=True, slots=True)
class Choice(Generic[C]):
    """What is to be committed.

    Attributes:
        candidates: The last draw.
        best: Which of it.
        given_up: Filters that it did not pass, and those before them in the order; empty when it
            passed them all.
    """

    candidates: C
    best: int
    given_up: tuple[str, ...] = ()

    @property
    def phrase(self) -> Phrase:
        """The phrase to commit."""
        return self.candidates.phrases[self.best]


class Chooser:
    """Draws until something passes, and picks the best of it; one thread.

    Args:
        stats: Counts.
        filters: Asked about each candidate by itself; a taste among them is asked which it
            favours.
        panels: Asked about all candidates that the filters kept, at once.
        redraws: How often all candidates may be dropped before the filters relax, 0 or more.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        corpus: The bundle's entropy statistics; without them candidates are ranked by mean.
        relax_order: In which order reasons are given up.
    """

    def __init__(
        self,
        stats: GenerationStats,
        filters: tuple[Filter, ...],
        *,
        panels: tuple[Panel, ...] = (),
        redraws: int,
        ranking: str,
        corpus: CorpusEntropy | None,
        relax_order: tuple[str, ...] = RELAX_ORDER,
    ) -> None:
        self._stats, self._filters, self._panels = stats, filters, panels
        self._tastes = [one for one in filters if isinstance(one, Taste)]
        self._redraws, self._corpus, self._relax_order = redraws, corpus, relax_order
        self._ranking = RANKINGS[ranking]
        if corpus is None and self._ranking is not rank_mean:
            logger.warning("the bundle has no entropy statistics: candidates are ranked by mean")
            self._ranking = rank_mean

    def choose(self, draw: Callable[[int], C]) -> Choice[C]:
        """Return the next phrase of the stream, counted as committed.

        Args:
            draw: Draws candidates; told how many draws came before it for this phrase, 0 to
                ``redraws``.
        """
        for before in range(self._redraws + 1):
            if before > 0:
                self._stats.redraws += 1
            candidates = draw(before)
            reasons = self._judge(candidates)
            kept = [k for k, reason in enumerate(reasons) if reason is None]
            if kept:
                choice = Choice(candidates, self._best(candidates, kept))
                break
        else:
            choice = self._relax(candidates)
        self._stats.count_committed(choice.phrase)
        return choice

    def _judge(self, candidates: Candidates) -> Reasons:
        """Return why each candidate is dropped, by the family, by filters or by panels."""
        pairs = list(zip(candidates.phrases, candidates.contexts, strict=True))
        reasons = [
            unfit or first_reason(phrase, context, self._filters)
            for unfit, (phrase, context) in zip(candidates.unfit, pairs, strict=True)
        ]
        for panel in self._panels:
            kept = [k for k, reason in enumerate(reasons) if reason is None]
            for k, reason in zip(kept, panel([pairs[k] for k in kept]), strict=True):
                reasons[k] = reason
        if candidates.also_drop is not None:
            candidates.also_drop(reasons)
        self._set_aside(candidates, reasons)
        self._stats.count_drawn(reasons)
        if self._stats.ghosts is not None:
            dropped = zip(reasons, candidates.phrases, strict=True)
            self._stats.ghosts.extend((why, phrase) for why, phrase in dropped if why is not None)
        return reasons

    def _set_aside(self, candidates: Candidates, reasons: Reasons) -> None:
        """Set aside what is not preferred, then what is less to a person's taste, then astray."""
        kept = [k for k, reason in enumerate(reasons) if reason is None]
        chosen: Sequence[int] = kept
        if candidates.prefer is not None and kept:
            chosen = candidates.prefer(kept)
        for k in {*kept} - {*self._favoured(candidates, list(chosen))}:
            reasons[k] = SET_ASIDE
        if candidates.set_aside is not None:
            candidates.set_aside(reasons)

    def _favoured(self, candidates: Candidates, kept: list[int]) -> list[int]:
        """Return those that are most to a person's taste; all where nobody has one."""
        for taste in self._tastes:
            kept = taste.favoured(candidates.phrases, kept)
        return kept

    def _relax(self, candidates: C) -> Choice[C]:
        """Give up filters in their stated order until a candidate of the last draw passes."""
        pairs = list(zip(candidates.phrases, candidates.contexts, strict=True))
        reasons = [all_reasons(phrase, context, self._filters) for phrase, context in pairs]
        for panel in self._panels:
            found = zip(reasons, panel(pairs), strict=True)
            reasons = [old if new is None else old | {new} for old, new in found]
        kept, given_up = relax(reasons, self._relax_order)
        if given_up:
            stats = self._stats
            stats.relaxed = stats.relaxed + Counter([given_up[-1]])
            logger.info("no phrase passed the filters; gave up: %s", ", ".join(given_up))
        best = self._best(candidates, self._favoured(candidates, kept))
        return Choice(candidates, best, given_up)

    def _best(self, candidates: Candidates, kept: list[int]) -> int:
        """Return the candidate that the ranking puts first among those kept."""
        if candidates.pick is not None:
            return candidates.pick(kept)
        statistics = candidates.statistics(kept)
        if candidates.rank is not None:
            return kept[int(candidates.rank(statistics)[0])]
        if self._corpus is None:
            return kept[int(rank_mean(statistics)[0])]
        return kept[int(self._ranking(statistics, self._corpus)[0])]
