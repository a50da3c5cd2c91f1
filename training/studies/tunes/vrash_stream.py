"""What must be shown of tunes as they are streamed: the filter, endlessness, the edge.

These work on an exported bundle and play it through the streamer itself, as fast as it goes
(docs/design/tunes.md, "What must be shown"). Real music is the tune file; held-out is its ``test``
split.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bench.process import measure_process
from streamer.bench.speed import measure_speed
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.errors import DataError
from streamer.families.tunes.classifier import ClassifierPanel, classifier_panel
from streamer.families.tunes.spec import ALL_STYLES, classifiers_of
from streamer.pipeline import Source, open_source
from streamer.settings.settings import ModelSettings, Settings
from training.families.tunes.classifiers import figures, shares_kept
from training.families.tunes.filter_fit import YIELDS
from training.families.tunes.surrogates import Labelled, surrogate_phrases
from training.families.tunes.tuneset import TuneSet
from training.studies.plots import histograms, save, subplots
from training.studies.tunes.filter_effect import TUNES_A_STYLE, filter_effect

BAR_AUC, BAR_SHARE, BAR_RATIO = 0.95, 0.02, 10.0
"""Real against spoilt; of a core; the engine over torch beside it (the issue)."""

MINUTES = 30
"""Rendered minutes of which the processor time is taken, one by one."""


@dataclass(frozen=True)
class TuneStage:
    """What these studies work on.

    Attributes:
        bundle: Folder of an exported bundle of tunes.
        tunes: The corpus it was trained on.
        seed: Of the stream and of all sampling.
        hours: Length of ``endless``.
        filters: Report of ``perpetuo train filter --table``, for the paper's table 1; or None.
        count: Tunes a style that ``filter`` lets the bundle write.
        seconds: How long ``edge`` watches the playing process, and compares speeds.
    """

    bundle: Path
    tunes: TuneSet
    seed: int = 0
    hours: float = 24.0
    filters: Path | None = None
    count: int = TUNES_A_STYLE
    seconds: float = 60.0

    def settings(self) -> Settings:
        """Return what ``perpetuo render --model BUNDLE --seed SEED`` plays."""
        return replace(Settings(), model=ModelSettings(model=str(self.bundle), seed=self.seed))

    def source(self) -> Source:
        """Open the stream."""
        return open_source(settings=self.settings())


def judged(stage: TuneStage, folder: Path) -> dict[str, Any]:
    """4. Real against spoilt phrases by the bundle's own filters; what they keep and drop."""
    bundle = load_bundle(stage.bundle)
    classifiers = classifiers_of(bundle.manifest)
    if not classifiers:
        raise DataError(
            f"bundle {bundle.manifest.name} has no filters; add some with perpetuo bundle filter"
        )
    rng = np.random.default_rng(stage.seed)
    panel = classifier_panel(bundle)
    phrases = surrogate_phrases(stage.tunes, ("test",), rng)
    scores, thresholds = _scores(bundle, panel, phrases)
    rows: dict[str, Any] = {
        "labels": sorted({spec.labels for spec in classifiers}),
        "method": {spec.style: spec.method for spec in classifiers},
        "works": len({*phrases.works.tolist()}),
        "styles": {},
    }
    for style in (*sorted({*phrases.styles.tolist()}), ALL_STYLES):
        own = (phrases.styles == style) | (style == ALL_STYLES)
        good, kinds = phrases.good[own], phrases.kinds[own]
        told = figures(scores[own], good, kinds, YIELDS)
        # What is above its own style's threshold.
        told["kept"] = dict(shares_kept(scores[own] - thresholds[own], good, kinds, 0.0))
        rows["styles"][style] = told
    rows["auc_bar"] = BAR_AUC
    rows["auc_met"] = {
        name: bool(min(row["auc_against"].values()) >= BAR_AUC)
        for name, row in rows["styles"].items()
    }
    rows["effect"] = filter_effect(bundle, stage.tunes, rng, stage.count)["styles"]
    if stage.filters is not None:
        rows["table1"] = _table_one(stage.filters)
    figure, axes = subplots(1, len(rows["styles"]), width=2.6)
    for axis, style in zip(axes[0], rows["styles"], strict=True):
        own = (phrases.styles == style) | (style == ALL_STYLES)
        kinds = {k: scores[own & (phrases.kinds == k)] for k in np.unique(phrases.kinds).tolist()}
        histograms(axis, kinds, f"{style}: probability of good")
    return save(folder, "filter", rows, figure)


def _scores(bundle: Bundle, panel: ClassifierPanel, phrases: Labelled) -> tuple[Any, Any]:
    """Return each phrase's probability by the filter of its style, and that filter's threshold."""
    scores, thresholds = np.zeros(len(phrases)), np.zeros(len(phrases))
    names = bundle.manifest.styles
    for style in np.unique(phrases.styles).tolist():
        judge = style if style in panel.specs else ALL_STYLES
        places = np.flatnonzero(phrases.styles == style)
        weights = np.zeros((len(places), len(names)), dtype=np.float32)
        weights[:, names.index(style)] = 1.0
        own = [phrases.tunes[i] for i in places.tolist()]
        scores[places] = panel.probability(judge, own, weights)
        thresholds[places] = panel.specs[judge].threshold
    return scores, thresholds


def _table_one(path: Path) -> list[dict[str, Any]]:
    """Return the rows that ``perpetuo train filter --table`` measured."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text())["table1"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: no report with a table 1; perpetuo train filter --table makes one"
        ) from error
    return rows


def edge(stage: TuneStage, folder: Path) -> dict[str, Any]:
    """5. What a minute of tunes costs, rendered and played; the engine beside torch in one run."""
    source = stage.source()
    source.next_phrase()  # the first loads and warms
    minutes = []
    for _ in range(MINUTES):
        began, start_ms, end_ms = time.process_time(), None, 0.0
        while start_ms is None or end_ms - start_ms < 60_000.0:
            phrase = source.next_phrase()
            start_ms = phrase.start_ms if start_ms is None else start_ms
            end_ms = phrase.end_ms
        minutes.append((time.process_time() - began) * 1000.0 / (end_ms - start_ms))
    speed = measure_speed(stage.bundle, seconds=stage.seconds)
    played = measure_process(stage.settings(), stage.bundle, stage.seconds)
    ms = speed["engine"]["ms_per_note"]["best"]
    torch_ms = {
        name: value for name, value in speed["baselines"].items() if isinstance(value, float)
    }
    rows: dict[str, Any] = {
        "candidates": source.candidates,
        "share_of_a_core_rendering": {
            "median": float(np.median(minutes)),
            "least": float(min(minutes)),
            "most": float(max(minutes)),
            "minutes": len(minutes),
        },
        "share_of_a_core_playing": played["cpu_percent"] / 100.0,
        "playing": played,
        "speed": speed,
        "times_as_fast_as": {name: value / ms for name, value in torch_ms.items()},
        "share_met": bool(played["cpu_percent"] / 100.0 < BAR_SHARE),
        "ratio_met": bool(torch_ms.get("torch_eager_ms_per_note", 0.0) / ms >= BAR_RATIO),
    }
    figure, axes = subplots(1, 2)
    axes[0][0].plot(np.asarray(minutes) * 100.0)
    axes[0][0].axhline(BAR_SHARE * 100.0, color="k", linestyle=":")
    axes[0][0].set_title("processor time of each rendered minute, % of a core", fontsize=8)
    axes[0][1].bar(["engine", *(n.partition("_ms")[0] for n in torch_ms)], [ms, *torch_ms.values()])
    axes[0][1].set_title("ms a note, best turn", fontsize=8)
    return save(folder, "edge", rows, figure)
