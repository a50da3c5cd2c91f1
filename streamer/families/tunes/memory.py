"""What other tunes had: so that none comes twice, and little of one in another (ours).

In: the notes of tunes as they are committed. Out: how much of a candidate was heard before, in
whatever key. Figures of eight notes are remembered for some minutes; how a tune begins, for as good
as ever. Both are hashes, and bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import TUNE_DTYPE, TuneArray
from streamer.families.tunes.fingerprint import run_hashes
from streamer.system.marks import Mark, Marked

FIGURE_NOTES = 8
"""Notes of a figure."""

OPENING_NOTES = 16
"""Notes by which a tune is known again."""

MOST_OPENINGS = 250_000
"""A year of tunes at one in two minutes; some 30 MB."""

MOST_UNDONE = 64
"""Tunes that can be taken back: more than are ever written and not begun."""

MOST_FIGURES = 500_000
"""Bounds what is remembered whatever the minutes and the tempo."""


Hashes = NDArray[np.integer[Any]]
"""Of one tune: as numbers of Python they would take five times the room."""


class _Change(NamedTuple):
    """What the end of one tune changed.

    Attributes:
        figures: Its own.
        forgotten: Tunes that were forgotten for it, the oldest first.
        opened: Its opening, where that is new.
        gone: The opening that was forgotten for it.
    """

    figures: Hashes
    forgotten: list[tuple[float, Hashes]]
    opened: int | None
    gone: int | None


class TuneMemory(Marked):
    """The figures and openings of the tunes before this one; one thread.

    Args:
        memory_ms: How long figures are remembered, ms of the stream.
    """

    marked = ("_tune",)
    remembered = ("_ended", "_ends", "_figures", "_openings", "_order")

    def __init__(self, memory_ms: float) -> None:
        self._memory_ms = memory_ms
        self._ended = 0
        self._changes: deque[_Change] = deque(maxlen=MOST_UNDONE)
        self._tune: TuneArray = np.zeros(0, dtype=TUNE_DTYPE)
        self._ends: deque[tuple[float, Hashes]] = deque()
        self._figures: dict[int, int] = {}  # in how many remembered tunes
        self._openings: set[int] = set()
        self._order: deque[int] = deque()

    def __len__(self) -> int:
        """Return how many figures are remembered."""
        return len(self._figures)

    def mark(self) -> Mark:
        """Return where it stands; what is remembered is not copied, but its changes are kept."""
        return (*super().mark(), ("_ended", self._ended, None))

    def go_back(self, mark: Mark, only: Collection[str] | None = None) -> None:
        """Take back the tunes that have ended since a mark."""
        *rest, (_, ended, _) = mark
        super().go_back(tuple(rest), only)
        while self._ended > ended and self._changes:
            self._take_back(self._changes.pop())
            self._ended -= 1

    def heard(self, tune: TuneArray, fresh: int, before: int) -> float:
        """Return the share of a candidate's figures that other tunes had, 1 for a known opening.

        Args:
            tune: The tune's last notes, and the candidate's.
            fresh: How many are the candidate's.
            before: Notes of the tune before the candidate, all of them.
        """
        if before < OPENING_NOTES <= before + fresh:
            opening = tune[len(tune) - before - fresh :][:OPENING_NOTES]
            if int(run_hashes(opening, OPENING_NOTES)[0]) in self._openings:
                return 1.0
        hashes = run_hashes(tune[-(fresh + FIGURE_NOTES - 1) :], FIGURE_NOTES).tolist()
        return sum(h in self._figures for h in hashes) / len(hashes) if hashes else 0.0

    def add(self, notes: TuneArray, ended: bool, end_ms: float) -> None:
        """Take in notes of the tune that is being written; it counts once it has ended."""
        self._tune = np.concatenate([self._tune, notes])
        if not ended:
            return
        opened: tuple[int | None, int | None] = (None, None)
        if len(self._tune) >= OPENING_NOTES:
            opened = self._open(int(run_hashes(self._tune[:OPENING_NOTES], OPENING_NOTES)[0]))
        figures = np.unique(run_hashes(self._tune, FIGURE_NOTES))
        self._tune = np.zeros(0, dtype=TUNE_DTYPE)
        self._ends.append((end_ms, figures))
        self._remember(figures)
        forgotten: list[tuple[float, Hashes]] = []
        while self._ends and (
            self._ends[0][0] < end_ms - self._memory_ms or len(self._figures) > MOST_FIGURES
        ):
            forgotten.append(self._ends.popleft())
            self._forget(forgotten[-1][1])
        self._ended += 1
        self._changes.append(_Change(figures, forgotten, *opened))

    def _open(self, opening: int) -> tuple[int | None, int | None]:
        """Remember an opening; return it where it is new, and the one that it took the place of."""
        if opening in self._openings:
            return None, None
        self._openings.add(opening)
        self._order.append(opening)
        if len(self._order) <= MOST_OPENINGS:
            return opening, None
        gone = self._order.popleft()
        self._openings.discard(gone)
        return opening, gone

    def _take_back(self, change: _Change) -> None:
        """Undo what the last tune changed."""
        if change.gone is not None:
            self._order.appendleft(change.gone)
            self._openings.add(change.gone)
        if change.opened is not None:
            self._openings.discard(self._order.pop())
        for end in reversed(change.forgotten):
            self._ends.appendleft(end)
            self._remember(end[1])
        self._forget(self._ends.pop()[1])

    def _remember(self, figures: Hashes) -> None:
        for figure in figures.tolist():
            self._figures[figure] = self._figures.get(figure, 0) + 1

    def _forget(self, figures: Hashes) -> None:
        for figure in figures.tolist():
            left = self._figures[figure] - 1
            if left:
                self._figures[figure] = left
            else:
                del self._figures[figure]
