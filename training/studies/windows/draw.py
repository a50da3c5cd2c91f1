"""What must be shown of DRAW.

Source: [Sabathe2017], figures 1, 4, 5 and 6; docs/design/draw.md, "What must be shown".

Each study takes a :class:`DrawBench` and a folder and writes ``NAME.json`` and ``NAME.png`` into
it. Everything is measured on rolls of 300 steps, as in the paper: the reference is 100 samples of
the training pieces, held-out samples are of pieces that the model never saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from streamer.families.windows.section import spread
from streamer.measures.signature import SignatureReference, roll_of_matrix, signature
from training.evaluation.figure_one import SAMPLES
from training.evaluation.signature import RANDOM_CELLS, fit_reference
from training.families.windows.draw import Draw
from training.families.windows.judge import CATEGORIES, JUDGED_SECTIONS, SILENT
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import chunks
from training.families.windows.steps import PAIRS, corpus_likeness, following, usual_step
from training.studies import plots

ROLL_STEPS = 300
REFERENCE = 100
OF_ALPHA, OF_STEP = 30, 50
ALPHAS = 200
ANEW = 1.0
"""Step between the sections of a generated piece in the paper: each is drawn by itself."""

PAPER = {"mean": 3.47, "sd": 1.47, "t": 0.81, "p": 0.42}

Rolls = NDArray[np.bool_]


class DrawScores:
    """A corpus as the piece measure sees it.

    Attributes:
        scores: The reference is of its training pieces, held out are the others.
        seed: Of everything that is drawn.
    """

    scores: ScoreSet
    seed: int

    @cached_property
    def reference(self) -> SignatureReference:
        """Of the training pieces."""
        rolls, pieces = samples(self.scores, self.scores.indices("train"))
        chosen = np.random.default_rng(self.seed).permutation(len(rolls))[:REFERENCE]
        vectors = np.stack([signature(roll_of_matrix(rolls[i])) for i in chosen.tolist()])
        return fit_reference(vectors, pieces[chosen], ROLL_STEPS)

    @cached_property
    def held_out(self) -> NDArray[np.float64]:
        """Distances of samples of pieces that the model never saw."""
        indices = [*self.scores.indices("valid"), *self.scores.indices("test")]
        rolls, _ = samples(self.scores, indices)
        return self.distances(rolls[:SAMPLES])

    def distances(self, rolls: Rolls) -> NDArray[np.float64]:
        """Return the distance of each roll; silence is :data:`SILENT` away."""
        out = np.full(len(rolls), SILENT)
        for i in np.flatnonzero(rolls.any(axis=(1, 2))).tolist():
            out[i] = float(self.reference.distance(signature(roll_of_matrix(rolls[i]))))
        return out


@dataclass
class DrawBench(DrawScores):
    """A model and what it is measured against.

    Attributes:
        model: In evaluation mode.
        scores: Its corpus; the reference is of its training pieces, held out are the others.
        other: Another corpus; None leaves it out of figure 1.
        seed: Of everything that is drawn.
        runs: Further architectures by name, for figure 4.
    """

    model: Draw
    scores: ScoreSet
    other: ScoreSet | None = None
    seed: int = 0
    runs: dict[str, Draw] = field(default_factory=dict)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @torch.no_grad()
    def canvases(
        self, count: int, passes: int | None = None, step: float = ANEW
    ) -> NDArray[np.float64]:
        """Return generated pieces ``(count, 300, 128)``, of sections end to end.

        Every section is spread to 0..1 on its own, as the stream does.

        Args:
            count: Pieces.
            passes: Passes that are written; None is all.
            step: Of the path from one section to the next, 0..1.
        """
        codec, config = self.model.codec, self.model.config
        sections = -(-ROLL_STEPS // codec.steps)
        generator = torch.Generator().manual_seed(self.seed)
        shape = (config.passes, count, config.latent)
        z = torch.randn(shape, generator=generator)
        near, far = np.cos(step * np.pi / 2), np.sin(step * np.pi / 2)
        parts = []
        for _ in range(sections):
            parts.append(_spread(torch.sigmoid(self.model.decode(z[:passes])), codec))
            z = near * z + far * torch.randn(shape, generator=generator)
        return np.concatenate(parts, axis=1)[:, :ROLL_STEPS]


def samples(scores: ScoreSet, indices: list[int]) -> tuple[Rolls, NDArray[np.int64]]:
    """Return rolls of 300 steps ``(n, 300, 128)`` and the piece of each; few pieces overlap."""
    codec = RollCodec("roll", 8, ROLL_STEPS)
    found = chunks(scores, indices, codec, least_notes=8)
    if len(found) < 2 * REFERENCE:
        found = chunks(scores, indices, codec, hop_beats=codec.beats / 4, least_notes=8)
    order = np.random.default_rng(0).permutation(len(found))[:SAMPLES]
    return found.cells(order)[..., 0].astype(np.bool_), found.piece[order]


def random_rolls(rng: np.random.Generator, low: int, high: int, count: int) -> Rolls:
    """Return rolls whose cells are drawn at random in a range of pitches (paper, figure 1)."""
    out = np.zeros((count, ROLL_STEPS, 128), dtype=np.bool_)
    width = high - low + 1
    out[:, :, low : high + 1] = rng.random((count, ROLL_STEPS, width)) < RANDOM_CELLS / (
        ROLL_STEPS * width
    )
    return out


def figure1(bench: DrawBench, folder: Path) -> dict[str, Any]:
    """Distances of held-out, other and random music."""
    sets = {"held-out": bench.held_out}
    if bench.other is not None:
        rolls, _ = samples(bench.other, list(range(len(bench.other))))
        sets["other corpus"] = bench.distances(rolls)
    sets["random 20..100"] = bench.distances(random_rolls(bench.rng, 20, 100, 200))
    sets["random 0..127"] = bench.distances(random_rolls(bench.rng, 0, 127, 200))
    medians = {name: float(np.median(values)) for name, values in sets.items()}
    figure, axes = plots.subplots(1, 1, 6.0)
    plots.histograms(
        axes[0, 0],
        {k: np.minimum(v, 40.0) for k, v in sets.items()},
        "distance to the training pieces",
    )
    ordered = list(medians.values()) == sorted(medians.values())
    rows = {
        "medians": medians,
        "counts": {name: len(values) for name, values in sets.items()},
        "ordered": ordered,
        "quantiles_50_90_99": list(bench.reference.quantiles),
    }
    return plots.save(folder, "draw-figure1", rows, figure)


def generated(bench: DrawBench, folder: Path) -> dict[str, Any]:
    """Generated against held-out pieces: mean, deviation and Welch's t (paper, figure 4)."""
    from scipy import stats

    alpha, _ = best_alpha(bench)
    steps = (ANEW, corpus_step(bench, alpha))
    each = {
        step: bench.distances(bench.canvases(JUDGED_SECTIONS, step=step) > alpha) for step in steps
    }
    distances = each[ANEW]
    chance = bench.distances(random_rolls(bench.rng, 20, 100, 100))
    tests = {
        step: stats.ttest_ind(values, bench.held_out, equal_var=False)
        for step, values in each.items()
    }
    figure, axes = plots.subplots(1, 1, 6.0)
    shown = {"generated": distances, "held-out": bench.held_out}
    plots.histograms(axes[0, 0], {k: np.minimum(v, 20.0) for k, v in shown.items()}, "distance")
    rows = {
        "alpha": alpha,
        "generated": summary(distances),
        "held_out": summary(bench.held_out),
        "random_20_100_median": float(np.median(chance)),
        "welch_t": float(tests[ANEW].statistic),
        "p": float(tests[ANEW].pvalue),
        "along_a_path": {
            "step": steps[1],
            **summary(each[steps[1]]),
            "welch_t": float(tests[steps[1]].statistic),
            "p": float(tests[steps[1]].pvalue),
        },
        "held_out_by_split": {
            name: summary(bench.distances(samples(bench.scores, indices)[0]))
            for name in ("valid", "test")
            if (indices := bench.scores.indices(name))
        },
        "paper": PAPER,
        "below_half_of_random": bool(np.median(distances) < 0.5 * np.median(chance)),
    }
    return plots.save(folder, "draw-generated", rows, figure)


def figure4(bench: DrawBench, folder: Path) -> dict[str, Any]:
    """Some architectures beside held-out music, 100 pieces of each (paper, figure 4, table II)."""
    from scipy import stats

    sets, rows = {"held-out": bench.held_out}, dict[str, Any]()
    for name, model in {"model": bench.model, **bench.runs}.items():
        one = DrawBench(model, bench.scores, seed=bench.seed)
        one.reference = bench.reference
        alpha, _ = best_alpha(one)
        sets[name] = one.distances(one.canvases(JUDGED_SECTIONS) > alpha)
        test = stats.ttest_ind(sets[name], bench.held_out, equal_var=False)
        rows[name] = {"alpha": alpha, "welch_t": float(test.statistic), "p": float(test.pvalue),
                      "shape": model.describe()}  # fmt: skip
    quantiles = np.asarray(bench.reference.quantiles)
    for name, values in sets.items():
        counts = np.bincount(np.searchsorted(quantiles, values), minlength=4) / len(values)
        rows.setdefault(name, {})
        rows[name] |= {**summary(values), "categories": dict(
            zip(CATEGORIES, counts.tolist(), strict=True))}  # fmt: skip
    figure, axes = plots.subplots(1, 2, 6.0)
    axes[0, 0].boxplot([np.minimum(v, 40.0) for v in sets.values()])
    axes[0, 0].set_xticks(range(1, len(sets) + 1), list(sets), rotation=20, fontsize=7)
    axes[0, 0].set_ylabel("distance to the training pieces")
    bottom = np.zeros(len(sets))
    for kind in CATEGORIES:
        height = np.array([rows[name]["categories"][kind] for name in sets])
        axes[0, 1].bar(list(sets), height, bottom=bottom, label=kind)
        bottom += height
    axes[0, 1].tick_params(axis="x", rotation=20, labelsize=7)
    axes[0, 1].legend(fontsize=6)
    return plots.save(folder, "draw-figure4", rows, figure)


def figure5(bench: DrawBench, folder: Path) -> dict[str, Any]:
    """Distance and number of notes over 200 thresholds."""
    canvases = bench.canvases(OF_ALPHA)
    grid = np.linspace(0, 1, ALPHAS + 2)[1:-1]
    distances = np.stack([bench.distances(canvases > alpha) for alpha in grid.tolist()])
    cells = [(canvases > alpha).sum(axis=(1, 2)).mean() for alpha in grid.tolist()]
    medians, spreads = np.median(distances, axis=1), distances.std(axis=1)
    best = int(np.argmin(medians))
    figure, axes = plots.subplots(1, 2, 5.0)
    axes[0, 0].plot(grid, medians, label="median")
    axes[0, 0].plot(grid, medians + spreads, ":", color="gray", label="± sd")
    axes[0, 0].plot(grid, medians - spreads, ":", color="gray")
    axes[0, 0].set_ylim(0, 20)
    axes[0, 0].set_xlabel("α")
    axes[0, 0].legend()
    axes[0, 1].semilogy(grid, np.maximum(cells, 0.1))
    axes[0, 1].set_title("filled cells", fontsize=8)
    rows = {
        "best_alpha": float(grid[best]),
        "best_median": float(medians[best]),
        "at_ends": [float(medians[0]), float(medians[-1])],
        "u_shaped": bool(0 < best < ALPHAS - 1 and min(medians[0], medians[-1]) > medians[best]),
        "cells_never_rise": bool(np.all(np.diff(cells) <= 1e-9)),
        "alphas": grid.tolist(),
        "medians": medians.tolist(),
        "sds": spreads.tolist(),
    }
    return plots.save(folder, "draw-figure5", rows, figure)


def figure6(bench: DrawBench, folder: Path) -> dict[str, Any]:
    """Distance over the passes that were written."""
    alpha, _ = best_alpha(bench)
    passes = bench.model.config.passes
    columns = [bench.distances(bench.canvases(OF_STEP, t) > alpha) for t in range(1, passes + 1)]
    means = np.array([column.mean() for column in columns])
    medians = np.array([np.median(column) for column in columns])
    figure, axes = plots.subplots(1, 1, 6.0)
    axes[0, 0].plot(np.arange(1, passes + 1), means, label="mean")
    axes[0, 0].plot(np.arange(1, passes + 1), medians, label="median")
    axes[0, 0].set_xlabel("passes written")
    axes[0, 0].legend()
    rows = {
        "alpha": alpha,
        "best_pass": int(np.argmin(means)) + 1,
        "paper_best_pass": 17,
        "passes": passes,
        "falling": bool(means[-1] < means[0] and medians[-1] < medians[0]),
        "rank_correlation": _rank_correlation(means),
        "means": means.tolist(),
        "medians": medians.tolist(),
    }
    return plots.save(folder, "draw-figure6", rows, figure)


def best_alpha(bench: DrawBench) -> tuple[float, float]:
    """Return the threshold with the least median distance of a few pieces, and that distance.

    The pieces are drawn with another seed than those that are measured.
    """
    other = DrawBench(bench.model, bench.scores, seed=bench.seed + 1)
    other.reference = bench.reference
    canvases = other.canvases(OF_ALPHA)
    grid = np.linspace(0.02, 0.9, 45).tolist()
    medians = [float(np.median(bench.distances(canvases > alpha))) for alpha in grid]
    return grid[int(np.argmin(medians))], min(medians)


@torch.no_grad()
def corpus_step(bench: DrawBench, alpha: float) -> float:
    """Return the step at which consecutive sections are as alike as the corpus's."""
    codec, config = bench.model.codec, bench.model.config
    real = following(bench.scores, bench.scores.indices("train"), codec, codec.steps)

    def redraw(step: float, rng: np.random.Generator) -> tuple[Rolls, Rolls]:
        here, other = rng.standard_normal((2, config.passes, PAIRS, config.latent))
        there = np.cos(step * np.pi / 2) * here + np.sin(step * np.pi / 2) * other
        before, after = (
            _spread(torch.sigmoid(bench.model.decode(torch.from_numpy(z).float())), codec) > alpha
            for z in (here, there)
        )
        return before, after

    return usual_step(redraw, corpus_likeness(real), 0)


def _spread(shown: torch.Tensor, codec: RollCodec) -> NDArray[np.float64]:
    values = shown.numpy().astype(np.float64).reshape(-1, codec.steps, codec.pitches)
    out = np.zeros((len(values), codec.steps, 128))
    for row, one in zip(out, values, strict=True):
        row[:, codec.low : codec.high + 1] = spread(one)
    return out


def summary(values: NDArray[np.float64]) -> dict[str, float]:
    """Return what is told of distances."""
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        "median": float(np.median(values)),
        "count": len(values),
    }


def _rank_correlation(values: NDArray[np.float64]) -> float:
    ranks = np.argsort(np.argsort(values)).astype(np.float64)
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


DRAW_STUDIES: dict[str, Callable[[DrawBench, Path], dict[str, Any]]] = {
    "figure1": figure1,
    "generated": generated,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
}
