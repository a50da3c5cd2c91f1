"""``perpetuo study ear``: what a bundle's ear hears, what it does to the stream, and what it costs.

In: a bundle with an ear, and its corpus. Out: how well it tells how held-out pieces went on from
how the bundle goes on; the variety of streams with and without it beside the corpus's; its share
of the time that candidates take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.engine import Engine, Function
from streamer.engine.noise import gumbel_noise
from streamer.errors import DataError
from streamer.families.chain.ear import EarSpec, bundle_ear, ear_of
from streamer.music.notes import Note, NoteArray, to_array
from streamer.pipeline import open_source
from streamer.selection.ranking import ANY, EAR
from streamer.verbs.numbers import MANY
from training.evaluation.two_sample import auc
from training.families.chain.ear_pairs import PHRASE, Pairs, pairs_of
from training.families.chain.tensors import TensorSet
from training.studies.chain.stream import Stage
from training.studies.plots import histograms, save, subplots
from training.studies.running import add_play_options, show

PLACES = 2_000
CANDIDATES = 16
ROUNDS = 20
FIGURE = 3
"""Intervals of a figure whose share of distinct ones is told."""

_HUNDREDS = 600
"""Notes of a stream in which figures are counted: the share falls with their number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_play_options(parser)
    parser.add_argument("--places", type=MANY, default=PLACES, metavar="N",
                        help=f"held-out places that it judges (default {PLACES})")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the study; return the exit status."""
    tensors = TensorSet.load(args.tensors)
    stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes)
    return show([("ear", ear(stage, args.output, args.places))])


def ear(stage: Stage, folder: Path, places: int) -> dict[str, Any]:
    """Measure an ear.

    Raises:
        DataError: The bundle has none.
    """
    bundle = load_bundle(stage.bundle)
    spec = ear_of(bundle.manifest)
    if spec is None:
        raise DataError(
            f"bundle {bundle.manifest.name} has no ear; give it one with perpetuo train ear and "
            "perpetuo bundle ear"
        )
    rng = np.random.default_rng(stage.seed)
    pairs = pairs_of(bundle, stage.tensors, "test", rng, places)
    real, own = judged(Function(bundle, spec.graph), spec, pairs)
    labels = np.repeat([False, True], [own.size, real.size])
    rows: dict[str, Any] = {
        "held_out": {
            "places": len(pairs),
            "works": len({*pairs.works.tolist()}),
            "auc": float(auc(np.concatenate([own.ravel(), real]).astype(np.float64), labels)),
            "paired": float((real[:, None] > own).mean()),
            "real_mean": float(real.mean()),
            "own_mean": float(own.mean()),
            "below_floor": {
                "real": float((real < spec.floor).mean()),
                "own": float((own < spec.floor).mean()),
            },
        },
        "variety": _varieties(stage),
        "cost": cost(bundle),
    }
    figure, axes = subplots(1, 1)
    histograms(axes[0][0], {"as it went on": real, "drawn": own.ravel()}, "logit")
    return save(folder, "ear", rows, figure)


def judged(
    graph: Callable[..., Any], spec: EarSpec, pairs: Pairs
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits of what came ``(places,)`` and of what was drawn ``(places, each)``."""
    each = pairs.own.shape[1]
    real = np.zeros(len(pairs), np.float32)
    own = np.zeros((len(pairs), each), np.float32)
    for first in range(0, len(pairs), 64):
        rows = slice(first, first + 64)
        past = pairs.past[rows, -spec.context :].transpose(1, 0, 2)
        nothing = np.zeros((past.shape[1], spec.hidden), np.float32)
        state = graph(notes=past, state=nothing)["state_out"]
        real[rows] = graph(notes=pairs.real[rows].transpose(1, 0, 2), state=state)["logit"]
        drawn = pairs.own[rows].reshape(-1, *pairs.own.shape[2:]).transpose(1, 0, 2)
        many = np.repeat(state, each, axis=0)
        own[rows] = graph(notes=drawn, state=many)["logit"].reshape(-1, each)
    return real, own


def _varieties(stage: Stage) -> dict[str, Any]:
    seeds = range(stage.seed, stage.seed + stage.streams)
    found = {name: variety([_play(stage, seed, name) for seed in seeds]) for name in (EAR, ANY)}
    corpus = [stage.tensors.notes(i) for i in range(len(stage.tensors))]
    return {**found, "corpus": variety([piece[:_HUNDREDS] for piece in corpus])}


def _play(stage: Stage, seed: int, ranking: Any) -> NoteArray:
    base = stage.settings(seed)
    source = open_source(settings=replace(base, model=replace(base.model, ranking=ranking)))
    notes: list[Note] = []
    while not notes or notes[-1].onset_ms < stage.minutes * 60_000.0:
        notes.extend(source.next_phrase().notes)
    return to_array(notes)


def variety(pieces: Sequence[NoteArray]) -> dict[str, float]:
    """Return how much phrases differ: deviations over all, and the share of distinct figures."""
    rows, distinct = [], []
    for piece in pieces:
        for start in range(0, len(piece) - PHRASE, PHRASE):
            part = piece[start : start + PHRASE + 1]
            seconds = max(float(part["onset_ms"][-1] - part["onset_ms"][0]) / 1000.0, 0.1)
            log_length = float(np.log(part["duration_ms"] + 1.0).mean())
            rows.append((
                float(np.log(PHRASE / seconds)), float(part["pitch"].mean()),
                float(part["velocity"].mean()), log_length,
            ))  # fmt: skip
        steps = np.diff(piece["pitch"][:_HUNDREDS].astype(np.int64))
        if len(steps) >= FIGURE:
            figures = np.lib.stride_tricks.sliding_window_view(steps, FIGURE)
            distinct.append(len(np.unique(figures, axis=0)) / len(figures))
    spread = np.std(np.array(rows).reshape(-1, 4), axis=0) if rows else np.zeros(4)
    names = ("density_sd", "pitch_sd", "velocity_sd", "duration_sd")
    found = dict(zip(names, spread.tolist(), strict=True))
    return {**found, "distinct_figures": float(np.mean(distinct)) if distinct else 0.0}


def cost(bundle: Bundle) -> dict[str, float]:
    """Return the ms that drawing and hearing take, for a phrase of 16 candidates, least of many."""
    engine, heard = Engine(bundle), bundle_ear(bundle)
    rng = np.random.default_rng(0)
    shape = (PHRASE, CANDIDATES, bundle.codec.offsets[-1])
    noise = gumbel_noise(rng, shape, 1.0, bundle.codec)
    state = engine.initial_state(CANDIDATES)
    past, *notes = (_random_notes(rng) for _ in range(CANDIDATES + 1))
    for candidate in notes:
        candidate["onset_ms"] += past["onset_ms"][-1]
    if heard is None:
        return {}
    ear = heard
    ear.begin(past)
    fresh = ear.mark()

    def hear() -> None:
        ear.go_back(fresh)  # the last notes are heard once for each phrase
        ear.hear(notes)

    ways: dict[str, Callable[[], Any]] = {
        "draw_ms": lambda: engine.next_block(state, noise),
        "hear_ms": hear,
    }
    least = dict.fromkeys(ways, np.inf)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            least[name] = min(least[name], (time.perf_counter() - began) * 1e3)
    return {**least, "share": least["hear_ms"] / least["draw_ms"]}


def _random_notes(rng: np.random.Generator) -> NoteArray:
    onset = np.cumsum(rng.integers(0, 300, PHRASE))
    return to_array(
        Note(int(rng.integers(40, 90)), float(t), float(rng.integers(50, 500)), 64) for t in onset
    )
