"""A variable Markov oracle: the approximate repetitions of a sequence of vectors, online.

A matrix of distances between frames (or a string of symbols) comes in; suffix links, their lengths,
the compression code, the information rate over time and the motifs go out. Written from the
descriptions of factor oracles ([Allauzen1999], [Lefebvre2000]) and of their use on vectors
([Wang2015]), and from the figures in docs/design/query.md; no other implementation was read.

States are numbered from 0, the empty beginning; state i stands for frame i - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Oracle:
    """What the oracle found in a sequence of n frames.

    Attributes:
        suffix: ``(n + 1)`` the earlier state that ends in the longest repeated suffix; -1 for
            state 0.
        length: ``(n + 1)`` how many frames that suffix has.
        cluster: ``(n + 1)`` which group of like frames each state is of, -1 for state 0.
    """

    suffix: tuple[int, ...]
    length: tuple[int, ...]
    cluster: tuple[int, ...]

    @property
    def frames(self) -> int:
        """Frames in the sequence."""
        return len(self.suffix) - 1


@dataclass(frozen=True)
class Motif:
    """Something that comes back.

    Attributes:
        ends: States (frames counted from 1) at which an occurrence ends, ascending.
        length: Frames that all of the occurrences share.
    """

    ends: tuple[int, ...]
    length: int

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First frame (from 0) and the one after the last, for each occurrence."""
        return tuple((end - self.length, end) for end in self.ends)


class _Builder:
    """The state of an oracle under construction."""

    def __init__(self, distances: NDArray[np.float64], threshold: float) -> None:
        # The links leave the row of the new frame at some tens of places: plain lists win there.
        self._distances = distances
        self._threshold = threshold
        self.suffix = [-1]
        self.length = [0]
        self.cluster = [-1]
        self._forward: list[list[int]] = [[]]
        self._reverse: list[list[int]] = [[]]
        self._clusters = 0

    def add(self) -> None:
        """Append the next frame."""
        i = len(self.suffix)
        row = self._distances[i - 1].tolist()
        self._forward[i - 1].append(i)
        self._forward.append([])
        self._reverse.append([])
        k, before, target = self.suffix[i - 1], i - 1, 0
        while k >= 0:
            nearest = min(self._forward[k], key=lambda state: row[state - 1])
            if row[nearest - 1] < self._threshold:
                target = nearest
                break
            self._forward[k].append(i)
            before, k = k, self.suffix[k]
        length = self._common_suffix(before, target - 1) + 1 if target else 0
        if target:
            target, length = self._better(i, target, length)
            self.cluster.append(self.cluster[target])
        else:
            self.cluster.append(self._clusters)
            self._clusters += 1
        self.suffix.append(target)
        self.length.append(length)
        self._reverse[target].append(i)

    def _common_suffix(self, first: int, second: int) -> int:
        if second == self.suffix[first]:
            return self.length[first]
        while self.suffix[second] != self.suffix[first]:
            second = self.suffix[second]
        return min(self.length[first], self.length[second])

    def _better(self, i: int, target: int, length: int) -> tuple[int, int]:
        """Look for a sibling whose suffix is one frame longer (Lefebvre and Lecroq's repair)."""
        if length == i:
            return target, length
        wanted = self.cluster[i - length]
        for other in self._reverse[target]:
            if self.length[other] == length and self.cluster[other - length] == wanted:
                return other, length + 1
        return target, length


def build(distances: NDArray[np.float64], threshold: float) -> Oracle:
    """Build the oracle of a sequence.

    Args:
        distances: ``(n, n)`` distance of every frame to every other, >= 0.
        threshold: Frames match when their distance is strictly below it, >= 0.

    Raises:
        ValueError: The matrix is not square, holds a NaN, or the threshold is negative.
    """
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError(f"distances must be square, not {distances.shape}")
    if not threshold >= 0:
        raise ValueError(f"threshold must be 0 or more, not {threshold}")
    if np.isnan(distances).any():
        raise ValueError("distances must not hold NaN")
    builder = _Builder(distances, threshold)
    for _ in range(len(distances)):
        builder.add()
    return Oracle(tuple(builder.suffix), tuple(builder.length), tuple(builder.cluster))


def compress(oracle: Oracle) -> list[tuple[int, int]]:
    """Return the code words of the sequence.

    Returns:
        ``(0, i)`` for a frame i (from 1) that is new; ``(length, start)`` for a copy of ``length``
        frames that begin at frame ``start`` (from 1).
    """
    words = []
    done = 0
    while done < oracle.frames:
        i = done
        while i < oracle.frames and oracle.length[i + 1] >= i + 1 - done:
            i += 1
        if i == done:
            words.append((0, done + 1))
            done += 1
        else:
            words.append((i - done, oracle.suffix[i] - (i - done) + 1))
            done = i
    return words


def information_rates(oracle: Oracle) -> NDArray[np.float64]:
    """Return the information rate of every frame, ``(n,)`` bits, >= 0.

    A word's rate is log2 of the new words so far, what a frame costs that is told without its
    past, less log2 of all words so far over the word's length, what it costs told with it.
    """
    rates = np.zeros(oracle.frames)
    done = new = 0
    for count, (length, _) in enumerate(compress(oracle), start=1):
        frames = max(length, 1)
        new += length == 0
        rates[done : done + frames] = max(0.0, np.log2(new) - np.log2(count) / frames)
        done += frames
    return rates


def find_motifs(oracle: Oracle, least_frames: int = 4, least_count: int = 2) -> list[Motif]:
    """Return what comes back, longest first.

    States whose longest repeated suffix leads to the same earlier state share it; the earlier
    state is its first occurrence. An occurrence that lies inside a longer one found at the next
    frame (the same passage, not yet over) is left out, and so is one that overlaps the occurrence
    before: music that goes on unchanged does not come back. A motif of which every occurrence
    lies inside one of a longer motif is left out too.

    Args:
        oracle: Of the whole sequence, best at the threshold with the highest information rate.
        least_frames: Shorter repetitions are left out, at least 1.
        least_count: So many occurrences, the first included, at least 2.
    """
    n = oracle.frames
    followers: dict[int, list[int]] = {}
    for state in range(1, n + 1):
        grows = state < n and oracle.length[state + 1] == oracle.length[state] + 1
        grows = grows and oracle.suffix[state + 1] == oracle.suffix[state] + 1
        if oracle.length[state] >= least_frames and not grows:
            followers.setdefault(oracle.suffix[state], []).append(state)
    found = []
    for first, states in followers.items():
        length = min(min(oracle.length[s] for s in states), first)
        ends = [first]
        for state in states:
            if state - length >= ends[-1]:
                ends.append(state)
        if length >= least_frames and len(ends) >= least_count:
            found.append(Motif(tuple(ends), length))
    motifs: list[Motif] = []
    for motif in sorted(found, key=lambda m: (-m.length, m.ends)):
        if not any(_inside(motif, longer) for longer in motifs):
            motifs.append(motif)
    return motifs


def _inside(motif: Motif, longer: Motif) -> bool:
    return all(
        any(low <= start and end <= high for low, high in longer.spans)
        for start, end in motif.spans
    )
