"""Which pieces are one composition, whatever they are called.

Labels of different corpora name the same work differently, and files without labels hardly name
it at all; a work that is learned in one file and tested in another makes every held-out figure
look better than it is. Music tells: performances of one work share long stretches of their top
voice, and different works hardly ever do.

Measured on the labelled corpora of this project: of 153 pairs of files with different work keys
that share a twentieth of their figures or more, those above a tenth were all truly one work (or
one movement or arrangement of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray

STRAND_MS = 35.0
"""Of onsets closer than this the highest alone belongs to a figure. A little more than
:data:`streamer.music.notes.CHORD_MS`, for chords that are rolled; the splits on which the models
that ship were trained and measured hang on it."""

FIGURE_STEPS = 10
"""Intervals in a figure."""

_MIN_DIFFERENT = 5
"""Figures with fewer different intervals are scales, trills and tremolos, and are nobody's own."""

_MAX_WORKS = 8
"""A figure that more works share is nobody's own either."""

SHARED, SHARED_FIGURES = 0.1, 12
"""Pieces are of one work when they share this part, and at least this number, of figures."""


def figures(notes: NoteArray) -> NDArray[np.uint64]:
    """Return hashes of a piece's melodic figures, sorted, each once.

    A figure is ten successive intervals of the highest note of each chord, so that neither key
    nor tempo matters.

    Args:
        notes: A sorted note array.
    """
    chords = np.flatnonzero(np.diff(notes["onset_ms"], prepend=-np.inf) > STRAND_MS)
    if len(chords) <= FIGURE_STEPS:
        return np.empty(0, dtype=np.uint64)
    top = np.maximum.reduceat(notes["pitch"].astype(np.int64), chords)
    steps = np.diff(top)
    windows = np.lib.stride_tricks.sliding_window_view(steps, FIGURE_STEPS)
    different = 1 + (np.diff(np.sort(windows, axis=1), axis=1) != 0).sum(axis=1)
    hashes = np.zeros(len(windows), dtype=np.uint64)
    for column in windows.T:
        hashes = hashes * np.uint64(1_000_003) + (column + 128).astype(np.uint64)
    return np.unique(hashes[different >= _MIN_DIFFERENT])


def join_works(pieces: Sequence[NDArray[np.uint64]], works: Sequence[str]) -> dict[str, str]:
    """Return a new key for each work that shares its music with another.

    Args:
        pieces: The figures of each piece.
        works: The work key of each piece.

    Returns:
        Old key to the alphabetically first key of all that are one work with it; works that
        stay alone are not in it.
    """
    parent: dict[str, str] = {}

    def root(work: str) -> str:
        while work in parent:
            work = parent[work]
        return work

    for (a, b), count in sorted(_shared(pieces, works).items()):
        smaller = min(len(pieces[a]), len(pieces[b]))
        if count >= SHARED_FIGURES and count >= SHARED * smaller:
            low, high = sorted((root(works[a]), root(works[b])))
            if low != high:
                parent[high] = low
    joined = {work: root(work) for work in parent}
    return joined | {work: work for work in joined.values()}


def _shared(pieces: Sequence[NDArray[np.uint64]], works: Sequence[str]) -> Counter[tuple[int, int]]:
    """Count the figures that two pieces of different works share."""
    key = np.concatenate([np.empty(0, dtype=np.uint64), *pieces])
    if not len(key):
        return Counter()
    piece = np.repeat(np.arange(len(pieces)), [len(mine) for mine in pieces])
    work = np.unique(np.asarray(works), return_inverse=True)[1][piece]
    order = np.lexsort((work, key))
    key, piece, work = key[order], piece[order], work[order]
    starts = np.flatnonzero(np.diff(key, prepend=key[:1] - np.uint64(1)) != 0)
    ends = np.append(starts[1:], len(key))
    spread = np.flatnonzero(work[starts] != work[ends - 1])
    found: Counter[tuple[int, int]] = Counter()
    for group in spread:
        members = piece[starts[group] : ends[group]].tolist()
        names = [works[member] for member in members]
        if len(set(names)) > _MAX_WORKS:
            continue
        for i, first in enumerate(members):
            for j in range(i):
                if names[i] != names[j]:
                    found[min(first, members[j]), max(first, members[j])] += 1
    return found
