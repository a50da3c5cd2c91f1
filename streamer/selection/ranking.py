"""Rankings of candidate phrases by their entropy sequences.

Source: [Liu2025], section 4; docs/design/chain.md.

In: statistics ``(3, candidates, arguments)`` from :mod:`streamer.measures.entropy`, and the
corpus's histograms. Out: the candidates' indices, best first.

All rankings are stable: equal scores keep the candidates' order, so that a seed repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.measures.entropy import CorpusEntropy, Floats

Order = NDArray[np.int64]
Ranking = Callable[[Floats, CorpusEntropy], Order]
"""Statistics and corpus -> candidate indices, best first, ``(candidates,)``."""

MEAN, VARIANCE, AVERAGE_VARIANCE = 0, 1, 2
REGULATION = (0.1, 0.1, 0.05)
"""Weights a, b, c of the corpus's likelihood of each statistic (docs/design/chain.md, ranking
B)."""


def _order(score: Floats) -> Order:
    return np.argsort(score, kind="stable").astype(np.int64)


def mean_score(statistics: NDArray[Any]) -> Floats:
    """Return the mean entropy over the arguments, ``(candidates,)``, nats; low is sure."""
    return np.asarray(statistics[MEAN].mean(axis=-1), dtype=np.float64)


def regulated_score(
    statistics: NDArray[Any],
    corpus: CorpusEntropy,
    weights: tuple[float, float, float] = REGULATION,
) -> Floats:
    """Return the regulated mean entropy, ``(candidates,)``; low is best.

    For each argument the mean entropy is lowered by (a P_mean + b P_var + c P_avgvar) times the
    mean over the candidates: what the corpus itself does often is preferred.
    """
    mean = np.asarray(statistics[MEAN], dtype=np.float64)
    bonus = np.tensordot(np.asarray(weights), corpus.likelihood(statistics), axes=1)
    return np.asarray((mean - bonus * mean.mean(axis=0)).mean(axis=-1), dtype=np.float64)


def information_score(statistics: NDArray[Any]) -> Floats:
    """Return variance less mean, averaged over the arguments, ``(candidates,)``; high is best."""
    difference = statistics[VARIANCE] - statistics[MEAN]
    return np.asarray(difference.mean(axis=-1), dtype=np.float64)


def rank_mean(statistics: Floats, corpus: CorpusEntropy | None = None) -> Order:
    """Ranking A: the surest first. The corpus is not looked at."""
    del corpus
    return _order(mean_score(statistics))


def rank_regulated(statistics: Floats, corpus: CorpusEntropy) -> Order:
    """Ranking B: sure, and like the corpus."""
    return _order(regulated_score(statistics, corpus))


def rank_information(statistics: Floats, corpus: CorpusEntropy | None = None) -> Order:
    """Ranking C: the largest variance less mean first. The corpus is not looked at."""
    del corpus
    return _order(-information_score(statistics))


def typical_score(statistics: NDArray[Any], known: NDArray[Any]) -> Floats:
    """Return how far mean entropies lie from those of music, ``(candidates,)``; low is best (ours).

    In standard deviations over its phrases, squared, summed over the arguments.

    Args:
        statistics: ``(3, candidates, arguments)``.
        known: Mean and standard deviation for each argument, ``(arguments, 2)``, nats.
    """
    away = (np.asarray(statistics[MEAN], dtype=np.float64) - known[:, 0]) / known[:, 1]
    return np.asarray((away**2).sum(axis=-1), dtype=np.float64)


def rank_typical(statistics: Floats, corpus: CorpusEntropy) -> Order:
    """Ours: as sure as the model is of the corpus, no more and no less; the default of tunes.

    The surest of many melodies is the one with the dullest rhythm.
    """
    known = np.array([histogram.middle_and_spread for histogram in corpus.histograms[MEAN]])
    return rank_typical_of(statistics, known)


def rank_typical_of(statistics: Floats, known: NDArray[Any]) -> Order:
    """Rank by :func:`typical_score` against music that is not the whole corpus: a style."""
    return _order(typical_score(statistics, known))


def merge_first_common(first: Order, second: Order) -> Order:
    """Order by the length of the shortest prefixes of both orders that share a member.

    The head is "the first common member of growing prefixes". Where one more step makes two
    members common at once, the one that stands earlier in ``second`` goes first.
    """
    place = np.empty((2, len(first)), dtype=np.int64)
    place[0, first] = np.arange(len(first))
    place[1, second] = np.arange(len(second))
    return np.lexsort((place[1], place.max(axis=0))).astype(np.int64)


def regulated_first_common(statistics: Floats, corpus: CorpusEntropy) -> Order:
    """The paper's "regulated" pick: A and B merged by their first common member."""
    return merge_first_common(rank_mean(statistics), rank_regulated(statistics, corpus))


def rank_any(statistics: Floats, corpus: CorpusEntropy | None = None) -> Order:
    """Ours: the first that passed. Candidates are drawn alike: that is a pick at random."""
    del corpus
    return np.arange(statistics.shape[1], dtype=np.int64)


ANY, TYPICAL, EAR = "any", "typical", "ear"

RANKINGS: dict[str, Ranking] = {
    "regulated": rank_regulated,
    "mean": rank_mean,
    "information": rank_information,
    "regulated-first-common": regulated_first_common,
    TYPICAL: rank_typical,
    ANY: rank_any,
    EAR: rank_any,
}
"""Rankings by the name that settings use. What a bundle's ear prefers no entropy tells: a family
that has one picks by it (:attr:`streamer.generators.choosing.Candidates.pick`), the others take
any."""
