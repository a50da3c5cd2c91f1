"""Figure 6 of [Yamshchikov2020]: how far back do real, filtered and unfiltered tunes remember?

Mutual information between notes at a distance, estimated after [Grassberger2003], beside what
shuffled pairs give. All tunes are moved to a key by chance, as in training, so that no corpus gains
by its favourite keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.engine.session import Runtime
from streamer.families.tunes.codec import END, TuneArray, to_tune
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.source import tune_generator
from streamer.selection.judging import judges_for
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from training.corpora.splits import SPLITS
from training.evaluation.mutual_information import (
    LEAST_PAIRS,
    InformationCurve,
    information_curve,
)
from training.families.tunes.generated import generated_tunes
from training.families.tunes.nats import latents
from training.families.tunes.tuneset import TRANSPOSITIONS, TuneSet, transposed
from training.studies.plots import save, subplots
from training.studies.tunes.vrash import TuneBench, long_tunes

STYLES = ("bach", "jazz")
"""Of the paper's figure; a corpus without them shows its own first two."""

LONG_NOTES = 512
"""Notes of a drawn tune: two thirds of its pairs are still there at distance 256."""

NEAR, FAR = 16, 64
"""Distances over which vrash is to remember no less than lm, notes."""

SHOWN = ("pitch", "length")


def information(
    bench: TuneBench, folder: Path, notes: int = LONG_NOTES, least_pairs: int = LEAST_PAIRS
) -> dict[str, Any]:
    """3. Mutual information over distance 1..256 ([Yamshchikov2020], figure 6).

    Args:
        bench: Its runs are drawn from unfiltered; its bundle, where there is one, both unfiltered
            and filtered.
        folder: Where the two files go.
        notes: Of each tune that is drawn.
        least_pairs: Distances with fewer pairs are left out.
    """
    rng = np.random.default_rng(bench.seed)
    styles = [name for name in STYLES if name in bench.tunes.styles] or bench.tunes.styles[:2]
    music = {f"real {style}": _real(bench.tunes, style, rng) for style in styles}
    seeds: dict[str, list[str]] = {}
    for number, model in enumerate(bench.runs):
        if model.family == "vae":
            continue
        for style in styles:
            name = f"{model.family} {style} run {number}"
            known = latents(model, bench.tunes, bench.tunes.indices("train", style))
            drawn = long_tunes(model, known, style, bench.drawn, notes, bench.seed + number)
            music[name] = [bench.tunes.codec.decode(classes) for classes in drawn]
            seeds.setdefault(f"{model.family} {style}", []).append(name)
    if bench.bundle is not None:
        for style in styles:
            music |= _of_bundle(bench.bundle, style, bench.drawn // 2, notes, bench.seed)
    curves = {
        name: {what: _curve(tunes, what, rng, least_pairs) for what in SHOWN}
        for name, tunes in music.items()
    }
    rows: dict[str, Any] = {
        "what": "bits between notes at a distance, Grassberger 2003; null band of shuffled pairs",
        "drawn": {"tunes": bench.drawn, "tunes_of_bundle": bench.drawn // 2, "notes": notes},
        "notes": {name: int(sum(map(len, tunes))) for name, tunes in music.items()},
        f"mean_bits_{NEAR}_to_{FAR}": {
            name: {what: curve.mean_between(NEAR, FAR) for what, curve in own.items()}
            for name, own in curves.items()
        },
        "vrash_against_lm": _against(curves, seeds, styles),
        "curves": {n: {w: c.to_dict() for w, c in own.items()} for n, own in curves.items()},
    }
    figure, axes = subplots(len(SHOWN), len(styles), width=5.0)
    for row, what in enumerate(SHOWN):
        for column, style in enumerate(styles):
            own = {n: c[what] for n, c in curves.items() if style in n.split()}
            _draw(axes[row][column], own, f"{style}: {what}")
    return save(folder, "information", rows, figure)


def _real(tunes: TuneSet, style: str, rng: np.random.Generator) -> list[TuneArray]:
    """Return all tracks of a style, each in a key by chance."""
    found = []
    for i in (i for split in SPLITS for i in tunes.indices(split, style)):
        tune = tunes.tune(i)
        moved = transposed(tune["pitch"], int(rng.choice(list(TRANSPOSITIONS))))
        found.append(to_tune(moved, tune["length"]))
    return found


def _of_bundle(
    path: Path, style: str, count: int, notes: int, seed: int
) -> dict[str, list[TuneArray]]:
    """Return what a bundle writes unfiltered and filtered.

    "Filtered" has candidates, rules, trained filters and ranking, and none of what the stream adds
    to the model: phrases that return, notes of the key put forward, a latent that wanders.
    """
    bundle = load_bundle(path)
    rng = np.random.default_rng(seed)
    written = generated_tunes(bundle, style, count, rng, notes=notes)
    found = {f"bundle {style} unfiltered": written}
    settings = replace(
        Settings(),
        model=ModelSettings(model=str(path), seed=seed, style=style),
        stages={
            "tunes": TuneSettings(
                least_notes=notes - 32, most_notes=notes, walk=0.0, tonality=0.0, keys="free"
            )
        },
    )
    generator = tune_generator(
        bundle, settings, LiveControls(Controls(recall=0.0)),
        np.random.Generator(np.random.SFC64(seed)), judges_for(bundle, settings),
        Runtime(),
    )  # fmt: skip
    written = []
    for _ in range(count):
        parts: list[TuneArray] = []
        while not parts or parts[-1]["length"][-1] != END:
            generator.next_phrase()
            parts.append(generator.last_tune)
        written.append(np.concatenate(parts))
    found[f"bundle {style} filtered"] = written
    return found


def _curve(
    tunes: Sequence[TuneArray], what: str, rng: np.random.Generator, least_pairs: int
) -> InformationCurve:
    """Return the curve of one column; the closing note's length is none."""
    values = [tune["pitch"] if what == "pitch" else tune["length"][:-1] for tune in tunes]
    kinds, coded = np.unique(np.concatenate(values), return_inverse=True)
    parts = np.split(coded.astype(np.int64), np.cumsum([len(v) for v in values])[:-1])
    return information_curve(parts, len(kinds), rng, least_pairs=least_pairs)


def _against(
    curves: Mapping[str, Mapping[str, InformationCurve]],
    seeds: Mapping[str, Sequence[str]],
    styles: Sequence[str],
) -> dict[str, Any]:
    """Compare the means at :data:`NEAR` to :data:`FAR` of vrash and lm, over seeds and styles."""
    found: dict[str, Any] = {}
    for what in SHOWN:
        means: dict[str, NDArray[np.float64]] = {}
        for family in ("lm", "vrash"):
            rows = [
                [curves[n][what].mean_between(NEAR, FAR) for n in seeds.get(f"{family} {s}", [])]
                for s in styles
            ]
            means[family] = np.asarray(rows, dtype=np.float64)
        if min(m.size for m in means.values()) == 0:
            continue
        by_style = {
            style: {family: m[k].tolist() for family, m in means.items()}
            for k, style in enumerate(styles)
        }
        lm, vrash = float(means["lm"].mean()), float(means["vrash"].mean())
        found[what] = {
            "lm": lm, "vrash": vrash, "no_less": bool(vrash >= lm), "by_style_and_run": by_style,
        }  # fmt: skip
    return found


def _draw(axis: Any, curves: Mapping[str, InformationCurve], title: str) -> None:
    colours = {"real": "k", "vrash": "tab:blue", "lm": "tab:orange"}
    others = {"unfiltered": "tab:green", "filtered": "tab:red"}
    told: set[str] = set()
    for name, curve in curves.items():
        first, last = name.split()[0], name.split()[-1]
        colour = colours.get(first) or others.get(last)
        label = first if first in colours else f"bundle, {last}"
        axis.plot(
            curve.distances, np.maximum(curve.bits, 1e-4), color=colour, linewidth=1.0,
            label=None if label in told else label,
        )  # fmt: skip
        if first == "real":
            axis.fill_between(
                curve.distances, 1e-4, np.maximum(curve.null_high, 1e-4), color="k", alpha=0.15
            )
        told.add(label)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_title(f"{title}, bits over distance in notes", fontsize=8)
    axis.legend(fontsize=6)
