"""Longest run of notes in common with the training corpus: is it made, or remembered?

Pieces and a training corpus come in; for each piece the length, in notes, of the longest run that
also stands in the corpus, and where, goes out. Lengths are bisected for all pieces at once; whether
a run of one length is shared is told by rolling hashes and a bitmap, in linear time, and then
checked note by note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.music.notes import NoteArray

Code = Callable[[NoteArray], NDArray[np.int64]]
"""From a piece to the symbols that are compared."""

LONGEST = 4096
"""Runs longer than this, in notes, are reported as this long."""

_FIRST_GUESS = 8
_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_BITMAP_BITS = 26
_SYMBOLS = 1 << 17
"""Symbols of a text are below this."""


@dataclass(frozen=True)
class Copy:
    """The longest run that a piece shares with the corpus.

    Attributes:
        notes: How many notes it has.
        start: Its first note in the piece, from 0; -1 when nothing is shared.
        source: The number of the corpus's piece, -1 when nothing is shared.
        source_start: Its first note there.
    """

    notes: int
    start: int
    source: int
    source_start: int


def pitch_symbols(piece: NoteArray) -> NDArray[np.int64]:
    """Return one symbol a note: its pitch."""
    return piece["pitch"].astype(np.int64)


def interval_symbols(piece: NoteArray) -> NDArray[np.int64]:
    """Return one symbol for each note but the first: the interval, so that keys do not matter."""
    pitch: NDArray[np.int64] = piece["pitch"].astype(np.int64)
    return pitch[1:] - pitch[:-1] + 128


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """Return base ** 0..count modulo 2^64."""
    values = np.full(count + 1, base, dtype=np.uint64)
    values[0] = 1
    return np.cumprod(values, dtype=np.uint64)


class _Text:
    """The symbols of several pieces in a row, with the hash of any run inside one of them."""

    def __init__(self, pieces: Sequence[NDArray[np.int64]]) -> None:
        sizes = [len(p) for p in pieces]
        self.symbols = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.piece = np.repeat(np.arange(len(pieces)), sizes)
        # Random values for symbols: small numbers would leave the upper bits of the hash empty.
        values = np.random.default_rng(0).integers(1 << 63, size=_SYMBOLS).astype(np.uint64)
        terms = values[self.symbols] * _powers(_BASE, len(self.symbols))[:-1]
        self._sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms)])
        self._undo = _powers(_BASE_INVERSE, len(self.symbols))

    def runs(
        self, length: int, of: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return where runs of one length begin, and their hashes; none crosses two pieces.

        Args:
            length: Symbols in a run, at least 1.
            of: ``(pieces,)`` which pieces to look at; None: all.
        """
        starts = np.arange(max(len(self.symbols) - length + 1, 0))
        keep = self.piece[: len(starts)] == self.piece[length - 1 :]
        if of is not None and len(starts):
            keep &= of[self.piece[: len(starts)]]
        starts = starts[keep]
        return starts, (self._sums[starts + length] - self._sums[starts]) * self._undo[starts]


def _bits(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return each hash's place in a bitmap; equal hashes have equal places."""
    return ((hashes * _MIX) >> np.uint64(64 - _BITMAP_BITS)).astype(np.int64)


class CorpusIndex:
    """The training corpus, ready to be compared with.

    Args:
        pieces: Note arrays sorted by onset.
        transposed: Compare intervals, so that a run in another key is found too.
        code: Gives the symbols to compare in place of these, one for each note but the first,
            0..131,071; what it is given need not be note arrays.

    Raises:
        DataError: No piece has a note.
    """

    def __init__(
        self, pieces: Sequence[NoteArray], transposed: bool = False, code: Code | None = None
    ) -> None:
        self.transposed = transposed or code is not None
        self._code = code or (interval_symbols if transposed else pitch_symbols)
        coded = [self._code(p) for p in pieces]
        if not any(len(c) for c in coded):
            raise DataError("the training corpus has no notes to compare with; give another folder")
        self._text = _Text(coded)

    def longest_copies(self, pieces: Sequence[NoteArray]) -> list[Copy]:
        """Return for each piece the longest run of notes that it shares with one of the corpus."""
        own = _Text([self._code(p) for p in pieces])
        low = np.zeros(len(pieces), dtype=np.int64)
        high = np.minimum(np.diff(own.first), LONGEST)
        found: dict[int, tuple[int, int]] = {}
        while (low < high).any():
            tried = np.where(
                high > 2 * low, np.maximum(2 * low, _FIRST_GUESS), (low + high + 1) // 2
            )
            tried = np.minimum(tried, high)
            # All pieces whose guess is near share one look at the corpus, at the smallest guess.
            length = int(tried[low < high].min())
            asked = (low < length) & (length <= high)
            matches = self._shared(own, length, asked)
            for i in np.flatnonzero(asked).tolist():
                if i in matches:
                    low[i], found[i] = length, matches[i]
                else:
                    high[i] = length - 1
        return [self._copy(own, i, int(low[i]), found.get(i)) for i in range(len(pieces))]

    def _copy(self, own: _Text, i: int, length: int, match: tuple[int, int] | None) -> Copy:
        if match is None:
            return Copy(0, -1, -1, -1)
        source = int(self._text.piece[match[1]])
        return Copy(
            length + int(self.transposed),
            match[0] - int(own.first[i]),
            source,
            match[1] - int(self._text.first[source]),
        )

    def _shared(
        self, own: _Text, length: int, asked: NDArray[np.bool_]
    ) -> dict[int, tuple[int, int]]:
        """Return (start in own, start in corpus) of one shared run for each piece that has one."""
        places, hashes = self._text.runs(length)
        seen = np.zeros(1 << _BITMAP_BITS, dtype=bool)
        seen[_bits(hashes)] = True
        starts, wanted = own.runs(length, asked)
        likely = seen[_bits(wanted)]
        starts, wanted = starts[likely], wanted[likely]
        if len(starts) == 0:
            return {}
        seen[:] = False
        seen[_bits(wanted)] = True
        hit = seen[_bits(hashes)]
        known, index = np.unique(hashes[hit], return_index=True)
        if len(known) == 0:
            return {}
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        equal = known[at] == wanted
        starts, place = starts[equal], places[hit][index[at[equal]]]
        _, firsts = np.unique(own.piece[starts], return_index=True)
        matches = {}
        for k in firsts.tolist():
            i = int(own.piece[starts[k]])
            for j in range(k, len(starts)):
                if own.piece[starts[j]] != i:
                    break
                a, b = int(starts[j]), int(place[j])
                mine, theirs = own.symbols[a : a + length], self._text.symbols[b : b + length]
                if np.array_equal(mine, theirs):  # equal hashes are likely, not certain, to be so
                    matches[i] = (a, b)
                    break
        return matches
