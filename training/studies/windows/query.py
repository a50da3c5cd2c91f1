"""What must be shown of the query VAE.

Source: [Dubnov2019], figures 4 to 6; docs/design/query.md, "What must be shown".

Each study takes a :class:`QueryBench` and a folder and writes ``NAME.json`` and ``NAME.png`` into
it. Queries are pieces that the model never saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.windows.bitchannel import allocate, full_bits, transmit
from training.evaluation.bootstrap import RESAMPLES
from training.evaluation.information_rate import (
    RateCurve,
    cosine_distances,
    rate_curve,
    tonnetz,
    tonnetz_distances,
)
from training.families.windows.query import Query
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import bars
from training.studies import plots

BITS: tuple[int | None, ...] = (0, 16, 64, 256, 1024, None)
"""Rates that are compared; None is the full one."""

LEAST_BARS = 8
PIECES = 40
SHOWN_BARS, SHOWN_BITS = 8, (None, 256, 64, 16)
"""Of the rolls."""

FALSE_FALL = 0.01
"""A mean may fall by so much from one rate to the next and still count as not falling: beyond
about 256 bits the channel has nothing left to add, and what remains is the noise of the draw."""


@dataclass
class QueryBench:
    """A model and the pieces it is asked with.

    Attributes:
        model: In evaluation mode.
        scores: Its corpus: training pieces give the channel's statistics, the others the queries.
        seed: Of the channel's noise.
        threshold: Probability above which a cell sounds.
    """

    model: Query
    scores: ScoreSet
    seed: int = 0
    threshold: float = 0.5

    @cached_property
    def channel(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of each latent component over the training bars."""
        cut = bars(self.scores, self.scores.indices("train"), self.model.codec)
        means, within = [], []
        with torch.no_grad():
            for start in range(0, len(cut), 1024):
                cells = torch.from_numpy(cut.cells(slice(start, start + 1024))).float()
                mean, log_variance = self.model.encode(cells)
                means.append(mean.numpy())
                within.append(log_variance.exp().numpy())
        every = np.concatenate(means).astype(np.float64)
        return every.mean(0), every.var(0) + np.concatenate(within).astype(np.float64).mean(0)

    @cached_property
    def queries(self) -> list[NDArray[np.uint8]]:
        """Bars of each held-out piece, ``(bars, steps, pitches, layers)``."""
        indices = [*self.scores.indices("test"), *self.scores.indices("valid")]
        found = []
        for index in indices:
            cut = bars(self.scores, [index], self.model.codec)
            if len(cut) >= LEAST_BARS:
                found.append(cut.cells(slice(None)))
        return found[:PIECES]

    @torch.no_grad()
    def latents(self, query: NDArray[Any], bits: int | None) -> NDArray[np.float64]:
        """Return what the channel lets through of a query's latents, ``(bars, latent)``."""
        mean, variances = self.channel
        z = self.model.encode(torch.from_numpy(query).float())[0].numpy().astype(np.float64)
        rates = allocate(variances, full_bits(len(mean)) if bits is None else bits)
        noise = np.random.default_rng(self.seed).standard_normal(z.shape)
        return np.asarray(transmit(z, rates, mean, variances, noise))

    @torch.no_grad()
    def answer(self, query: NDArray[Any], bits: int | None) -> NDArray[np.bool_]:
        """Return the cells of the answer, ``(bars, steps, pitches, layers)``."""
        z = torch.from_numpy(self.latents(query, bits)).float()
        shown = torch.sigmoid(self.model.decode(z)).numpy()
        return np.asarray(shown.reshape(len(query), *self.model.codec.shape) > self.threshold)


def bar_chroma(cells: NDArray[Any], low: int) -> NDArray[np.float64]:
    """Return how many cells of each pitch class sound in each beat of four, ``(n * 4, 12)``."""
    count, steps, pitches, _ = cells.shape
    held = np.asarray(cells[..., 0], dtype=np.float64).reshape(count * 4, steps // 4, pitches)
    classes = (np.arange(pitches) + low) % 12
    return np.stack([held.sum(1)[:, classes == c].sum(1) for c in range(12)], axis=1)


def onset_f1(query: NDArray[Any], answer: NDArray[Any]) -> float:
    """Return the F1 of the answer's onsets, cell by cell, against the query's."""
    asked, given = np.asarray(query[..., 1], np.bool_), np.asarray(answer[..., 1], np.bool_)
    both = float((asked & given).sum())
    return 2 * both / max(float(asked.sum() + given.sum()), 1.0)


def chroma_similarity(query: NDArray[Any], answer: NDArray[Any], low: int) -> float:
    """Return 1 minus the mean Tonnetz distance, beat by beat where the query sounds."""
    asked, given = bar_chroma(query, low), bar_chroma(answer, low)
    sounding = asked.any(axis=1)
    away = np.linalg.norm(tonnetz(asked) - tonnetz(given), axis=1)
    return float(1.0 - away[sounding].mean()) if sounding.any() else 0.0


def similarity(bench: QueryBench, folder: Path) -> dict[str, Any]:
    """How like the query the answer is, over bits, with intervals over pieces."""
    low = bench.model.codec.low
    rng = np.random.default_rng(bench.seed)
    chroma, onsets, distinct = [], [], []
    for bits in BITS:
        answers = [bench.answer(query, bits) for query in bench.queries]
        pairs = list(zip(bench.queries, answers, strict=True))
        chroma.append([chroma_similarity(q, a, low) for q, a in pairs])
        onsets.append([onset_f1(q, a) for q, a in pairs])
        every = np.concatenate([a.reshape(len(a), -1) for a in answers])
        distinct.append(len(np.unique(np.packbits(every, axis=1), axis=0)))
    rows: dict[str, Any] = {
        "bits": ["full" if bits is None else bits for bits in BITS],
        "full_bits": full_bits(bench.model.config.latent),
        "pieces": len(bench.queries),
        "bars": sum(len(query) for query in bench.queries),
        "distinct_bars": distinct,
        "one_bar_without_bits": distinct[0] == 1,
    }
    figure, axes = plots.subplots(1, 2, 5.0)
    for axis, name, values in (
        (axes[0, 0], "chroma", np.array(chroma)),
        (axes[0, 1], "onset_f1", np.array(onsets)),
    ):
        means = values.mean(axis=1)
        chosen = rng.integers(0, values.shape[1], (RESAMPLES, values.shape[1]))
        spread = values[:, chosen].mean(axis=2)
        interval = np.quantile(spread, (0.025, 0.975), axis=1).T
        rows[name] = {
            "means": means.tolist(),
            "intervals": interval.tolist(),
            "non_decreasing": bool(np.all(np.diff(means) >= -FALSE_FALL)),
            "strictly": bool(np.all(np.diff(means) >= 0)),
        }
        axis.errorbar(range(len(BITS)), means, np.abs(interval.T - means), marker="o", capsize=3)
        axis.set_xticks(range(len(BITS)), [str(b) for b in rows["bits"]])
        axis.set_title(name, fontsize=8)
        axis.set_xlabel("bits a bar")
    return plots.save(folder, "query-similarity", rows, figure)


def figure2(bench: QueryBench, folder: Path) -> dict[str, Any]:
    """A query and its answers as rolls, fewer and fewer bits (paper, figures 2 and 3)."""
    query, low = _piece(bench)[:SHOWN_BARS], bench.model.codec.low
    steps = bench.model.codec.steps
    shown = {"query": np.asarray(query, np.bool_)}
    for bits in SHOWN_BITS:
        shown["full rate" if bits is None else f"{bits} bits"] = bench.answer(query, bits)
    keys = np.flatnonzero(np.any([c[..., 0].any(axis=(0, 1)) for c in shown.values()], axis=0))
    first, last = (int(keys.min()), int(keys.max()) + 1) if len(keys) else (0, 1)
    figure, axes = plots.subplots(len(shown), 1, 9.0)
    rows: dict[str, Any] = {"bars": len(query)}
    for axis, (name, cells) in zip(axes[:, 0], shown.items(), strict=True):
        roll = cells[..., first:last, :].reshape(len(query) * steps, last - first, 2)
        axis.imshow(
            (roll[..., 0] + 1.0 * roll[..., 1]).T, aspect="auto", origin="lower", cmap="magma_r",
            extent=(0, len(query), low + first, low + last), interpolation="nearest",
        )  # fmt: skip
        axis.set_title(f"{name}: held, and struck (dark), pitch over bars", fontsize=8)
        rows[name] = {
            "notes": int(cells[..., 1].sum()),
            "onset_f1": onset_f1(query, cells),
            "chroma": chroma_similarity(query, cells, low),
        }
    return plots.save(folder, "query-figure2", rows, figure)


def _piece(bench: QueryBench) -> NDArray[np.uint8]:
    """Return the held-out piece of the most bars up to 120: figures 4 to 6 are of one piece."""
    return max(bench.queries, key=lambda query: min(len(query), 120))[:120]


def _surface(cells: NDArray[Any], low: int) -> RateCurve:
    return rate_curve(tonnetz_distances(bar_chroma(cells, low)))


def figure4(bench: QueryBench, folder: Path) -> dict[str, Any]:
    """Motifs in the query, in the answer at the full rate, and at 256 bits."""
    low, query = bench.model.codec.low, _piece(bench)
    curves = {
        "query": _surface(query, low),
        "full rate": _surface(bench.answer(query, None), low),
        "256 bits": _surface(bench.answer(query, 256), low),
    }
    figure, axes = plots.subplots(3, 1, 8.0)
    rows: dict[str, Any] = {"beats": 4 * len(query)}
    for axis, (name, curve) in zip(axes[:, 0], curves.items(), strict=True):
        for row, motif in enumerate(curve.motifs[:20]):
            for start, end in motif.spans:
                axis.plot([start, end], [row, row], linewidth=2, color=f"C{row % 10}")
        axis.set_title(f"{name}: motifs over beats", fontsize=8)
        axis.set_xlim(0, 4 * len(query))
        rows[name] = {
            "motifs": len(curve.motifs),
            "longest": max((motif.length for motif in curve.motifs), default=0),
            "threshold": curve.best,
            "rate": curve.total,
        }
    return plots.save(folder, "query-figure4", rows, figure)


def figure5(bench: QueryBench, folder: Path) -> dict[str, Any]:
    """Information rate over thresholds: an interior peak for query, full rate and 256 bits."""
    low, query = bench.model.codec.low, _piece(bench)
    figure, axes = plots.subplots(1, 3, 4.0)
    rows: dict[str, Any] = {}
    sets = {"query": query, "full rate": bench.answer(query, None),
            "256 bits": bench.answer(query, 256)}  # fmt: skip
    for axis, (name, cells) in zip(axes[0], sets.items(), strict=True):
        curve = _surface(cells, low)
        axis.plot(curve.thresholds, curve.rates)
        axis.axvline(curve.best, color="gray", linestyle=":")
        axis.set_title(f"{name}: information rate over θ", fontsize=8)
        rows[name] = {
            "interior_peak": curve.interior,
            "best": curve.best,
            "rate": curve.total,
            "thresholds": curve.thresholds.tolist(),
            "rates": curve.rates.tolist(),
        }
    return plots.save(folder, "query-figure5", rows, figure)


def figure6(bench: QueryBench, folder: Path) -> dict[str, Any]:
    """Information rate of the latents over time, at the full rate and at 256 bits (cosine)."""
    query = _piece(bench)
    figure, axes = plots.subplots(2, 1, 8.0)
    rows: dict[str, Any] = {"bars": len(query)}
    for axis, bits in zip(axes[:, 0], (None, 256), strict=True):
        curve = rate_curve(cosine_distances(bench.latents(query, bits)), least_frames=2)
        name = "full rate" if bits is None else f"{bits} bits"
        axis.bar(np.arange(len(query)), curve.over_time, width=1.0)
        axis.set_title(f"{name}: information rate over bars", fontsize=8)
        rows[name] = {
            "rate": curve.total,
            "best": curve.best,
            "interior_peak": curve.interior,
            "over_time": curve.over_time.tolist(),
        }
    return plots.save(folder, "query-figure6", rows, figure)


QUERY_STUDIES: dict[str, Callable[[QueryBench, Path], dict[str, Any]]] = {
    "similarity": similarity,
    "figure2": figure2,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
}
