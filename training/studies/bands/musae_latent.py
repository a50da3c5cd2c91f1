"""What must be shown of MusAE's latent space.

Source: [Valenti2020], figures 3 and 5; docs/design/bands.md.

Studies are called as those of :mod:`training.studies.bands.musae`; these ask for the flower.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.editing.figures import metrics
from training.studies import plots
from training.studies.bands.musae_bench import BandBench, BandSongs

PER_PETAL = 256
PER_GENRE, LEAST_WINDOWS = 128, 32
GENRE_SHUFFLES = 2000


def figure3(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Figures of what each petal plays; neighbours against random pairs; the nearest petal."""
    model, rng = bench.model, np.random.default_rng(bench.seed)
    petals = model.flower.petals
    z = model.flower.sample(np.repeat(np.arange(petals), PER_PETAL), rng)
    found = metrics(bench.decode(z), model.codec.beats)
    names = list(found)
    table = np.stack([v.reshape(petals, PER_PETAL).mean(axis=1) for v in found.values()], axis=1)
    whole, spread = table.mean(axis=0), table.std(axis=0)
    relative = (table - whole) / np.where(np.abs(whole) < 1e-9, 1.0, whole)
    standard = (table - whole) / np.where(spread < 1e-9, 1.0, spread)
    own = np.array(sorted(model.petal_of.values()), dtype=np.int64)
    rows: dict[str, Any] = {
        "metrics": names,
        "petals": petals,
        "genres": dict(model.petal_of),
        "relative": relative.round(4).tolist(),
        **_neighbours(standard, rng),
        "with_a_genre": _neighbours(standard[own], rng) if len(own) > 3 else None,
        **_nearest(bench),
    }
    figure, axes = plots.subplots(1, 1, 12.0)
    labels = {petal: name for name, petal in model.petal_of.items()}
    columns = [labels.get(petal, str(petal)) for petal in range(petals)]
    plots.heat(axes[0, 0], np.clip(relative.T, -1, 1), names, columns)
    axes[0, 0].tick_params(axis="y", labelsize=6)
    axes[0, 0].set_title("relative to the mean over all petals, cut at -1 and 1", fontsize=8)
    figure.set_figheight(4.5)
    return plots.save(folder, "musae-figure3", rows, figure)


def _neighbours(standard: NDArray[np.float64], rng: np.random.Generator) -> dict[str, float]:
    """Return the mean distance of neighbours and of random pairs, and how often chance does it."""
    apart = np.linalg.norm(standard[:, None] - standard[None], axis=-1)
    count = len(standard)
    around = np.arange(count)

    def ring(order: NDArray[np.int64]) -> float:
        return float(apart[order, np.roll(order, -1)].mean())

    near = ring(around)
    shuffled = [ring(rng.permutation(count)) for _ in range(GENRE_SHUFFLES)]
    every = apart[np.triu_indices(count, 1)]
    return {
        "neighbours": near,
        "random_pairs": float(every.mean()),
        "neighbours_p": float((np.sum(np.asarray(shuffled) <= near) + 1) / (GENRE_SHUFFLES + 1)),
    }


def _nearest(bench: BandBench) -> dict[str, Any]:
    """Return the share of windows that lie nearest to a petal of their own, and chance."""
    found: dict[str, Any] = {"nearest_chance": 1 / bench.model.flower.count}
    for name, windows in (("held_out", bench.held_out), ("training", bench.training)):
        own = [bench.model.petals(tags) for tags in bench.tags(windows)]
        nearest = bench.model.flower.nearest(bench.encode(windows.states))
        hits = [int(petal) in mine for petal, mine in zip(nearest, own, strict=True)]
        counts = np.bincount([mine[0] for mine in own])
        found[f"nearest_{name}"] = float(np.mean(hits))
        found[f"most_frequent_{name}"] = float(counts.max() / counts.sum())
    return found


def figure5(bench: BandBench, folder: Path) -> dict[str, Any]:
    """Pairs of genres on their two main components, and a line between them.

    The line is fitted to half of the works and asked about the other half, and again the other way
    round. ``best_shuffled`` is the best pair where genres were dealt out anew among the works: the
    best of many pairs is above one half by chance.
    """
    rows, pairs = genre_pairs(bench, np.random.default_rng(bench.seed))
    figure, axes = plots.subplots(2, 2, 4.0)
    for axis, pair in zip(axes.ravel(), [*pairs[:2], *pairs[-2:]], strict=False):
        for marker, (name, points) in zip(".x", pair["points"].items(), strict=True):
            axis.plot(points[:, 0], points[:, 1], marker, markersize=3, label=name)
        axis.set_title(f"a line tells {pair['accuracy']:.2f} of other works apart", fontsize=8)
        axis.legend(fontsize=6)
    return plots.save(folder, "musae-figure5", rows, figure)


def genre_pairs(
    songs: BandSongs, rng: np.random.Generator
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what is to be told of all pairs of genres, and the pairs with their points.

    Pairs of fewer than :data:`LEAST_WINDOWS` windows each are left out; the best comes first.
    """
    windows = songs.training
    tags = [set(some) for some in songs.tags(windows)]
    keys = [songs.bands.pieces[song].work_key for song in windows.song]
    work = np.unique(keys, return_inverse=True)[1]
    z = songs.encode(windows.states)
    names = [g for g in songs.genres if sum(g in mine for mine in tags) >= LEAST_WINDOWS]
    pairs = []
    for one, other in itertools.combinations(names, 2):
        groups = []
        for mine, not_mine in ((one, other), (other, one)):
            chosen = [i for i, t in enumerate(tags) if mine in t and not_mine not in t]
            groups.append(rng.permutation(chosen)[:PER_GENRE].astype(np.int64))
        size = min(map(len, groups))
        if size >= LEAST_WINDOWS:
            pairs.append(_pair((one, other), z, work, [g[:size] for g in groups], rng))
    pairs.sort(key=lambda pair: -pair["accuracy"])
    every = [pair["accuracy"] for pair in pairs]
    rows: dict[str, Any] = {
        "genres": names,
        "chance": 0.5,
        "best": every[0] if every else None,
        "best_shuffled": max((pair["shuffled"] for pair in pairs), default=None),
        "median": float(np.median(every)) if every else None,
        "median_shuffled": float(np.median([p["shuffled"] for p in pairs])) if pairs else None,
        "pairs": [{k: v for k, v in pair.items() if k != "points"} for pair in pairs],
    }
    return rows, pairs


def _pair(
    names: tuple[str, str],
    z: NDArray[np.float32],
    work: NDArray[np.int64],
    groups: list[NDArray[np.int64]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return components of a pair, and a line's accuracy on works that it was not fitted to."""
    chosen = np.concatenate(groups)
    label = np.repeat([-1.0, 1.0], [len(g) for g in groups])
    centred = z[chosen].astype(np.float64) - z[chosen].mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    points = centred @ axes[:2].T
    mine = work[chosen]
    among = np.unique(mine)
    # Half of the works of each genre in either fold.
    fold_of = {int(w): i % 2 for side in groups for i, w in enumerate(np.unique(work[side]))}
    fold = np.array([fold_of[int(w)] for w in mine])
    dealt = dict(zip(among.tolist(), rng.choice([-1.0, 1.0], len(among)), strict=True))
    shuffled = np.array([dealt[int(w)] for w in mine])
    split = len(groups[0])
    return {
        "genres": list(names), "windows": [len(g) for g in groups], "works": len(among),
        "accuracy": _line(points, label, fold), "shuffled": _line(points, shuffled, fold),
        "points": {names[0]: points[:split], names[1]: points[split:]},
    }  # fmt: skip


def _line(
    points: NDArray[np.float64], label: NDArray[np.float64], fold: NDArray[np.int64]
) -> float:
    """Return how well a straight line tells two classes apart in the fold it was not fitted to.

    Both classes count the same, in fitting as in judging.
    """
    design = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    right: dict[float, list[NDArray[np.bool_]]] = {-1.0: [], 1.0: []}
    for part in (0, 1):
        fit, seen = fold != part, fold == part
        if len({*label[fit].tolist()}) < 2:
            continue
        share = np.where(label > 0, (label[fit] > 0).mean(), (label[fit] < 0).mean())
        weight = np.sqrt(1 / share[fit])
        line, *_ = np.linalg.lstsq(design[fit] * weight[:, None], label[fit] * weight, rcond=None)
        for side, found in right.items():
            mine = seen & (label == side)
            found.append(np.sign(design[mine] @ line) == side)
    means = [
        float(np.concatenate(found).mean()) for found in right.values() if sum(map(len, found))
    ]
    return float(np.mean(means)) if len(means) == 2 else 0.5
