"""Fits the filters of tunes, one for each style, and measures them on works they never saw.

In: labelled phrases (surrogates of a tune file, or ratings) and, where there is one, an encoder.
Out: a classifier with its threshold for each style, held-out figures, and the paper's table 1 in
form: three methods, four shares of works for the test, with what the paper's does not say: the
precision of "good" at a fixed yield beside the base rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.families.tunes.classifier import TuneEncoder
from streamer.families.tunes.features import feature_names, tune_features
from streamer.families.tunes.spec import ALL_STYLES
from training.families.tunes.classifiers import (
    METHODS,
    MOST_ROWS,
    Classifier,
    Floats,
    figures,
    fit,
    shares_kept,
    splits_by_work,
    threshold_keeping,
)
from training.families.tunes.surrogates import Labelled

REPORT_FILE = "filters.json"
"""What a folder of filters says of them."""

TEST_SHARES = (0.5, 0.4, 0.3, 0.2)
"""Of the paper's table 1."""

YIELDS = (0.05, 0.1, 0.25)
"""Shares of all phrases that are let through."""

REPEATS = 5
"""Splits of each share: one split of a few hundred works says little."""

TABLE_ROWS = 1200
"""Rows that each classifier of the table is fitted on: there are some three hundred of them, and
the paper had fewer."""

_CHUNK = 256


@dataclass(frozen=True)
class Phrases:
    """Phrases and their features.

    Attributes:
        labels: What they are.
        rows: ``(phrases, features)``.
        names: Of the features.
    """

    labels: Labelled
    rows: Floats
    names: tuple[str, ...]

    def select(self, keep: NDArray[np.bool_]) -> Phrases:
        """Return some of them."""
        return Phrases(self.labels.select(keep), self.rows[keep], self.names)

    def of_style(self, style: str) -> Phrases:
        """Return those of a style, or all."""
        if style == ALL_STYLES:
            return self
        return self.select(self.labels.styles == style)


@dataclass(frozen=True)
class Filter:
    """What one style's filter is, and how good.

    Attributes:
        style: Or :data:`ALL_STYLES`.
        classifier: Fitted.
        threshold: Phrases below it are dropped.
        held_out: Figures on works that were not fitted on.
    """

    style: str
    classifier: Classifier
    threshold: float
    held_out: dict[str, Any]


def describe(
    phrases: Labelled,
    encoder: TuneEncoder | None,
    styles: Sequence[str],
    most: int,
    rng: np.random.Generator,
) -> Phrases:
    """Take the features of phrases.

    Args:
        phrases: What to describe.
        encoder: Gives the latent coordinates; None leaves them out.
        styles: The encoder's, in its order.
        most: Of each style, phrases beyond this many are left out by chance.
        rng: Draws them.

    Raises:
        DataError: A style is not one of the encoder's, or a pitch is not one of its codec's.
    """
    keep = np.zeros(len(phrases), dtype=np.bool_)
    for style in np.unique(phrases.styles):
        own = np.flatnonzero(phrases.styles == style)
        keep[rng.permutation(own)[:most]] = True
    phrases = phrases.select(keep)
    rows = tune_features(phrases.tunes)
    latent = 0
    if encoder is not None and len(phrases):
        z = _latents(phrases, encoder, styles)
        rows, latent = np.concatenate([rows, z], axis=1), z.shape[1]
    return Phrases(phrases, rows, feature_names(latent))


def _latents(phrases: Labelled, encoder: TuneEncoder, styles: Sequence[str]) -> Floats:
    unknown = sorted({*phrases.styles.tolist()} - {*styles, ""})
    if unknown:
        raise DataError(
            f"the encoder has no style {', '.join(unknown)} (it has {', '.join(styles)}); "
            "leave such phrases out with --style"
        )
    names = np.asarray(styles, dtype=np.str_)
    weights = (phrases.styles[:, None] == names).astype(np.float32)  # zeros: in no style
    order = np.argsort([len(tune) for tune in phrases.tunes], kind="stable")
    found: list[Floats] = []
    try:
        for start in range(0, len(order), _CHUNK):
            some = order[start : start + _CHUNK]
            found.append(encoder([phrases.tunes[i] for i in some.tolist()], weights[some]))
    except ValueError as error:
        raise DataError(f"phrases do not fit the encoder: {error}") from error
    z = np.concatenate(found)
    rows = np.empty_like(z)
    rows[order] = z
    return rows


def train_filter(
    style: str,
    method: str,
    train: Phrases,
    judge: Phrases,
    test: Phrases,
    kept: float,
    rng: np.random.Generator,
) -> Filter:
    """Fit one filter, set its threshold and measure it, each on other works.

    Args:
        style: Which phrases to take, or :data:`ALL_STYLES`.
        method: One of :data:`training.families.tunes.classifiers.METHODS`.
        train: To fit on.
        judge: To set the threshold on: the score that a share ``kept`` of the good ones reach.
        test: To measure on.
        kept: 0..1, both excluded.
        rng: Draws rows and folds.

    Raises:
        DataError: A part of the phrases lacks good or bad ones.
    """
    parts = [part.of_style(style) for part in (train, judge, test)]
    for part, name in zip(parts, ("training", "validation", "test"), strict=True):
        good = part.labels.good
        if good.all() or not good.any():
            raise DataError(
                f"the {name} works of style {style} hold {int(good.sum())} good and "
                f"{int((~good).sum())} bad phrases, and a filter needs both"
            )
    own, mid, last = parts
    classifier = fit(method, own.names, own.rows, own.labels.good, own.labels.works, rng)
    threshold = threshold_keeping(classifier.probability(mid.rows), mid.labels.good, kept)
    scores = classifier.probability(last.rows)
    held_out = figures(scores, last.labels.good, last.labels.kinds, YIELDS)
    held_out["kept"] = shares_kept(scores, last.labels.good, last.labels.kinds, threshold)
    held_out["works"] = len(np.unique(last.labels.works))
    held_out["fitted_on"] = {
        "phrases": min(len(own.labels), MOST_ROWS),
        "works": len(np.unique(own.labels.works)),
    }
    return Filter(style, classifier, threshold, held_out)


def across_styles(filters: Sequence[Filter], test: Phrases) -> list[dict[str, Any]]:
    """Let every filter judge every style ([Yamshchikov2020] saw a Bach filter spoil jazz).

    Returns:
        Rows of ``filter``, ``style``, ``auc`` and the shares of good and of bad phrases kept.
    """
    rows = []
    for style in np.unique(test.labels.styles).tolist():
        own = test.of_style(style)
        good = own.labels.good
        for one in filters:
            scores = one.classifier.probability(own.rows)
            told = figures(scores, good, own.labels.kinds, ())
            kept = scores >= one.threshold
            rows.append(
                {
                    "filter": one.style,
                    "style": style,
                    "auc": told["auc"],
                    "good_kept": float(kept[good].mean()) if good.any() else None,
                    "bad_kept": float(kept[~good].mean()) if not good.all() else None,
                }
            )
    return rows


def table_one(
    phrases: Phrases, styles: Sequence[str], rng: np.random.Generator, repeats: int = REPEATS
) -> list[dict[str, Any]]:
    """Return the paper's table 1 in form, a row for each style, method and share of the test.

    Args:
        phrases: Of works that the encoder was not trained on.
        styles: Which, or :data:`ALL_STYLES`; those with too few works are left out.
        rng: Draws splits.
        repeats: Splits of each share; figures are means over them, with standard deviations.
    """
    rows = []
    for style in styles:
        own = phrases.of_style(style)
        for method in METHODS:
            for share in TEST_SHARES:
                found = []
                for _ in range(repeats):
                    try:
                        found.append(_one_split(own, method, share, rng))
                    except DataError:
                        continue  # this split left no good or no bad ones on one side
                if found:
                    rows.append({"style": style, "method": method, "test_share": share,
                                 "splits": len(found), **_means(found)})  # fmt: skip
    return rows


def _one_split(
    own: Phrases, method: str, share: float, rng: np.random.Generator
) -> dict[str, float]:
    """Fit on some works and measure on the rest."""
    chosen = splits_by_work(own.labels.works, share, rng)
    train, test = own.select(~chosen), own.select(chosen)
    good = test.labels.good
    if good.all() or not good.any():
        raise DataError("a test needs good and bad phrases")
    model = fit(method, own.names, train.rows, train.labels.good, train.labels.works, rng,
                TABLE_ROWS)  # fmt: skip
    scores = model.probability(test.rows)
    told = scores >= 0.5
    found = figures(scores, good, test.labels.kinds, YIELDS)
    row = {
        "bad": float(found["bad"]),
        "good": float(found["good"]),
        "good_recall": float(told[good].mean()),
        "good_precision": float(good[told].mean()) if told.any() else float("nan"),
        "base_rate": found["base_rate"],
        "auc": found["auc"],
    }
    for level, value in found["precision_at_yield"].items():
        row[f"precision_at_yield_{level}"] = value
    return row


def _means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    means: dict[str, float] = {}
    for name in found[0]:
        values = [row[name] for row in found]
        means[name] = float(np.mean(values))
        if name not in ("bad", "good", "base_rate"):
            means[f"{name}_sd"] = float(np.std(values))
    return means
