"""Can a classifier tell generated music from real? The two-sample test, by feature group.

Two sets of pieces come in; for each group of features (and all together) the area under the ROC
curve goes out, with a bootstrap interval over pieces: 0.5 cannot be told apart, 1.0 always can.
Scores are cross-fitted with whole pieces held out, so that knowing a piece does not help.
Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.notes import NoteArray
from training.evaluation import bootstrap
from training.evaluation.bootstrap import Interval
from training.evaluation.excerpts import EXCERPT_NOTES, describe, excerpts

FOLDS = 5
TREES = 200
LIMIT = 400
"""Most excerpts that are taken from each of the two sets."""


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
            random_state=seed,
        )  # fmt: skip
        forest.fit(features[train], labels[train])
        raw = forest.predict_proba(features[test])[:, -1]  # the class True sorts last
        scores[test] = _ranks(raw) / len(raw)
    return scores


def _sample(
    pieces: Sequence[NoteArray], notes: int, limit: int, rng: np.random.Generator
) -> tuple[list[NoteArray], NDArray[np.int64]]:
    """Draw excerpts evenly over pieces: the same few from each, at random which."""
    cut = [excerpts(p, notes) for p in pieces]
    order: list[tuple[int, int]] = []
    for i, own in enumerate(cut):
        order += [(int(rank), i) for rank in range(len(own))]
        rng.shuffle(own)
    keep = sorted(order)[:limit]
    return [cut[i][rank] for rank, i in keep], np.asarray([i for _, i in keep], dtype=np.int64)


def two_sample_test(
    generated: Sequence[NoteArray],
    real: Sequence[NoteArray],
    rng: np.random.Generator,
    works: Sequence[str] | None = None,
    generated_works: Sequence[str] | None = None,
    notes: int = EXCERPT_NOTES,
    limit: int = LIMIT,
) -> dict[str, Interval]:
    """Try to tell two sets of music apart.

    Args:
        generated: Pieces of one set, note arrays sorted by onset. A long render counts as one
            piece; give several.
        real: Pieces of the other.
        rng: Draws excerpts, folds and resamples.
        works: The work of each real piece, so that all performances of it are held out together;
            nothing is harder to tell apart by cheating. None: each piece is its own.
        generated_works: The same for the first set, which may be real music too; works that occur
            in both sets are held out together.
        notes: Notes in an excerpt, at least 32.
        limit: Most excerpts of each set.

    Returns:
        The AUC with its interval for ``velocity``, ``timing``, ``pitch``, ``pedal`` and ``all``.

    Raises:
        DataError: One of the sets has fewer than :data:`FOLDS` pieces with an excerpt.
        ValueError: ``notes`` is below 32.
    """
    if notes < 32:
        raise ValueError(f"notes must be at least 32, not {notes}")
    first, own = _sample(generated, notes, limit, rng)
    second, other = _sample(real, notes, limit, rng)
    names = [f"generated {i}" for i in range(len(generated))]
    names = names if generated_works is None else list(generated_works)
    real_names = [f"real {i}" for i in range(len(real))] if works is None else list(works)
    groups = np.asarray([*(names[i] for i in own), *(real_names[i] for i in other)])
    labels = np.repeat([True, False], [len(first), len(second)])
    for name, kind in (("generated", True), ("real", False)):
        found = len(np.unique(groups[labels == kind]))
        if found < FOLDS:
            raise DataError(
                f"the two-sample test needs {FOLDS} {name} works of {notes} notes, not {found}: "
                "give more files or longer ones"
            )
    described = describe([*first, *second])
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
    """Return the AUC of scores with its bootstrap interval over pieces."""
    return bootstrap.grouped(lambda rows: auc(scores[rows], labels[rows]), groups, rng)


def shuffled(piece: NoteArray, rng: np.random.Generator) -> NoteArray:
    """Return a piece's own notes in another order: every frequency stays, every relation goes.

    Each note keeps its pitch, duration, velocity, pedal and the time to the note before it.
    """
    order = rng.permutation(len(piece))
    shift = np.diff(piece["onset_ms"], prepend=piece["onset_ms"][:1])
    mixed = piece[order].copy()
    mixed["onset_ms"] = np.cumsum(shift[order])
    return mixed
