"""What must be shown of MusAE (paper 004, table 1, figures 3 to 5; specs 004-musae, "Must show").

Each study takes a :class:`BandBench` and a folder and writes ``musae-NAME.json`` and ``.png`` into
it. Windows to play back are of songs that the model never saw.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streamer.bands import DRUMS, PITCHES, SILENCE, STATES, TRACKS, sounding_pitches
from training.data.bands import BandSet, Windows, cut_windows
from training.models.musae import Musae
from training.models.musae_task import reconstruction as accuracies
from training.studies import plots

PAPER = {
    2: {"drums": 0.999, "melody": 0.991},
    16: {
        "gaussian": {"drums": 0.773, "bass": 0.763, "harmony": 0.710, "strings": 0.802,
                     "mean": 0.762},
        "mixture": {"drums": 0.911, "bass": 0.880, "harmony": 0.797, "strings": 0.825,
                    "mean": 0.853},
    },
}  # fmt: skip
"""Table 1 of the paper: accuracies by bars of a window; of one melody where two bars are played."""

MOST_WINDOWS = 2048
PAIRS, ALPHAS = 256, np.linspace(0, 1, 11)
PER_PETAL = 256
PER_GENRE, LEAST_WINDOWS = 128, 32
FALSE_FALL = 0.002
"""A mean distance may fall by so much from one α to the next and still count as not falling."""

SHUFFLES = 2000
OVERFIT_WINDOWS, OVERFIT_UPDATES, OVERFIT_RATE = 200, 3000, 2e-3


@dataclass
class BandBench:
    """A model and its corpus.

    Attributes:
        model: In evaluation mode.
        bands: Its corpus; test and validation songs are what is played back.
        seed: Of all that is drawn.
        updates: Most updates of the study ``overfit``.
    """

    model: Musae
    bands: BandSet
    seed: int = 0
    updates: int = OVERFIT_UPDATES

    def windows(self, *splits: str) -> Windows:
        """Return windows of some splits, thinned evenly to :data:`MOST_WINDOWS`."""
        indices = [i for split in splits for i in self.bands.indices(split)]
        found = cut_windows(self.bands, indices, self.model.codec)
        thin = np.linspace(0, len(found) - 1, min(len(found), MOST_WINDOWS)).astype(np.int64)
        return replace(found, states=found.states[thin], song=found.song[thin])

    @cached_property
    def held_out(self) -> Windows:
        """Windows of songs that the model never saw; of all songs where there are no others."""
        found = self.windows("valid", "test")
        return found if len(found) else self.windows("train")

    @torch.no_grad()
    def encode(self, states: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the latents' means, ``(n, latent)``."""
        parts = [self.model.encode(torch.from_numpy(part))[0].numpy() for part in _parts(states)]
        return np.concatenate(parts)

    @torch.no_grad()
    def decode(self, z: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the likeliest states, ``(n, steps, 4)``."""
        parts = [self.model.decode(torch.from_numpy(part)).argmax(-1) for part in _parts(z)]
        return torch.cat(parts).numpy().astype(np.uint8)


def _parts(values: NDArray[Any]) -> list[NDArray[Any]]:
    return [values[i : i + 64] for i in range(0, len(values), 64)]


def reconstruction(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Table 1 in form: accuracy beside always holding, onsets, share of the gap closed."""
    rows: dict[str, Any] = {
        "bars": int(bench.model.codec.beats // 4),
        "prior": bench.model.config.prior,
        "hold": bench.model.codec.hold,
    }
    for name, windows in (("held out", bench.held_out), ("training", bench.windows("train"))):
        back = bench.decode(bench.encode(windows.states))
        found = accuracies(windows.states, back == windows.states)
        silent = [float((windows.states[..., t] == SILENCE).mean()) for t in range(len(TRACKS))]
        rows[name] = {
            "windows": len(windows),
            "table": [
                {"track": track, "silence": silence,
                 **{c: found[f"{c}_{track}"] for c in ("accuracy", "hold", "onsets", "gap")}}
                for track, silence in zip(TRACKS, silent, strict=True)
            ],
            **{c: found[c] for c in ("accuracy", "hold", "onsets", "gap")},
        }  # fmt: skip
    rows["paper"] = PAPER.get(rows["bars"], {})
    figure, axes = plots.subplots(1, 2, 5.0)
    for axis, name in zip(axes[0], ("held out", "training"), strict=True):
        for place, column in enumerate(("hold", "accuracy", "onsets", "gap")):
            heights = [row[column] for row in rows[name]["table"]]
            axis.bar(np.arange(len(TRACKS)) + 0.2 * place, heights, width=0.2, label=column)
        axis.set_xticks(np.arange(len(TRACKS)) + 0.3, TRACKS)
        axis.axhline(0.6, color="gray", linestyle=":")
        axis.set_ylim(-0.1, 1.05)
        axis.set_title(f"{name}, {rows['bars']} bars", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    return plots.save(folder, "musae-reconstruction", rows, figure)


def overfit(bench: BandBench, folder: Path) -> dict[str, Any]:
    """A fresh model of this shape, without critic, learns 200 windows by heart."""
    torch.manual_seed(bench.seed)
    model = Musae(bench.model.config, bench.model.codec, bench.model.genres)
    rng = np.random.default_rng(bench.seed)
    every = bench.windows("train").states
    states = every[rng.permutation(len(every))[:OVERFIT_WINDOWS]]
    optimizer = torch.optim.Adam(model.parameters(), lr=OVERFIT_RATE)
    curve: list[list[float]] = []
    for update in range(bench.updates):
        some = torch.from_numpy(states[rng.permutation(len(states))[:50]])
        logits = model.decode(model.encode(some)[0])
        loss = F.cross_entropy(logits.reshape(-1, STATES), some.reshape(-1).long())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (update + 1) % 50 == 0 or update + 1 == bench.updates:
            fresh = BandBench(model, bench.bands)
            found = accuracies(states, fresh.decode(fresh.encode(states)) == states)
            curve.append([update + 1, found["accuracy"], found["onsets"]])
            if found["accuracy"] >= 0.99 and found["onsets"] >= 0.95:
                break
    last = curve[-1]
    rows = {
        "windows": len(states), "updates": last[0], "accuracy": last[1], "onsets": last[2],
        "met": last[1] >= 0.99 and last[2] >= 0.95, "curve": curve,
    }  # fmt: skip
    figure, axes = plots.subplots(1, 1, 5.0)
    for column, name in ((1, "accuracy"), (2, "onsets")):
        axes[0, 0].plot([row[0] for row in curve], [row[column] for row in curve], label=name)
    axes[0, 0].axhline(0.99, color="gray", linestyle=":")
    axes[0, 0].legend(fontsize=6)
    axes[0, 0].set_xlabel("updates")
    return plots.save(folder, "musae-overfit", rows, figure)


def figure4(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Hamming distance from the first of a pair on the way to the second, 256 pairs."""
    rng = np.random.default_rng(bench.seed)
    states = bench.held_out.states
    pairs = rng.integers(0, len(states), (PAIRS, 2))
    first, second = states[pairs[:, 0]], states[pairs[:, 1]]
    z1, z2 = bench.encode(first), bench.encode(second)
    latent, other, data = [], [], []
    for alpha in ALPHAS.tolist():
        between = bench.decode(((1 - alpha) * z1 + alpha * z2).astype(np.float32))
        latent.append(float((between != first).mean()))
        other.append(float((between != second).mean()))
        taken = rng.random(first.shape) < alpha
        data.append(float((np.where(taken, second, first) != first).mean()))
    rows = {
        "pairs": PAIRS,
        "alphas": ALPHAS.tolist(),
        "latent": latent,
        "latent_from_second": other,
        "data": data,
        "monotone": bool(np.all(np.diff(latent) >= -FALSE_FALL)),
        "strictly": bool(np.all(np.diff(latent) >= 0)),
    }
    figure, axes = plots.subplots(1, 1, 5.0)
    for name in ("latent", "latent_from_second", "data"):
        axes[0, 0].plot(ALPHAS, rows[name], marker="o", label=name)
    axes[0, 0].set_xlabel("α")
    axes[0, 0].set_ylabel("Hamming distance")
    axes[0, 0].legend(fontsize=6)
    return plots.save(folder, "musae-figure4", rows, figure)


def metrics(states: NDArray[np.uint8], beats: float) -> dict[str, NDArray[np.float64]]:
    """Return low-level figures of windows by name, one number a window.

    Of each track: notes a beat, mean length of a note in steps, share of silence; of all but the
    drums also mean pitch, and mean step between the pitches of successive notes.
    """
    found: dict[str, NDArray[np.float64]] = {}
    struck = states < PITCHES
    sounding = sounding_pitches(states) < PITCHES
    for track, name in enumerate(TRACKS):
        notes = struck[..., track].sum(1)
        some = np.maximum(notes, 1)
        found[f"{name} notes a beat"] = notes / beats
        found[f"{name} length"] = sounding[..., track].sum(1) / some
        found[f"{name} silence"] = 1.0 - sounding[..., track].mean(1)
        if track == DRUMS:
            continue
        pitches = np.where(struck[..., track], states[..., track], 0).astype(np.float64)
        found[f"{name} pitch"] = pitches.sum(1) / some
        steps = []
        for row, on in zip(states[..., track], struck[..., track], strict=True):
            line = row[on].astype(np.int64)
            steps.append(float(np.abs(np.diff(line)).mean()) if len(line) > 1 else 0.0)
        found[f"{name} step"] = np.asarray(steps)
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def figure3(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Figures of what each petal plays; neighbours against random pairs; the nearest petal."""
    model, rng = bench.model, np.random.default_rng(bench.seed)
    petals = model.flower.petals
    local: list[list[float]] = []
    names: list[str] = []
    for petal in range(petals):
        z = model.flower.sample(np.full(PER_PETAL, petal), rng)
        found = metrics(bench.decode(z), model.codec.beats)
        names = list(found)
        local.append([float(values.mean()) for values in found.values()])
    table = np.asarray(local)
    whole = table.mean(axis=0)
    relative = (table - whole) / np.where(np.abs(whole) < 1e-9, 1.0, whole)
    spread = table.std(axis=0)
    standard = (table - whole) / np.where(spread < 1e-9, 1.0, spread)
    rows: dict[str, Any] = {
        "metrics": names,
        "petals": petals,
        "genres": dict(model.petal_of),
        "relative": relative.round(4).tolist(),
        **_neighbours(standard, rng),
        **_nearest(bench),
    }
    figure, axes = plots.subplots(1, 1, 12.0)
    labels = {petal: name for name, petal in model.petal_of.items()}
    columns = [labels.get(petal, str(petal)) for petal in range(petals)]
    plots.heat(axes[0, 0], np.clip(relative.T, -1, 1), names, columns)
    axes[0, 0].tick_params(axis="y", labelsize=5)
    return plots.save(folder, "musae-figure3", rows, figure)


def _neighbours(standard: NDArray[np.float64], rng: np.random.Generator) -> dict[str, float]:
    """Return the mean distance of neighbours and of random pairs, and how often chance does it."""
    apart = np.linalg.norm(standard[:, None] - standard[None], axis=-1)
    count = len(standard)
    around = np.arange(count)

    def ring(order: NDArray[np.int64]) -> float:
        return float(apart[order, np.roll(order, -1)].mean())

    near = ring(around)
    shuffled = [ring(rng.permutation(count)) for _ in range(SHUFFLES)]
    every = apart[np.triu_indices(count, 1)]
    return {
        "neighbours": near,
        "random_pairs": float(every.mean()),
        "neighbours_p": float((np.sum(np.asarray(shuffled) <= near) + 1) / (SHUFFLES + 1)),
    }


def _nearest(bench: BandBench) -> dict[str, Any]:
    """Return the share of windows that lie nearest to a petal of their own, and chance."""
    found: dict[str, Any] = {"nearest_chance": 1 / bench.model.flower.count}
    for name, windows in (("held_out", bench.held_out), ("training", bench.windows("train"))):
        own = [bench.model.petals(bench.bands.pieces[song].tags) for song in windows.song]
        nearest = bench.model.flower.nearest(bench.encode(windows.states))
        hits = [int(petal) in mine for petal, mine in zip(nearest, own, strict=True)]
        counts = np.bincount([mine[0] for mine in own])
        found[f"nearest_{name}"] = float(np.mean(hits))
        found[f"most_frequent_{name}"] = float(counts.max() / counts.sum())
    return found


def figure5(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Pairs of genres on their two main components, and a line between them."""
    rng = np.random.default_rng(bench.seed)
    windows = bench.windows("train")
    tags = [set(bench.bands.pieces[song].tags) for song in windows.song]
    z = bench.encode(windows.states)
    names = [g for g in bench.model.genres if sum(g in mine for mine in tags) >= LEAST_WINDOWS]
    pairs = []
    for one, other in itertools.combinations(names, 2):
        groups = []
        for mine, not_mine in ((one, other), (other, one)):
            chosen = [i for i, t in enumerate(tags) if mine in t and not_mine not in t]
            groups.append(rng.permutation(chosen)[:PER_GENRE].astype(np.int64))
        if min(map(len, groups)) < LEAST_WINDOWS:
            continue
        pairs.append(_pair(one, other, z, windows.song, groups))
    pairs.sort(key=lambda pair: -pair["accuracy"])
    best = [pair["accuracy"] for pair in pairs]
    rows: dict[str, Any] = {
        "genres": names,
        "chance": 0.5,
        "best": best[0] if best else None,
        "median": float(np.median(best)) if best else None,
        "pairs": [{k: v for k, v in pair.items() if k != "points"} for pair in pairs],
    }
    figure, axes = plots.subplots(2, 2, 4.0)
    for axis, pair in zip(axes.ravel(), [*pairs[:2], *pairs[-2:]], strict=False):
        for marker, (name, points) in zip(".x", pair["points"].items(), strict=True):
            axis.plot(points[:, 0], points[:, 1], marker, markersize=3, label=name)
        axis.set_title(f"linear: {pair['accuracy']:.2f} of held-out songs' windows", fontsize=8)
        axis.legend(fontsize=6)
    return plots.save(folder, "musae-figure5", rows, figure)


def _pair(
    one: str, other: str, z: NDArray[np.float32], song: NDArray[np.int64], groups: list[Any]
) -> dict[str, Any]:
    """Return components of a pair, and a line's accuracy on songs that it was not fitted to."""
    chosen = np.concatenate(groups)
    label = np.repeat([-1.0, 1.0], [len(g) for g in groups])
    centred = z[chosen].astype(np.float64) - z[chosen].mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    points = centred @ axes[:2].T
    design = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    fold = song[chosen] % 2
    right = []
    for part in (0, 1):
        fit, seen = fold != part, fold == part
        if len({*label[fit].tolist()}) < 2 or not seen.any():
            continue
        line, *_ = np.linalg.lstsq(design[fit], label[fit], rcond=None)
        right.append(np.sign(design[seen] @ line) == label[seen])
    accuracy = float(np.concatenate(right).mean()) if right else 0.5
    split = len(groups[0])
    return {
        "genres": [one, other], "windows": [len(g) for g in groups], "accuracy": accuracy,
        "points": {one: points[:split], other: points[split:]},
    }  # fmt: skip


BAND_STUDIES: dict[str, Callable[[BandBench, Path], dict[str, Any]]] = {
    "reconstruction": reconstruction,
    "overfit": overfit,
    "figure4": figure4,
    "figure3": figure3,
    "figure5": figure5,
}
