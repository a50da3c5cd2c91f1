"""Three ways to tell good phrases from bad: logistic regression, and SVC with two kernels.

In: rows of features with labels and works. Out: a :class:`Classifier` of plain arrays, which export
turns into a graph; with it some rows and what scikit-learn itself says of them, so that the graph
can be proven where scikit-learn's object is no more. Methods after [Yamshchikov2020], section 4.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.families.tunes.features import LATENT_PREFIX
from streamer.system.atomic import atomic_file
from training.evaluation.signature import FOLDS

Floats = NDArray[np.float64]

METHODS = ("lr", "svc-linear", "svc-rbf")
"""Logistic regression, SVC with a linear and with an rbf kernel."""

MOST_ROWS = 4000
"""Rows that a classifier is fitted on: an SVC's time grows with their square."""


RBF_C, RBF_WIDTH = 16.0, 0.5
"""Of the rbf kernel; its gamma is the width over features times variance. Chosen on the validation
works of the corpus that ships, from C 1..64 and widths 0.5..2: the AUC moves by less than 0.01."""

PROOF_ROWS = 256


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier, plain numbers.

    The decision is ``x @ weights + intercept`` of standardised features x (of latent coordinates
    centred ones), or for the rbf kernel
    ``exp(-gamma * |x - support|^2) @ weights + intercept``; the probability of "good" is the
    logistic function of ``slope * decision + offset``.

    Attributes:
        method: One of :data:`METHODS`.
        features: Names of the columns.
        mean: Of each feature.
        scale: Of each feature, above 0; 1 for latent coordinates.
        weights: ``(features,)``, or one for each support vector.
        intercept: Of the decision.
        support: Support vectors, ``(vectors, features)``, standardised; empty for lines.
        gamma: Of the rbf kernel; 0 for lines.
        slope: Of the calibration.
        offset: Of the calibration.
        proof: Rows of features, float32.
        proven: What scikit-learn says of them.
    """

    method: str
    features: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float
    support: Floats
    gamma: float
    slope: float
    offset: float
    proof: NDArray[np.float32]
    proven: Floats

    def probability(self, rows: NDArray[Any]) -> Floats:
        """Return how likely each of ``(rows, features)`` is good, 0..1; numpy's own sums."""
        x = (np.asarray(rows, dtype=np.float64) - self.mean) / self.scale
        if self.gamma:
            squares = (x**2).sum(axis=1)[:, None] + (self.support**2).sum(axis=1)
            x = np.exp(-self.gamma * (squares - 2.0 * x @ self.support.T))
        decision = x @ self.weights + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * decision + self.offset))))

    def save(self, path: Path) -> None:
        """Write an ``.npz`` of plain arrays, whole or not at all; the folder is made."""
        columns: dict[str, Any] = dict(vars(self))
        columns["features"] = np.array(self.features, dtype=np.str_)
        with atomic_file(path) as file:
            np.savez(file, **columns)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: It is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                columns: dict[str, Any] = {name: data[name] for name in data.files}
                columns["method"] = str(columns["method"])
                columns["features"] = tuple(str(name) for name in columns["features"])
                for name in ("intercept", "gamma", "slope", "offset"):
                    columns[name] = float(columns[name])
                return cls(**columns)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: is no classifier ({str(error).splitlines()[0]}); "
                "make one with perpetuo train filter"
            ) from error


def fit(
    method: str,
    names: tuple[str, ...],
    rows: NDArray[Any],
    good: NDArray[np.bool_],
    works: NDArray[np.str_],
    rng: np.random.Generator,
    most: int = MOST_ROWS,
) -> Classifier:
    """Fit one classifier; an SVC is calibrated with whole works held out (Platt's sigmoid).

    Args:
        method: One of :data:`METHODS`.
        names: Of the features.
        rows: ``(rows, features)``.
        good: The labels.
        works: What is held out together.
        rng: Draws rows and folds.
        most: So many rows are used at most.

    Raises:
        DataError: There is only one label, or too few works to hold out.
        ValueError: An unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method}")
    if good.all() or not good.any():
        raise DataError("a filter needs good and bad phrases to learn from; rate more of them")
    chosen = np.sort(rng.permutation(len(rows))[:most])
    # What the graph is fed is float32: learn from the same numbers.
    x = np.asarray(rows[chosen], dtype=np.float32).astype(np.float64)
    y, groups = good[chosen], works[chosen]
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if method == "lr":
        line = LogisticRegression(C=1.0, max_iter=2000)
        model = make_pipeline(_scaler(names), line).fit(x, y)
        return _plain(method, names, model, model, 1.0, 0.0, x)
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    if method == "svc-linear":
        kernel = SVC(kernel="linear")
    else:
        spread = float(_scaler(names).fit_transform(x).var())
        kernel = SVC(kernel="rbf", C=RBF_C, gamma=RBF_WIDTH / (x.shape[1] * spread))
    folds = list(_folds(y, groups, rng))
    both = CalibratedClassifierCV(
        make_pipeline(_scaler(names), kernel), cv=folds, ensemble=False
    ).fit(x, y)
    inner = both.calibrated_classifiers_[0]
    sigmoid = inner.calibrators[0]
    return _plain(method, names, both, inner.estimator, -sigmoid.a_, -sigmoid.b_, x)


def _scaler(names: tuple[str, ...]) -> Any:
    """Return what standardises the entropies, and centres the latent coordinates.

    These have a unit of their own, the prior's deviation: one that the encoder leaves unused would
    be blown up to noise as loud as the rest.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import StandardScaler

    latent = [i for i, name in enumerate(names) if name.startswith(LATENT_PREFIX)]
    others = [i for i in range(len(names)) if i not in latent]
    if latent and latent != list(range(latent[0], len(names))):
        raise ValueError("latent coordinates must be the last features")
    return ColumnTransformer(
        [("scaled", StandardScaler(), others), ("centred", StandardScaler(with_std=False), latent)]
    )


def _folds(good: NDArray[np.bool_], works: NDArray[np.str_], rng: np.random.Generator) -> Any:
    """Yield folds (rows to fit on, rows to calibrate on), both labels in each, works whole."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, *(len(np.unique(works[good == label])) for label in (True, False)))
    if count < 2:
        raise DataError(
            "a filter needs good and bad phrases of 2 works or more each; give more of them"
        )
    split = StratifiedGroupKFold(count, shuffle=True, random_state=int(rng.integers(2**31)))
    for train, test in split.split(works, good, works):
        if len(np.unique(good[train])) == 2:
            yield train, test


def _plain(
    method: str,
    names: tuple[str, ...],
    whole: Any,
    pipeline: Any,
    slope: float,
    offset: float,
    x: Floats,
) -> Classifier:
    """Read the numbers out of scikit-learn's objects, and keep some of its answers."""
    parts, model = pipeline[0].named_transformers_, pipeline[-1]
    scaled, centred = parts["scaled"], parts["centred"]
    latent = x.shape[1] - len(scaled.mean_)
    lines = method != "svc-rbf"
    proof = x[np.linspace(0, len(x) - 1, min(PROOF_ROWS, len(x))).astype(int)]
    return Classifier(
        method,
        names,
        mean=np.concatenate([scaled.mean_, centred.mean_ if latent else []]),
        scale=np.concatenate([scaled.scale_, np.ones(latent)]),
        weights=np.asarray(model.coef_ if lines else model.dual_coef_, dtype=np.float64)[0],
        intercept=float(model.intercept_[0]),
        support=np.zeros((0, x.shape[1])) if lines else np.asarray(model.support_vectors_),
        gamma=0.0 if lines else float(model._gamma),
        slope=float(slope),
        offset=float(offset),
        proof=proof.astype(np.float32),
        proven=np.asarray(whole.predict_proba(proof)[:, -1], dtype=np.float64),
    )


def splits_by_work(
    works: NDArray[np.str_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which rows are test rows: whole works, about ``share`` of them.

    Raises:
        DataError: There are fewer than two works.
    """
    every = np.unique(works)
    if len(every) < 2:
        raise DataError("a test needs 2 works or more; give more of them")
    count = min(max(round(share * len(every)), 1), len(every) - 1)
    return np.isin(works, rng.permutation(every)[:count])


def precision_at(scores: Floats, good: NDArray[np.bool_], share: float) -> float:
    """Return the share of good ones among the best-scored ``share`` of all, 0..1."""
    count = max(round(share * len(scores)), 1)
    return float(good[np.argsort(-scores, kind="stable")[:count]].mean())


def threshold_keeping(scores: Floats, good: NDArray[np.bool_], kept: float) -> float:
    """Return the score that a share ``kept`` of the good ones reach."""
    return float(np.quantile(scores[good], 1.0 - kept))


def figures(
    scores: Floats, good: NDArray[np.bool_], kinds: NDArray[np.str_], yields: tuple[float, ...]
) -> dict[str, Any]:
    """Return AUC against all bad ones and each kind, and precision at yields beside the base rate.

    Precision at a yield: of the best-scored share, how many are good. Always answering "bad" has
    the recall that the paper's table cannot tell from merit; it has no yield.
    """
    from training.evaluation.two_sample import auc

    bad = sorted({*kinds[~good].tolist()})
    return {
        "good": int(good.sum()),
        "bad": int((~good).sum()),
        "base_rate": float(good.mean()),
        "auc": auc(scores, good),
        "auc_against": {
            kind: auc(scores[good | (kinds == kind)], good[good | (kinds == kind)]) for kind in bad
        },
        "precision_at_yield": {f"{share:g}": precision_at(scores, good, share) for share in yields},
    }


def shares_kept(
    scores: Floats, good: NDArray[np.bool_], kinds: NDArray[np.str_], threshold: float
) -> Mapping[str, float]:
    """Return the share of each kind that reaches the threshold."""
    kept = scores >= threshold
    found = {"good": float(kept[good].mean())} if good.any() else {}
    for kind in sorted({*kinds[~good].tolist()}):
        found[kind] = float(kept[kinds == kind].mean())
    return found
