"""Sets of music to compare, and their measuring in several processes.

Pieces come in with their works and names; measured sets go out. A piece that cannot be measured is
named with its reason, and the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import Literal, TypeVar

import numpy as np

from streamer.music.notes import NoteArray, sort_notes
from training.evaluation.piece import PieceMeasures, measure_piece
from training.evaluation.two_sample import Described

Kind = Literal["files", "bundle", "real", "control"]
_T = TypeVar("_T")
_SERIAL = 16
_BATCH = 4


@dataclass(frozen=True)
class Skipped:
    """A piece that something is wrong with: file, a short stable reason to count by, one line."""

    file: str
    reason: str
    text: str


@dataclass
class MusicSet:
    """Music from one source.

    Attributes:
        name: As the report shows it.
        kind: What it is.
        source: Name or path of the bundle that it was rendered with; empty for other music.
        pieces: Note arrays sorted by onset, each with a note.
        works: The work of each piece.
        files: What each piece is called.
        skipped: What was left out.
        remarks: What is to be said of files that are measured: damage, what was not read.
        measures: One for each piece, once measured.
    """

    name: str
    kind: Kind
    pieces: list[NoteArray] = field(default_factory=list)
    works: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    remarks: list[Skipped] = field(default_factory=list)
    measures: list[PieceMeasures] = field(default_factory=list)
    source: str = ""

    def add(self, piece: NoteArray, work: str, file: str) -> None:
        """Take in a piece, or note why it cannot be."""
        if len(piece) == 0:
            self.skipped.append(Skipped(file, "empty", "no notes: nothing to measure"))
            return
        times = np.stack([piece["onset_ms"], piece["duration_ms"]])
        if not np.isfinite(times).all():
            self.skipped.append(Skipped(file, "not-finite", "a time is not finite; write it again"))
            return
        self.pieces.append(sort_notes(piece))
        self.works.append(work)
        self.files.append(file)

    @property
    def described(self) -> Described:
        """The excerpts for the two-sample test."""
        return Described([m.rows for m in self.measures], self.works)

    def part(self, name: str, kind: Kind, keep: Sequence[bool]) -> MusicSet:
        """Return a set of some of the pieces, measured as far as this one is."""

        def pick(values: list[_T]) -> list[_T]:
            return [v for v, k in zip(values, keep, strict=True) if k]

        return MusicSet(
            name, kind, pick(self.pieces), pick(self.works), pick(self.files), [], [],
            pick(self.measures) if self.measures else [], self.source,
        )  # fmt: skip


def _measure_batch(batch: list[tuple[NoteArray, bool]]) -> list[PieceMeasures | str]:
    """Measure some pieces; a line in place of a result says why one cannot be."""
    results: list[PieceMeasures | str] = []
    for piece, with_rate in batch:
        try:
            results.append(measure_piece(piece, with_rate))
        except ValueError as error:
            results.append(str(error))
    return results


def measure_sets(
    sets: Sequence[MusicSet],
    rates: int,
    processes: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Measure all pieces of all sets.

    Args:
        sets: Their ``measures`` are filled; pieces that cannot be measured move to ``skipped``.
        rates: The information rate is computed for at most this many pieces of each set, evenly
            chosen.
        processes: How many; None: one a core. Few pieces are measured in this one.
        progress: Called with the pieces done so far.
    """
    jobs = []
    for own in sets:
        with_rate = {round(i) for i in np.linspace(0, max(len(own.pieces) - 1, 0), max(rates, 1))}
        jobs += [(piece, rates > 0 and i in with_rate) for i, piece in enumerate(own.pieces)]
    results: list[PieceMeasures | str] = []
    for some in _run(jobs, processes or os.cpu_count() or 1):
        results += some
        progress(len(results))
    rest = iter(results)
    for own in sets:
        _take(own, list(islice(rest, len(own.pieces))))


def _run(jobs: list[tuple[NoteArray, bool]], processes: int) -> Iterator[list[PieceMeasures | str]]:
    batches = [jobs[i : i + _BATCH] for i in range(0, len(jobs), _BATCH)]
    if processes == 1 or len(jobs) < _SERIAL:
        yield from map(_measure_batch, batches)
        return
    # Spawned, not forked: a progress bar's thread may hold a lock at the moment of a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_measure_batch, batches)


def _take(own: MusicSet, results: list[PieceMeasures | str]) -> None:
    good = [not isinstance(r, str) for r in results]
    for file, result in zip(own.files, results, strict=True):
        if isinstance(result, str):
            own.skipped.append(Skipped(file, "not-measurable", result))
    kept = own.part(own.name, own.kind, good)
    own.pieces, own.works, own.files = kept.pieces, kept.works, kept.files
    own.measures = [r for r in results if not isinstance(r, str)]
