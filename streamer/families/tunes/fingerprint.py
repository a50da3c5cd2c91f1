"""Was this tune made, or remembered? A small fingerprint of the corpus.

Source: [Yamshchikov2020]: plagiarism.

A tune goes in; how many notes in a row are known from the training tracks comes out. Known are the
corpus's runs of eight notes, in any key (intervals and lengths are compared), as a Bloom filter:
some ten bits a run, never a run missed, one in a hundred taken for known that is not. Runs that
follow each other note by note make a longer one, so that the figure is an upper bound of the
longest common run, and one chance hit adds little to it.

``export`` writes the bits into a graph of the bundle (nothing in a bundle is but JSON and ONNX),
training fits the limit on held-out tunes, and the stream drops what goes beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import TuneArray

RUN_NOTES = 8
"""Notes of a known run."""

HASHES = 5
BITS_A_RUN = 16
"""With five hashes, 0.14 % of unknown runs are taken for known."""

_PITCHES = 128
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_ONE = np.uint64(0xBF58476D1CE4E5B9)
_MIX_TWO = np.uint64(0x94D049BB133111EB)

Known = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Places ``(runs, hashes)`` -> for each run above 0 when all of its bits are set."""


def run_hashes(tune: TuneArray, notes: int = RUN_NOTES) -> NDArray[np.uint64]:
    """Return a hash of every run of a tune, the same in every key, ``(len(tune) - notes + 1,)``.

    Args:
        tune: Notes of :data:`streamer.families.tunes.codec.TUNE_DTYPE`.
        notes: Notes of a run, 2 or more. The length of its last note does not count.

    Raises:
        ValueError: ``notes`` is below 2.
    """
    if notes < 2:
        raise ValueError(f"notes must be 2 or more, not {notes}")
    if len(tune) < notes:
        return np.zeros(0, dtype=np.uint64)
    pitch = tune["pitch"].astype(np.int64)
    interval = pitch[1:] - pitch[:-1] + _PITCHES
    symbols = (interval << 16 | tune["length"][:-1]).astype(np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(symbols, notes - 1)
    code = np.zeros(len(runs), dtype=np.uint64)
    for step in range(notes - 1):
        code = _mixed((code + runs[:, step] + np.uint64(1)) * _BASE)
    return code


def bit_places(hashes: NDArray[np.uint64], bits: int, each: int = HASHES) -> NDArray[np.int64]:
    """Return where the bits of each run lie, ``(runs, each)`` in 0..bits-1."""
    second = _mixed(hashes) | np.uint64(1)
    steps = np.arange(each, dtype=np.uint64)
    return ((hashes[:, None] + steps * second[:, None]) % np.uint64(bits)).astype(np.int64)


def make_bits(
    tunes: Sequence[TuneArray], notes: int = RUN_NOTES, each: int = HASHES
) -> NDArray[np.uint8]:
    """Return the Bloom filter of all runs of a corpus, packed in bytes, least bit first."""
    runs = [run_hashes(tune, notes) for tune in tunes]
    hashes = np.unique(np.concatenate(runs)) if runs else np.zeros(0, dtype=np.uint64)
    bits = max(-(-len(hashes) * BITS_A_RUN // 8), 1) * 8
    table = np.zeros(bits, dtype=np.uint8)
    table[bit_places(hashes, bits, each).ravel()] = 1
    return np.packbits(table, bitorder="little")


def known_in(table: NDArray[np.uint8]) -> Known:
    """Return the look-up of a packed table, as the bundle's graph does it."""

    def known(places: NDArray[np.int64]) -> NDArray[Any]:
        bits = (table[places >> 3] >> (places & 7).astype(np.uint8)) & 1
        return np.asarray(bits.min(axis=1))

    return known


@dataclass(frozen=True)
class Fingerprint:
    """The corpus's runs.

    Attributes:
        known: The look-up.
        bits: Bits of the table, 1 or more.
        notes: Notes of a run.
        each: Hashes of a run.
    """

    known: Known
    bits: int
    notes: int = RUN_NOTES
    each: int = HASHES

    def longest_runs(
        self, tunes: Sequence[TuneArray], fresh: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Return for each tune the most notes in a row that are known from the corpus.

        Args:
            tunes: Notes of :data:`streamer.families.tunes.codec.TUNE_DTYPE`.
            fresh: Of each tune only runs count that reach into this many last notes; None: all do.

        Returns:
            ``(tunes,)``, 0 or at least ``notes``.
        """
        hashes = [run_hashes(tune, self.notes) for tune in tunes]
        every = np.concatenate([np.zeros(0, dtype=np.uint64), *hashes])
        longest = np.zeros(len(tunes), dtype=np.int64)
        if not len(every):
            return longest
        hits = np.asarray(self.known(bit_places(every, self.bits, self.each))) > 0
        ends = np.cumsum([len(one) for one in hashes])
        for i, own in enumerate(np.split(hits, ends[:-1])):
            behind = _runs_so_far(own)
            if fresh is not None:
                behind = behind[max(len(own) - fresh[i], 0) :]
            longest[i] = behind.max(initial=0)
        return np.where(longest > 0, longest + self.notes - 1, 0)


def _runs_so_far(hits: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many hits in a row end at each place."""
    place = np.arange(1, len(hits) + 1)
    miss = np.maximum.accumulate(np.where(hits, 0, place))
    return np.asarray(place - miss)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a finaliser of 64 bits (Stafford's thirteenth): every bit depends on every other."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_ONE
    values = (values ^ (values >> np.uint64(27))) * _MIX_TWO
    return values ^ (values >> np.uint64(31))
