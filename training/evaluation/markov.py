"""Baselines to beat: unigram, order-3 Markov chain for each argument, and a chained n-gram.

Class arrays of pieces come in, ``(notes, 5)`` as
:meth:`streamer.families.chain.codec.ChainCodec.encode` gives them; nats per note, and sampled
pieces, go out.

Smoothing is linear interpolation in buckets ([Jelinek1980]): each order's frequencies are mixed
with the next shorter context's, the shortest with the uniform distribution. How far a context is
trusted depends on how often, and with how many different outcomes, it was seen; the weights are
learned on a fifth of the training works that the counts then do not hold, and the counts are taken
from all of them afterwards. Discounts drawn from the counts themselves fail here: many performances
of one work make its counts large without making the next work any likelier.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import ARGUMENTS

Classes = NDArray[Any]
"""``(notes, 5)`` integers: the classes of one piece."""

Source = tuple[int, int]
"""Where a context comes from: (argument 0..4, how many notes ago); 0 notes ago is this note."""

ORDER_3: tuple[tuple[Source, ...], ...] = tuple(
    tuple((argument, ago) for ago in (1, 2, 3)) for argument in range(5)
)
"""Each argument from its own last three values. Contexts are named nearest first."""

UNIGRAM: tuple[tuple[Source, ...], ...] = ((),) * 5
"""Each argument by its frequency alone."""

CHAINED: tuple[tuple[Source, ...], ...] = (
    ((0, 1), (0, 2), (0, 3), (0, 4)),
    ((1, 1), (1, 2), (2, 1), (1, 3)),
    ((2, 1), (1, 0), (1, 1), (2, 2)),
    ((3, 1), (1, 0), (3, 2), (3, 3)),
    ((4, 1), (4, 2), (1, 0), (2, 0)),
)
"""Each argument from the previous notes and from this note's arguments before it, as the chain."""


BUCKETS = 12
"""Buckets in each direction: powers of two of a context's count and of its count per outcome."""

_EM_ROUNDS = 30
_PRIOR = 2.0
"""Imagined held-out events on either side of a weight, so that no bucket rests on nothing."""


@dataclass
class _Level:
    """Counts of one context length.

    Attributes:
        contexts: Sorted (id of the shorter context x column size + column); the row is the id.
        pairs: Sorted (id x classes + target).
        counts: How often each pair was seen.
        first: Where the pairs of each id begin, one more than ids.
        totals: How often each context was seen.
        weight: How far each context is trusted, 0..1.
    """

    contexts: NDArray[np.int64]
    pairs: NDArray[np.int64]
    counts: NDArray[np.float64]
    first: NDArray[np.int64]
    totals: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def bucket(self) -> NDArray[np.int64]:
        """Which weight each context shares with others like it."""
        kinds = np.diff(self.first)
        count = np.minimum(np.log2(self.totals).astype(np.int64), BUCKETS - 1)
        ratio = np.minimum((2 * np.log2(self.totals / kinds)).astype(np.int64), BUCKETS - 1)
        return count * BUCKETS + ratio


def _look_up(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each wanted number among sorted keys, -1 where it is not."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def _learn_weights(
    bucket: NDArray[np.int64], own: NDArray[np.float64], shorter: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(BUCKETS ** 2,)`` weights that make held-out targets likeliest (EM)."""
    size = BUCKETS * BUCKETS
    weights = np.full(size, 0.5)
    events = np.bincount(bucket, minlength=size) + 2 * _PRIOR
    for _ in range(_EM_ROUNDS):
        w = weights[bucket]
        share = w * own / (w * own + (1 - w) * shorter)
        weights = (np.bincount(bucket, weights=share, minlength=size) + _PRIOR) / events
    return weights


class NGram:
    """Distribution of one class given a list of context columns, nearest first.

    Args:
        contexts: ``(n, depth)`` integers >= 0.
        targets: ``(n,)`` integers 0..classes-1, n at least 1.
        sizes: One more than the largest value of each context column, ``depth`` of them.
        classes: How many classes the target has.
        weights: One table of weights by bucket for each depth, from :meth:`learn`. None: the
            count over the count and the number of outcomes (Witten and Bell 1991).

    Raises:
        ValueError: There is no target.
    """

    def __init__(
        self,
        contexts: NDArray[np.int64],
        targets: NDArray[np.int64],
        sizes: Sequence[int],
        classes: int,
        weights: Sequence[NDArray[np.float64]] | None = None,
    ) -> None:
        if len(targets) == 0:
            raise ValueError("an n-gram needs at least 1 target, not 0")
        self.classes = classes
        self.sizes = tuple(sizes)
        self._levels: list[_Level] = []
        ids = np.zeros(len(targets), dtype=np.int64)
        known = np.zeros(1, dtype=np.int64)
        for depth in range(len(self.sizes) + 1):
            if depth:
                keys = ids * self.sizes[depth - 1] + contexts[:, depth - 1]
                known, ids = np.unique(keys, return_inverse=True)
            level = self._count(known, ids, targets)
            if weights is not None:
                level.weight = weights[depth][level.bucket]
            self._levels.append(level)

    def _count(
        self, known: NDArray[np.int64], ids: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> _Level:
        pairs, counts = np.unique(ids * self.classes + targets, return_counts=True)
        first = np.searchsorted(pairs, np.arange(len(known) + 1) * self.classes)
        totals = np.bincount(ids, minlength=len(known)).astype(np.float64)
        weight = totals / (totals + np.diff(first))
        return _Level(known, pairs, counts.astype(np.float64), first, totals, weight)

    def learn(
        self, contexts: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> list[NDArray[np.float64]]:
        """Return the weights by bucket, one table a depth, that suit targets not counted here."""
        tables: list[NDArray[np.float64]] = []
        self._walk(contexts, targets, tables)
        return tables

    def probabilities(
        self, contexts: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the probability of each target in its context, ``(n,)``, always above 0."""
        return self._walk(contexts, targets, None)

    def _walk(
        self,
        contexts: NDArray[np.int64],
        targets: NDArray[np.int64],
        tables: list[NDArray[np.float64]] | None,
    ) -> NDArray[np.float64]:
        """Mix the orders from the shortest up, learning each order's weights if asked."""
        ids = np.zeros(len(targets), dtype=np.int64)
        p = np.full(len(targets), 1.0 / self.classes)
        for depth, level in enumerate(self._levels):
            if depth:
                keys = ids * self.sizes[depth - 1] + contexts[:, depth - 1]
                ids = np.where(ids >= 0, _look_up(level.contexts, keys), -1)
            row = np.maximum(ids, 0)
            at = _look_up(level.pairs, row * self.classes + targets)
            own = np.where(at >= 0, level.counts[np.maximum(at, 0)], 0.0) / level.totals[row]
            known = ids >= 0
            if tables is None:
                weight = level.weight[row]
            else:
                bucket = level.bucket[row]
                tables.append(_learn_weights(bucket[known], own[known], p[known]))
                weight = tables[-1][bucket]
            p = np.where(known, weight * own + (1 - weight) * p, p)
        return p

    def draw(self, context: Sequence[int], rng: np.random.Generator) -> int:
        """Draw one class given a context, nearest first, ``depth`` values."""
        ids = [0]
        for depth in range(1, len(self._levels)):
            key = ids[-1] * self.sizes[depth - 1] + context[depth - 1]
            level = self._levels[depth]
            at = int(np.searchsorted(level.contexts, key))
            if at == len(level.contexts) or level.contexts[at] != key:
                break
            ids.append(at)
        for depth in range(len(ids) - 1, -1, -1):
            level, row = self._levels[depth], ids[depth]
            if rng.random() < level.weight[row]:
                start, end = int(level.first[row]), int(level.first[row + 1])
                cumulative = np.cumsum(level.counts[start:end])
                point = rng.random() * cumulative[-1]
                place = start + int(np.searchsorted(cumulative, point, side="right"))
                return int(level.pairs[place] % self.classes)
        return int(rng.integers(self.classes))


class MarkovModel:
    """Five n-grams, one for each argument of a note.

    Args:
        pieces: Training pieces, ``(notes, 5)`` each; empty ones are allowed.
        sizes: Number of classes of each argument.
        sources: The contexts of each argument: :data:`UNIGRAM`, :data:`ORDER_3`, :data:`CHAINED`.
        works: The work that each piece belongs to, so that the weights are learned across works.
            None: each piece is its own.

    Raises:
        ValueError: No piece has a note, or ``works`` is not one a piece.
    """

    def __init__(
        self,
        pieces: Sequence[Classes],
        sizes: Sequence[int],
        sources: tuple[tuple[Source, ...], ...] = ORDER_3,
        works: Sequence[str] | None = None,
    ) -> None:
        self.sizes = tuple(sizes)
        self.sources = sources
        if works is not None and len(works) != len(pieces):
            raise ValueError(f"works must be one a piece ({len(pieces)}), not {len(works)}")
        names = [str(i) for i in range(len(pieces))] if works is None else list(works)
        used = [(p, w) for p, w in zip(pieces, names, strict=True) if len(p)]
        if not used:
            raise ValueError("at least 1 training piece must have notes")
        targets = np.concatenate([p for p, _ in used]).astype(np.int64)
        held = np.concatenate([np.full(len(p), _is_held(w)) for p, w in used])
        grams = []
        for argument in range(5):
            contexts = np.concatenate([self._contexts(p, argument) for p, _ in used])
            column = targets[:, argument]
            widths = [self.sizes[field] + 1 for field, _ in sources[argument]]
            size = self.sizes[argument]
            weights = None
            if held.any() and not held.all():
                part = NGram(contexts[~held], column[~held], widths, size)
                weights = part.learn(contexts[held], column[held])
            grams.append(NGram(contexts, column, widths, size, weights))
        self._grams = tuple(grams)

    def _contexts(self, piece: Classes, argument: int) -> NDArray[np.int64]:
        """Return ``(notes, depth)``; before the start of the piece stands the class "none"."""
        columns = []
        for field, ago in self.sources[argument]:
            column = np.full(len(piece), self.sizes[field], dtype=np.int64)
            column[ago:] = piece[: len(piece) - ago, field] if ago < len(piece) else 0
            columns.append(column)
        return np.stack(columns, axis=1) if columns else np.zeros((len(piece), 0), dtype=np.int64)

    def negative_log_likelihood(self, piece: Classes) -> NDArray[np.float64]:
        """Return the nats of every argument of every note, ``(notes, 5)``."""
        values = np.empty((len(piece), 5))
        for argument, gram in enumerate(self._grams):
            targets = piece[:, argument].astype(np.int64)
            p = gram.probabilities(self._contexts(piece, argument), targets)
            values[:, argument] = -np.log(p)
        return values

    def sample(self, notes: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Draw the classes of a piece, ``(notes, 5)`` uint8, from its start."""
        drawn = np.zeros((notes, 5), dtype=np.int64)
        for t in range(notes):
            for argument, gram in enumerate(self._grams):
                context = [
                    int(drawn[t - ago, field]) if ago <= t else self.sizes[field]
                    for field, ago in self.sources[argument]
                ]
                drawn[t, argument] = gram.draw(context, rng)
        return drawn.astype(np.uint8)


def _is_held(work: str) -> bool:
    """Tell whether a work is in the fifth that the weights are learned on; the same every time."""
    return zlib.crc32(work.encode()) % 5 == 0


def baseline_losses(
    train: Sequence[Classes],
    test: Sequence[Classes],
    sizes: Sequence[int],
    works: Sequence[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the held-out nats per note of the three baselines.

    Args:
        train: Training pieces.
        test: Held-out pieces.
        sizes: Number of classes of each argument.
        works: The work of each training piece; see :class:`MarkovModel`.

    Returns:
        For ``unigram``, ``order_3`` and ``chained``: nats of each argument by name, and
        ``total``; means over all notes of ``test``.

    Raises:
        ValueError: No training or no test piece has a note.
    """
    if not any(len(p) for p in test):
        raise ValueError("at least 1 test piece must have notes")
    losses = {}
    for name, sources in (("unigram", UNIGRAM), ("order_3", ORDER_3), ("chained", CHAINED)):
        model = MarkovModel(train, sizes, sources, works)
        mean = np.concatenate([model.negative_log_likelihood(p) for p in test]).mean(axis=0)
        losses[name] = dict(zip(ARGUMENTS, mean.tolist(), strict=True)) | {
            "total": float(mean.sum())
        }
    return losses
