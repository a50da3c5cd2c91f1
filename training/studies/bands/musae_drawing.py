"""How the stream draws from MusAE: what is heard of the genre and of the key (ours).

``drawing`` asks the judge of :mod:`training.studies.bands.musae_genre` for the genre by the number
of ways in which latents of a genre vary together (:mod:`streamer.families.bands.scatter`), and
counts how much of a section is in one key by what foreign pitches lose
(:func:`streamer.families.bands.key.in_key`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.key import best_key, chroma, in_key
from streamer.families.bands.scatter import GENRE_FACTORS, Scatter
from streamer.families.bands.section import StateNoise, draw_states
from training.families.bands.bandset import BAR_STEPS, Windows
from training.studies import plots
from training.studies.bands.musae_bench import BandBench
from training.studies.bands.musae_genre import (
    LEARNT_OF_GENRE,
    features,
    genres_of,
    judge_of,
)
from training.studies.bands.musae_latent import PER_PETAL

RANKS = (0, 4, 8, 16, 32, 64)
NATS = (0.0, 1.0, 2.0, 3.0, 4.0)
TEMPERATURE = 0.5
"""That of the bundle."""

KEY_WINDOWS = 64
"""Of each genre, in which keys are counted."""

Rows = dict[str, Any]


def drawing(bench: BandBench, folder: Path) -> Rows:
    """Genre by the ways in which latents vary together, key by what foreign pitches lose."""
    rng = np.random.default_rng(bench.seed)
    windows = bench.every("train")
    names, clean = genres_of(bench, windows)
    judge = judge_of(bench, windows, names, rng)
    encoded = {name: _encoded(bench, windows, name, rng) for name in clean}
    heard: Rows = {}
    for rank in RANKS:
        told = []
        for name, (_, means, variances) in encoded.items():
            z = Scatter.measure(means, variances, rank).draw(PER_PETAL, rng)
            x = features(bench.perform(z.astype(np.float32), rng), bench.model.codec.beats)
            told.append(float((judge.predict(x) == names.index(name)).mean()))
        heard[str(rank)] = float(np.mean(told))
    keys: Rows = {"real": float(np.mean([in_one_key(s) for s, _, _ in encoded.values()]))}
    for nats in NATS:
        shares = []
        for _, means, variances in encoded.values():
            z = Scatter.measure(means, variances, GENRE_FACTORS).draw(KEY_WINDOWS, rng)
            played = _drawn(bench, z.astype(np.float32), nats, rng)
            shares.append(in_one_key(played))
        keys[f"{nats:g}"] = float(np.mean(shares))
    rows: Rows = {
        "genres": clean, "chance": 1 / len(names), "clean_heard_by_factors": heard,
        "in_one_key_by_nats": keys, "temperature": TEMPERATURE,
    }  # fmt: skip
    figure, axes = plots.subplots(1, 2, 5.0)
    axes[0, 0].plot(RANKS, [heard[str(rank)] for rank in RANKS], marker="o")
    axes[0, 0].axhline(rows["chance"], color="gray", linestyle=":")
    axes[0, 0].set_xlabel("ways in which a genre varies")
    axes[0, 0].set_title("clean genre heard (dotted: chance)", fontsize=9)
    axes[0, 1].plot(NATS, [keys[f"{nats:g}"] for nats in NATS], marker="o")
    axes[0, 1].axhline(keys["real"], color="gray", linestyle=":")
    axes[0, 1].set_xlabel("nats that a foreign pitch loses")
    axes[0, 1].set_title("steps in the best of twelve keys (dotted: real)", fontsize=9)
    return plots.save(folder, "musae-drawing", rows, figure)


def in_one_key(states: NDArray[np.uint8]) -> float:
    """Return the share of what sounds that is in the best of twelve major scales, mean, 0..1.

    Args:
        states: ``(n, steps, 4)``; drums are not heard.
    """
    classes = [chroma(window) for window in states]
    shares = [one[best_key(one)].sum() / max(one.sum(), 1.0) for one in classes]
    return float(np.mean(shares))


def _encoded(
    bench: BandBench, windows: Windows, name: str, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Return windows of a genre, and means and variances of their latents."""
    mine = np.flatnonzero([name in tags for tags in bench.tags(windows)])
    states = windows.states[rng.permutation(mine)[:LEARNT_OF_GENRE]]
    means, variances = (x.astype(np.float64) for x in bench.posterior(states))
    return states, means, variances


def _drawn(
    bench: BandBench, z: NDArray[np.float32], nats: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    bars = bench.bars
    return np.stack(
        [
            draw_states(in_key(window, nats), StateNoise.draw(rng, BAR_STEPS, bars), TEMPERATURE)
            for shown in bench.probabilities(z)
            for window in shown
        ]
    )
