"""What other tunes had: so that none comes twice, and little of one in another (ours).

In: the notes of tunes as they are committed. Out: how much of a candidate was heard before, in
whatever key. Figures of eight notes are remembered for some minutes; how a tune begins, for as good
as ever. Both are hashes, and bounded. Called by the tune generator.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from streamer.selection.fingerprint import run_hashes
from streamer.tunes import TUNE_DTYPE, TuneArray

FIGURE_NOTES = 8
"""Notes of a figure."""

OPENING_NOTES = 16
"""Notes by which a tune is known again."""

MOST_OPENINGS = 250_000
"""A year of tunes at one in two minutes; some 30 MB."""

MOST_FIGURES = 500_000
"""Bounds what is remembered whatever the minutes and the tempo."""


class TuneMemory:
    """The figures and openings of the tunes before this one; one thread.

    Args:
        memory_ms: How long figures are remembered, ms of the stream.
    """

    def __init__(self, memory_ms: float) -> None:
        self._memory_ms = memory_ms
        self._tune: TuneArray = np.zeros(0, dtype=TUNE_DTYPE)
        self._ends: deque[tuple[float, list[int]]] = deque()
        self._figures: dict[int, int] = {}  # in how many remembered tunes
        self._openings: set[int] = set()
        self._order: deque[int] = deque()

    def __len__(self) -> int:
        """Return how many figures are remembered."""
        return len(self._figures)

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
        if len(self._tune) >= OPENING_NOTES:
            self._open(int(run_hashes(self._tune[:OPENING_NOTES], OPENING_NOTES)[0]))
        figures = list(set(run_hashes(self._tune, FIGURE_NOTES).tolist()))
        self._tune = np.zeros(0, dtype=TUNE_DTYPE)
        self._ends.append((end_ms, figures))
        for figure in figures:
            self._figures[figure] = self._figures.get(figure, 0) + 1
        while self._ends and (
            self._ends[0][0] < end_ms - self._memory_ms or len(self._figures) > MOST_FIGURES
        ):
            self._forget(self._ends.popleft()[1])

    def _open(self, opening: int) -> None:
        if opening in self._openings:
            return
        self._openings.add(opening)
        self._order.append(opening)
        if len(self._order) > MOST_OPENINGS:
            self._openings.discard(self._order.popleft())

    def _forget(self, figures: list[int]) -> None:
        for figure in figures:
            left = self._figures[figure] - 1
            if left:
                self._figures[figure] = left
            else:
                del self._figures[figure]
