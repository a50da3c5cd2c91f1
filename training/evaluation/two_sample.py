"""Can a classifier tell generated music from real? The two-sample test, by feature group.

Two sets of pieces come in; for each group of features (and all together) the area under the ROC
curve goes out, with a bootstrap interval over pieces: 0.5 cannot be told apart, 1.0 always can.
Scores are cross-fitted with whole pieces held out, so that knowing a piece does not help. Source:
[LopezPaz2017].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.music.notes import NoteArray
from training.evaluation import bootstrap
from training.evaluation.bootstrap import Interval
from training.evaluation.excerpts import EXCERPT_NOTES, GROUPS, describe, excerpts
from training.evaluation.signature import FOLDS

TREES = 60
WIDENING = (1.0 + FOLDS / (FOLDS - 1)) ** 0.5
LIMIT = 400
"""Most excerpts that are taken from each of the two sets."""

_FEW = 300
"""Rows up to which threads cost more than they save."""

ANY_GROUP = next(iter(GROUPS))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[inverse])


def auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the chance that a positive scores above a negative, ties half; NaN with one class."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if positive == 0 or negative == 0:
        return float("nan")
    return float(
        (_ranks(scores)[labels].sum() - positive * (positive + 1) / 2.0) / (positive * negative)
    )


def cross_fitted_scores(
    features: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[Any], seed: int
) -> NDArray[np.float64]:
    """Return how generated each row looks to a forest that never saw its piece, 0..1.

    Scores are ranks inside their fold: forests of different folds need not agree on a scale.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    scores = np.empty(len(labels))
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in split.split(features, labels, groups):
        forest = ExtraTreesClassifier(
            TREES, min_samples_leaf=2, max_features="sqrt", class_weight="balanced",
            random_state=seed, n_jobs=-1 if len(train) > _FEW else None,
        )  # fmt: skip
        forest.fit(features[train], labels[train])
        raw = forest.predict_proba(features[test])[:, -1]  # the class True sorts last
        scores[test] = _ranks(raw) / len(raw)
    return scores


@dataclass(frozen=True)
class Described:
    """The excerpts of a set of pieces as rows of features.

    Attributes:
        rows: For each piece, feature group to ``(excerpts, features)``; a piece without an
            excerpt has no rows.
        works: The work of each piece: what is held out together, in both sets of a test.
    """

    rows: Sequence[Mapping[str, NDArray[np.float64]]]
    works: Sequence[str]


def describe_pieces(
    pieces: Sequence[NoteArray], works: Sequence[str], notes: int = EXCERPT_NOTES
) -> Described:
    """Describe the excerpts of pieces.

    Args:
        pieces: Note arrays sorted by onset. A long render counts as one piece; give several.
        works: The work of each; sets that are compared may share works.
        notes: Notes in an excerpt, at least 32.

    Raises:
        ValueError: ``notes`` is below 32.
    """
    if notes < 32:
        raise ValueError(f"notes must be at least 32, not {notes}")
    return Described([describe(excerpts(p, notes)) for p in pieces], list(works))


def _draw(
    described: Described, limit: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Draw rows evenly over pieces: the same few from each, at random which."""
    ranked: list[tuple[int, int, int]] = []
    for i, rows in enumerate(described.rows):
        order = rng.permutation(len(rows[ANY_GROUP])).tolist()
        ranked += [(rank, i, place) for rank, place in enumerate(order)]
    keep = sorted(ranked)[:limit]
    if not keep:
        return {}, []
    drawn = {
        name: np.stack([described.rows[i][name][place] for _, i, place in keep]) for name in GROUPS
    }
    return drawn, [described.works[i] for _, i, _ in keep]


def two_sample_test(
    generated: Described, real: Described, rng: np.random.Generator, limit: int = LIMIT
) -> dict[str, Interval]:
    """Try to tell two sets of music apart.

    Works that occur in both sets are held out together: nothing is told apart by heart.

    Args:
        generated: One set.
        real: The other.
        rng: Draws excerpts, folds and resamples.
        limit: Most excerpts of each set.

    Returns:
        The AUC with its interval for ``velocity``, ``timing``, ``pitch``, ``pedal`` and ``all``.

    Raises:
        DataError: One of the sets has excerpts of fewer than :data:`FOLDS` works.
    """
    first, own = _draw(generated, limit, rng)
    second, other = _draw(real, limit, rng)
    for name, works in (("generated", own), ("real", other)):
        if len({*works}) < FOLDS:
            raise DataError(
                f"the two-sample test needs {FOLDS} {name} works of {EXCERPT_NOTES} notes or more, "
                f"not {len({*works})}: give more files or longer ones"
            )
    labels = np.repeat([True, False], [len(own), len(other)])
    groups = np.asarray([*own, *other])
    described = {name: np.concatenate([first[name], second[name]]) for name in GROUPS}
    described["all"] = np.concatenate(list(described.values()), axis=1)
    seed = int(rng.integers(2**31))
    return {
        name: auc_interval(cross_fitted_scores(rows, labels, groups, seed), labels, groups, rng)
        for name, rows in described.items()
    }


def auc_interval(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    groups: NDArray[Any],
    rng: np.random.Generator,
) -> Interval:
    """Return the AUC of cross-fitted scores with its interval.

    A bootstrap over works tells how the score of *these* forests varies, but forests trained on
    other works would differ too. Nadeau and Bengio (2003) put the variance of a cross-validated
    figure at 1/K + 1/(K - 1) where the folds' own says 1/K; the interval is widened by the root of
    their ratio. Measured on made-up music (16 pairs of equal sets of 16 works), it then covers 0.5
    in nine cases of ten; unwidened, in eight.
    """
    inverse = np.unique(groups, return_inverse=True)[1]
    works = int(inverse.max()) + 1
    member = (inverse[:, None] == np.arange(works)).astype(np.float64)
    positive, negative = member[labels], member[~labels]
    above = scores[labels][:, None] - scores[~labels]
    wins = positive.T @ ((above > 0) + 0.5 * (above == 0)) @ negative
    times = rng.multinomial(works, np.full(works, 1.0 / works), size=bootstrap.RESAMPLES)
    won = np.einsum("rg,gh,rh->r", times, wins, times)
    pairs = (times @ positive.sum(axis=0)) * (times @ negative.sum(axis=0))
    drawn = won[pairs > 0] / pairs[pairs > 0]
    tail = (1 - bootstrap.LEVEL) / 2
    value = auc(scores, labels)
    low, high = np.quantile(drawn, (tail, 1 - tail)) if len(drawn) else (np.nan, np.nan)
    return Interval(
        value,
        float(max(value - WIDENING * (value - low), 0.0)),
        float(min(value + WIDENING * (high - value), 1.0)),
        works,
    )


def shuffled(piece: NoteArray, rng: np.random.Generator) -> NoteArray:
    """Return a piece's own notes in another order: every frequency stays, every relation goes.

    Each note keeps its pitch, duration, velocity, pedal and the time to the note before it.
    """
    order = rng.permutation(len(piece))
    shift = np.diff(piece["onset_ms"], prepend=piece["onset_ms"][:1])
    mixed = piece[order].copy()
    mixed["onset_ms"] = np.cumsum(shift[order])
    return mixed
