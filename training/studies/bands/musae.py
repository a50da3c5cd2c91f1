"""What must be shown of MusAE's reconstruction and interpolation.

Source: [Valenti2020], table 1 and figure 4.

Each study takes a :class:`BandBench` and a folder and writes ``musae-NAME.json`` and ``.png`` into
it. Windows to play back are of songs that the model never saw (docs/design/bands.md, "What must be
shown").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streamer.families.bands.codec import PITCHES, SILENCE, STATES, TRACKS
from streamer.families.bands.editing.walk import WALKS, walk
from training.corpora.splits import HELD_OUT
from training.families.bands.model import Musae
from training.families.bands.task import reconstruction as accuracies
from training.run.loop import flushed_denormals
from training.studies import plots
from training.studies.bands.musae_bench import BandBench

PAPER: dict[int, dict[str, Any]] = {
    2: {"drums": 0.999, "melody": 0.991},
    16: {
        "normal": {"drums": 0.773, "bass": 0.763, "harmony": 0.710, "strings": 0.802,
                   "mean": 0.762},
        "flower": {"drums": 0.911, "bass": 0.880, "harmony": 0.797, "strings": 0.825,
                   "mean": 0.853},
    },
}  # fmt: skip
"""Table 1 of the paper: accuracies by bars of a window and prior; of one melody where two bars are
played, whose prior was the normal."""

GAP_WANTED = 0.6
"""Share of what always holding leaves that two bars must win back (docs/design/bands.md)."""

BLENDED_PAIRS, BLENDS = 256, np.linspace(0, 1, 11)
FALSE_FALL_OF_BAND = 0.002
"""A mean distance may fall by so much from one α to the next and still count as not falling."""

RISE_WANTED = 0.5
"""Share of the distance between two windows that must lie on the way between their latents: where
latents say nothing the curve is flat, and a flat one never falls."""

OVERFIT_WINDOWS, OVERFIT_RATE, OVERFIT_HIDDEN = 200, 2e-3, 256
"""The rate falls with the width beyond this many units, as wide networks want it."""

COLUMNS = ("hold", "accuracy", "onsets", "gap")

Rows = dict[str, Any]


def reconstruction(bench: BandBench, folder: Path) -> Rows:
    """Table 1 in form: accuracy beside always holding, onsets, share of the gap closed."""
    rows = _played_back(bench)
    figure, axes = plots.subplots(1, 2, 5.0)
    for axis, name in zip(axes[0], ("held out", "training"), strict=True):
        for place, column in enumerate(COLUMNS):
            heights = [row[column] for row in rows[name]["table"]]
            axis.bar(np.arange(len(TRACKS)) + 0.2 * place, heights, width=0.2, label=column)
        axis.set_xticks(np.arange(len(TRACKS)) + 0.3, TRACKS)
        axis.axhline(GAP_WANTED, color="gray", linestyle=":")
        axis.set_ylim(-0.1, 1.05)
        axis.set_title(f"{name}, {rows['bars']} bars, prior {rows['prior']}", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    return plots.save(folder, "musae-reconstruction", rows, figure)


def _played_back(bench: BandBench) -> Rows:
    """Return the figures of table 1, of held-out and of training windows."""
    model = bench.model
    rows: Rows = {
        "name": bench.name,
        "bars": bench.bars,
        "prior": model.config.prior,
        "hold": model.codec.hold,
        "hidden": model.config.hidden,
        "latent": model.config.latent,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    for name, windows in (("held out", bench.held_out), ("training", bench.training)):
        right = bench.decode(bench.encode(windows.states)) == windows.states
        rows[name] = _table(windows.states, right)
        if name == "held out":
            split_of = np.array([bench.bands.pieces[song].split for song in windows.song])
            for split in HELD_OUT:
                mine = split_of == split
                if mine.any():
                    rows[split] = _table(windows.states[mine], right[mine])
    if bench.bars == 2:
        rows["met"] = rows["held out"]["gap"] >= GAP_WANTED
    rows["paper"] = PAPER.get(bench.bars, {})
    return rows


def _table(states: NDArray[np.uint8], right: NDArray[np.bool_]) -> Rows:
    """Return accuracies by track and over all."""
    found = accuracies(states, right)
    silent = (states == SILENCE).mean(axis=(0, 1)).tolist()
    table = [
        {"track": track, "silence": silence, **{c: found[f"{c}_{track}"] for c in COLUMNS}}
        for track, silence in zip(TRACKS, silent, strict=True)
    ]
    return {"windows": len(states), "table": table, **{c: found[c] for c in COLUMNS}}


def compare(bench: BandBench, folder: Path) -> Rows:
    """Table 1 over several runs: two and sixteen bars, both priors; and their figure 4."""
    runs = []
    for one in (bench, *bench.runs):
        kept = ("accuracy", "hold", "onsets", "gap", "table", "windows")
        played = _played_back(one)
        own = {k: v for k, v in played.items() if not isinstance(v, dict)}
        parts = {name: {k: played[name][k] for k in kept} for name in ("held out", "training")}
        runs.append({**own, **parts, "figure4": _between(one, ("linear",))["linear"]})
    rows: Rows = {"alphas": BLENDS.tolist(), "paper": {str(k): v for k, v in PAPER.items()}}
    for bars in sorted({run["bars"] for run in runs}):
        best = {
            prior: max(run["held out"]["accuracy"] for run in runs
                       if (run["bars"], run["prior"]) == (bars, prior))
            for prior in ("normal", "flower")
            if any((run["bars"], run["prior"]) == (bars, prior) for run in runs)
        }  # fmt: skip
        rows[f"best_of_{bars}_bars"] = best
        if len(best) == 2:
            rows[f"mixture_not_below_normal_{bars}_bars"] = best["flower"] >= best["normal"]
    rows["runs"] = runs
    figure, axes = plots.subplots(1, 2, 6.0)
    width = 0.8 / len(runs)
    for place, run in enumerate(runs):
        label = f"{run['name']}: {run['bars']} bars, {run['prior']}"
        heights = [row["gap"] for row in run["held out"]["table"]]
        axes[0, 0].bar(np.arange(len(TRACKS)) + width * place, heights, width=width, label=label)
        axes[0, 1].plot(BLENDS, run["figure4"]["from_first"], marker=".", label=label)
    axes[0, 1].plot(BLENDS, runs[0]["figure4"]["data"], "k:", label="data space, first run")
    axes[0, 0].set_xticks(np.arange(len(TRACKS)) + 0.4 - width / 2, TRACKS)
    axes[0, 0].set_title("share of the gap above always holding, held out", fontsize=8)
    axes[0, 1].set_title("Hamming distance from the first window over α", fontsize=8)
    for axis in axes[0]:
        axis.legend(fontsize=6)
    return plots.save(folder, "musae-compare", rows, figure)


def overfit(bench: BandBench, folder: Path) -> Rows:
    """A fresh model of this shape, without critic, learns 200 windows by heart."""
    torch.manual_seed(bench.seed)
    device = bench.model.device
    model = Musae(bench.model.config, bench.model.codec, bench.model.genres).to(device)
    rng = np.random.default_rng(bench.seed)
    every = bench.training.states
    states = every[rng.permutation(len(every))[:OVERFIT_WINDOWS]]
    rate = OVERFIT_RATE * min(1.0, OVERFIT_HIDDEN / model.config.hidden)
    with flushed_denormals():
        curve = _learn_by_heart(model, bench, states, rate, rng)
    last = curve[-1]
    rows = {
        "windows": len(states), "bars": bench.bars, "hidden": model.config.hidden, "rate": rate,
        "updates": last[0], "accuracy": last[1], "onsets": last[2],
        "met": last[1] >= 0.99 and last[2] >= 0.95,
        "of_curve": ["updates", "accuracy", "onsets", "nats a state"], "curve": curve,
    }  # fmt: skip
    figure, axes = plots.subplots(1, 1, 5.0)
    for column, name in ((1, "accuracy"), (2, "onsets")):
        axes[0, 0].plot([row[0] for row in curve], [row[column] for row in curve], label=name)
    axes[0, 0].axhline(0.99, color="gray", linestyle=":")
    axes[0, 0].legend(fontsize=6)
    axes[0, 0].set_xlabel("updates")
    return plots.save(folder, "musae-overfit", rows, figure)


def _learn_by_heart(
    model: Musae, bench: BandBench, states: NDArray[np.uint8], rate: float, rng: np.random.Generator
) -> list[list[float]]:
    """Train until the windows are known or the updates are over; begun as training begins.

    Returns:
        Every 50 updates: their number, accuracy, that of onsets, nats a state.
    """
    shown = torch.from_numpy(states).to(model.device)
    model.spread(shown)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    fresh = BandBench(model, bench.bands)
    curve: list[list[float]] = []
    for update in range(bench.updates):
        some = shown[torch.from_numpy(rng.permutation(len(states))[:50]).to(model.device)]
        logits = model.train().decode(model.encode(some)[0])
        loss = F.cross_entropy(logits.reshape(-1, STATES), some.reshape(-1).long())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (update + 1) % 50 == 0 or update + 1 == bench.updates:
            model.eval()
            found = accuracies(states, fresh.decode(fresh.encode(states)) == states)
            curve.append([update + 1, found["accuracy"], found["onsets"], float(loss.detach())])
            if found["accuracy"] >= 0.99 and found["onsets"] >= 0.95:
                break
    return curve


def figure4(bench: BandBench, folder: Path) -> Rows:
    """Hamming distance from the first of a pair on the way to the second, 256 pairs.

    Beside the straight line of the paper the other ways that
    :mod:`streamer.families.bands.editing.walk` knows, with
    what is heard on them: how unsure the decoders are, and how many notes they play.
    """
    ways = _between(bench, WALKS)
    straight = ways["linear"]
    rows: Rows = {
        "pairs": BLENDED_PAIRS,
        "alphas": BLENDS.tolist(),
        "latent": straight["from_first"],
        "latent_from_second": straight["from_second"],
        "data": straight["data"],
        "monotone": straight["monotone"],
        "strictly": bool(np.all(np.diff(straight["from_first"]) >= 0)),
        "rise": straight["rise"],
        "met": straight["monotone"] and straight["rise"] >= RISE_WANTED,
        "ways": ways,
    }
    figure, axes = plots.subplots(1, 3, 4.5)
    for name in ("latent", "latent_from_second", "data"):
        axes[0, 0].plot(BLENDS, rows[name], marker="o", label=name)
    axes[0, 0].set_ylabel("Hamming distance")
    for name, way in ways.items():
        axes[0, 1].plot(BLENDS, way["nats"], marker=".", label=name)
        axes[0, 2].plot(BLENDS, way["notes_a_beat"], marker=".", label=name)
    axes[0, 1].set_title("how unsure, nats a state", fontsize=8)
    axes[0, 2].set_title("notes a beat, all tracks", fontsize=8)
    for axis in axes[0]:
        axis.legend(fontsize=6)
        axis.set_xlabel("α")
    return plots.save(folder, "musae-figure4", rows, figure)


def _between(bench: BandBench, kinds: tuple[str, ...]) -> dict[str, Rows]:
    """Return what is met on each kind of way between the same pairs of held-out windows."""
    rng = np.random.default_rng(bench.seed)
    states = bench.held_out.states
    pairs = rng.integers(0, len(states), (BLENDED_PAIRS, 2))
    first, second = states[pairs[:, 0]], states[pairs[:, 1]]
    z1, z2 = bench.encode(first), bench.encode(second)
    data = []
    for alpha in BLENDS.tolist():
        taken = rng.random(first.shape) < alpha
        data.append(float((np.where(taken, second, first) != first).mean()))
    found: dict[str, Rows] = {}
    for kind in kinds:
        row: Rows = {"from_first": [], "from_second": [], "nats": [], "notes_a_beat": []}
        for alpha in BLENDS.tolist():
            between, unsure = bench.play(walk(z1, z2, alpha, kind))
            row["from_first"].append(float((between != first).mean()))
            row["from_second"].append(float((between != second).mean()))
            row["nats"].append(float(unsure.mean()))
            notes = (between < PITCHES).sum(axis=(1, 2)) / bench.model.codec.beats
            row["notes_a_beat"].append(float(notes.mean()))
        row["monotone"] = bool(np.all(np.diff(row["from_first"]) >= -FALSE_FALL_OF_BAND))
        row["rise"] = (row["from_first"][-1] - row["from_first"][0]) / max(data[-1], 1e-9)
        found[kind] = {**row, "data": data}
    return found
