"""What must be shown of VRASH and its baselines (docs/design/tunes.md, "What must be shown").

Each study takes a :class:`TuneBench` and a folder, writes ``<name>.json`` and ``<name>.png`` there
and returns what it wrote. Held-out means the ``test`` split of the tune file: compositions that
neither training nor early stopping has seen. The third, figure 6, is in vrash_information.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.tunes.codec import TUNE_ARGUMENTS
from training.families.tunes.latent import (
    ASPECTS,
    ModelWriter,
    TuneWriter,
    latent_use,
    monotone,
    steering,
    style_accuracy,
    styles_apart,
)
from training.families.tunes.model import VARIANTS, Vrash, VrashConfig
from training.families.tunes.nats import divergence, evaluate_tunes, importance_nats, latents
from training.families.tunes.tuneset import TuneSet
from training.studies.plots import save, subplots
from training.studies.tunes.vrash_player import BundlePlayer

IMPORTANCE_SAMPLES = 64
"""Latents a track of the importance-weighted bound."""

WITHIN = 0.03
"""So near are lm and vrash to be (docs/design/tunes.md)."""

BLEND_STEPS = 5
STEERED = ("pitch_class", "interval")
"""Aspects that the issue asks to follow the style control; lengths are shown beside them."""

ACTIVE_NATS = 0.1
"""A dimension of z that holds more on average is in use."""

GIVEN = (
    "total: with z drawn once from q(z | whole track), cross-entropy plus KL, the evidence lower "
    f"bound with its sign turned; importance: {IMPORTANCE_SAMPLES} draws a track weighted (Burda "
    "2016), nearer to the likelihood; cross_entropy: given the drawn z, no likelihood. lm has no "
    "z: its figures are exact."
)


@dataclass(frozen=True)
class TuneBench:
    """What the studies work on.

    Attributes:
        model: The vrash that is looked at, in evaluation mode.
        tunes: The corpus it was trained on.
        runs: Models of lm, vae and vrash, of equal size, trained alike on the same corpus.
        bundle: Folder of the exported bundle, for what is selected; None leaves that out.
        seed: Of all sampling.
        samples: Latents a track of the importance-weighted bound.
        drawn: Tunes that are drawn for each curve; for each stop of the style control four times as
            many.
    """

    model: Vrash
    tunes: TuneSet
    runs: tuple[Vrash, ...] = ()
    bundle: Path | None = None
    seed: int = 0
    samples: int = IMPORTANCE_SAMPLES
    drawn: int = 96


def likelihood(bench: TuneBench, folder: Path) -> dict[str, Any]:
    """1. Held-out nats a note: random, vae, lm, vrash ([Yamshchikov2020], figure 4).

    What stands in the folder already of the same weights, tracks and samples is taken over: runs
    end one after the other, and each takes minutes.
    """
    held = bench.tunes.indices("test")
    known = _known(folder / "likelihood.json")
    rows: dict[str, Any] = {
        "held_out": {
            "tracks": len(held),
            "works": len({bench.tunes.tracks[i].work_key for i in held}),
            "notes": int(np.diff(bench.tunes.offsets)[held].sum()),
        },
        "given": GIVEN,
        **_random(bench),
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for model in bench.runs:
        found.setdefault(model.family, []).append(_nats(model, bench, known))
    rows |= {name: _over_seeds(found[name]) for name in VARIANTS if name in found}
    if "lm" in rows and "vrash" in rows:
        rows["order"] = _order(rows)
    rows["bundle_model"] = _nats(bench.model, bench, known)
    figure, axes = subplots(1, 1, width=6)
    _stack(axes[0][0], rows)
    return save(folder, "likelihood", rows, figure)


def _known(path: Path) -> dict[str, dict[str, Any]]:
    """Return what an earlier run measured, by its mark; nothing where it left nothing."""
    try:
        rows = json.loads(path.read_text())
        seeds = [one for name in VARIANTS for one in rows.get(name, {}).get("seeds", [])]
        return {one["mark"]: one for one in (*seeds, rows["bundle_model"])}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


def _mark(model: Vrash, bench: TuneBench) -> str:
    """Tell weights, held-out notes and options from all others."""
    text = hashlib.sha256(f"{bench.seed} {bench.samples} {bench.tunes.codec.fingerprint}".encode())
    for i in bench.tunes.indices("test"):
        text.update(bench.tunes.tune(i).tobytes())
    for name, value in model.state_dict().items():
        text.update(name.encode() + value.numpy().tobytes())
    return text.hexdigest()[:16]


def _nats(model: Vrash, bench: TuneBench, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one model's figures over the held-out tracks, and their total by style."""
    tunes, mark = bench.tunes, _mark(model, bench)
    if mark in known:
        return known[mark]
    sums: dict[str, float] = {}
    by_style, notes, tracks = {}, 0.0, 0
    for style in tunes.styles:
        held = tunes.indices("test", style)
        if not held:
            continue
        own = evaluate_tunes(model, tunes, held, seed=bench.seed)
        by_style[style] = own["total"]
        for name in (*TUNE_ARGUMENTS, "kl", "total", "cross_entropy"):
            sums[name] = sums.get(name, 0.0) + own.get(name, 0.0) * own["notes"]
        sums["kl_nats"] = sums.get("kl_nats", 0.0) + own["kl_nats"] * len(held)
        notes, tracks = notes + own["notes"], tracks + len(held)
    found: dict[str, Any] = {k: v / (tracks if k == "kl_nats" else notes) for k, v in sums.items()}
    found["importance"] = found["total"]
    if model.uses_latent:
        held = tunes.indices("test")
        found["importance"] = importance_nats(
            model, tunes, held, samples=bench.samples, seed=bench.seed
        )
        other = evaluate_tunes(model, tunes, held, seed=bench.seed, shuffle=True)
        found["cost_of_shuffling"] = other["cross_entropy"] - found["cross_entropy"]
    found["mark"] = mark
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["total_by_style"] = by_style
    return found


def _random(bench: TuneBench) -> dict[str, Any]:
    """Return what chance gives: uniform, by frequency in the style, and an untrained network."""
    tunes = bench.tunes
    sizes = tunes.codec.sizes
    uniform = dict(zip(TUNE_ARGUMENTS, np.log(sizes).tolist(), strict=True))
    nats, notes = np.zeros(len(sizes)), 0
    for style in tunes.styles:
        parts = [
            np.concatenate([tunes.codec.encode(tunes.tune(i)) for i in indices])
            for indices in (tunes.indices("train", style), tunes.indices("test", style))
            if indices
        ]
        if len(parts) < 2:
            continue
        seen, held = parts
        for m, size in enumerate(sizes):
            count = np.bincount(seen[:, m], minlength=size) + 1.0
            nats[m] -= np.log(count / count.sum())[held[:, m]].sum()
        notes += len(held)
    unigram = dict(zip(TUNE_ARGUMENTS, (nats / max(notes, 1)).tolist(), strict=True))
    told = bench.model.describe()
    styles = told.pop("styles")
    torch.manual_seed(bench.seed)
    fresh = Vrash(VrashConfig(**{**told, "family": "lm"}), tunes.codec, styles).eval()
    blank = evaluate_tunes(fresh, tunes, tunes.indices("test"))
    return {
        "uniform": {**uniform, "total": sum(uniform.values())},
        "unigram_of_the_style": {**unigram, "total": sum(unigram.values())},
        "untrained_network": {name: blank[name] for name in (*TUNE_ARGUMENTS, "total")},
    }


def _over_seeds(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over seeds, with the smallest and largest total, and every seed."""
    numbers = [name for name, value in found[0].items() if isinstance(value, float)]
    totals = [one["total"] for one in found]
    return {
        **{name: float(np.mean([one[name] for one in found])) for name in numbers},
        "range_of_total": [min(totals), max(totals)],
        "seeds": list(found),
    }


def _order(rows: dict[str, Any]) -> dict[str, Any]:
    """Say whether random >> vae > lm >= vrash holds, and vrash over lm by both bounds."""
    lm, vrash = rows["lm"], rows["vrash"]
    ratio = {name: vrash[name] / lm[name] for name in ("total", "importance", "cross_entropy")}
    pairs = zip(lm["seeds"], vrash["seeds"], strict=False)
    order: dict[str, Any] = {
        "vrash_over_lm": ratio,
        "by_seed_importance": [b["importance"] / a["importance"] for a, b in pairs],
        "within_3_percent": {name: abs(value - 1.0) <= WITHIN for name, value in ratio.items()},
        "vrash_no_worse_than_lm": {name: value <= 1.0 for name, value in ratio.items()},
    }
    if "vae" in rows:
        vae = rows["vae"]
        order["vae_over_lm"] = {n: vae[n] / lm[n] for n in ("total", "importance")}
        order["uniform_over_vae"] = rows["uniform"]["total"] / vae["total"]
        order["unigram_over_vae"] = rows["unigram_of_the_style"]["total"] / vae["total"]
        order["holds"] = bool(rows["uniform"]["total"] > vae["importance"] > lm["total"])
    return order


def _stack(axis: Any, rows: dict[str, Any]) -> None:
    names = ["uniform", "unigram_of_the_style", "vae", "lm", "vrash"]
    names = [name for name in names if name in rows]
    bottom = np.zeros(len(names))
    for part in (*TUNE_ARGUMENTS, "kl"):
        height = np.array([rows[name].get(part, 0.0) for name in names])
        axis.bar(names, height, bottom=bottom, label=part)
        bottom += height
    for x, name in enumerate(names):
        for seed in rows[name].get("seeds", []):
            axis.plot(x, seed["importance"], "k_", markersize=12)
    axis.plot([], [], "k_", label="importance-weighted, by seed")
    axis.set_ylabel("nats a note, held out")
    axis.tick_params(axis="x", labelsize=7)
    axis.legend(fontsize=7)


def latent(bench: TuneBench, folder: Path) -> dict[str, Any]:
    """2. Is the latent used, does it know the style, and does music follow the style control?"""
    model, tunes = bench.model, bench.tunes
    means, log_variances = latents(model, tunes, tunes.indices("test"))
    by_dimension = divergence(means, log_variances).mean(dim=0)
    rows: dict[str, Any] = {
        "use": latent_use(model, tunes),
        "kl_by_dimension": sorted(by_dimension.tolist(), reverse=True),
        "dimensions_in_use": int((by_dimension > ACTIVE_NATS).sum()),
        "style_from_latent": style_accuracy(model, tunes),
        "runs": [
            {"use": latent_use(one, tunes), "style_from_latent": style_accuracy(one, tunes)}
            for one in bench.runs
            if one.family == "vrash"
        ],
        "measure": (
            "closeness: of the share p that makes (1 - p) start + p end nearest to the drawn "
            "music in least squares, over histograms of pitch classes counted from the tune's "
            "commonest one, of intervals, of lengths; start and end are the training tracks. "
            "apart: Jensen-Shannon divergence of the same histograms of two styles, bits"
        ),
    }
    player: TuneWriter = ModelWriter(model, tunes)
    if bench.bundle is not None:
        player = BundlePlayer(bench.bundle)
    pairs = list(combinations(tunes.styles, 2))
    steered: dict[str, Any] = {}
    figure, axes = subplots(2, max(1, -(-len(pairs) // 2)), width=3.0)
    for k, (start, end) in enumerate(pairs):
        stops = steering(
            player, tunes, start, end, count=4 * bench.drawn, steps=BLEND_STEPS, seed=bench.seed
        )
        steered[f"{start} to {end}"] = {"stops": stops, "monotone": monotone(stops)}
        axis = axes[k % 2][k // 2]
        for name in ASPECTS:
            axis.plot([s["share"] for s in stops], [s[name] for s in stops], "o-", label=name)
        axis.plot([0, 1], [0, 1], "k:", linewidth=0.8)
        axis.set_title(f"{start} to {end}", fontsize=8)
    axes[0][0].legend(fontsize=6)
    rows["steering"] = steered
    rows["apart"] = styles_apart(player, tunes, count=4 * bench.drawn, seed=bench.seed)
    rows["pairs_monotone"] = {
        name: sum(pair["monotone"][name] for pair in steered.values()) for name in ASPECTS
    }
    rows["pairs"] = len(pairs)
    rows["pairs_that_follow"] = sum(
        all(pair["monotone"][name] for name in STEERED) for pair in steered.values()
    )
    return save(folder, "latent", rows, figure)


@torch.no_grad()
def long_tunes(
    model: Vrash,
    known: tuple[torch.Tensor, torch.Tensor],
    style: str,
    count: int,
    notes: int,
    seed: int,
) -> list[NDArray[np.int64]]:
    """Draw tunes that do not end, temperature 1, nothing chosen.

    Args:
        model: In evaluation mode.
        known: Means and log-variances of the style's training tracks ``(tracks, Z)``. Each tune
            takes its latent from the posterior of one of them: as training drew them. Around the
            mean of their means lies hardly any of what the network was trained on.
        style: Name.
        count: Tunes.
        notes: Of each.
        seed: Of the draws.

    Returns:
        Classes ``(notes, 3)`` of each.
    """
    random = torch.Generator().manual_seed(seed)
    weights = torch.zeros(count, len(model.styles))
    weights[:, model.styles.index(style)] = 1.0
    draws = torch.randn(count, model.config.latent, generator=random)
    track = torch.randint(len(known[0]), (count,), generator=random)
    z = known[0][track] + draws * (0.5 * known[1][track]).exp()
    previous = torch.full((count, len(TUNE_ARGUMENTS)), -1)
    s, rows = model.start(z, weights), []
    end = model.offsets[2] + model.codec.end_class
    for _ in range(notes):
        uniform = torch.rand(count, model.offsets[-1], generator=random).clamp(min=1e-9)
        noise = -(-uniform.log()).log()
        noise[:, end] = -1e6
        step = model.step(previous, s, z, weights, noise)
        previous, s = step.classes, step.s
        rows.append(previous)
    return list(torch.stack(rows, dim=1).numpy())
