"""``perpetuo study controls``: is what is asked of a stream heard, and nothing else with it?

In: a bundle and its corpus. Out: for each control that changes what is drawn, what was asked and
what was played: the slope and the correlation of their logarithms, and how far other figures moved
with it, in spreads of the corpus.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.bundle.codecs import codec_as
from streamer.bundle.manifest import STEP_GRAPH
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.codec import ChainCodec
from streamer.families.chain.homing import Homing, phrase_figures
from streamer.music.notes import Phrase
from streamer.pipeline import open_source
from training.families.chain.tensors import TensorSet
from training.studies.chain.dials import dials
from training.studies.chain.stream import Stage
from training.studies.plots import save, subplots
from training.studies.running import add_play_options, show

WATCHED = ("duration_ms", "velocity", "pitch", "pedal")
"""What should stay where it is when a control is moved; density too where another is."""


@dataclass(frozen=True)
class Sweep:
    """Values of a control, and the figure in which it should be heard.

    Attributes:
        control: Its name.
        figure: Of :func:`streamer.families.chain.homing.phrase_figures`, logarithmic.
        values: Asked for; 1 is among them.
        beside: Other controls that are set.
    """

    control: str
    figure: str
    values: tuple[float, ...]
    beside: Mapping[str, float] = field(default_factory=dict)


SWEEPS = {
    "density": Sweep("density", "density", (0.25, 0.5, 1.0, 2.0, 4.0)),
    "steady density": Sweep(
        "density", "density", (0.25, 0.5, 1.0, 2.0, 4.0), {"steadiness": 1.0}
    ),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_play_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the study; return the exit status."""
    tensors = TensorSet.load(args.tensors)
    stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes)
    return show(_studies(stage, args.output))


def _studies(stage: Stage, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Play and measure; of a bundle that was trained to be asked, its dials and no other sweep."""
    inputs = load_bundle(stage.bundle).manifest.graph(STEP_GRAPH).inputs
    if ASKED_INPUT in {tensor.name for tensor in inputs}:
        yield "controls", dials(stage, folder)
    else:
        yield "controls", controls(stage, folder)


def controls(stage: Stage, folder: Path) -> dict[str, Any]:
    """Play each sweep and measure it."""
    bundle = load_bundle(stage.bundle)
    homing = Homing(bundle.manifest.statistics, codec_as(bundle.codec, ChainCodec))
    rows = {name: measured(sweep, stage, homing.spreads) for name, sweep in SWEEPS.items()}
    figure, axes = subplots(1, 1)
    for name, row in rows.items():
        axes[0][0].loglog(row["asked"], row["played"], "o-", label=name)
    axes[0][0].loglog(SWEEPS["density"].values, SWEEPS["density"].values, "k:", label="as asked")
    axes[0][0].set_title("density: played against asked, 1 as with nothing asked", fontsize=8)
    axes[0][0].legend(fontsize=6)
    return save(folder, "controls", rows, figure)


def measured(sweep: Sweep, stage: Stage, spreads: Mapping[str, float]) -> dict[str, Any]:
    """Play a sweep: ``stage.streams`` streams for each value."""
    seeds = range(stage.seed, stage.seed + stage.streams)
    played = {
        value: [_means(stage, seed, {sweep.control: value, **sweep.beside}) for seed in seeds]
        for value in sweep.values
    }
    asked = np.log(np.repeat(sweep.values, stage.streams))
    heard = np.array([means[sweep.figure] for rows in played.values() for means in rows])
    middle = {name: _mean(rows, name) for name in spreads for rows in [played[1.0]]}
    return {
        "asked": list(sweep.values),
        "played": [
            float(np.exp(_mean(rows, sweep.figure) - middle[sweep.figure]))
            for rows in played.values()
        ],
        **line(asked, heard),
        "moved_with_it": {
            name: max(abs(_mean(rows, name) - middle[name]) for rows in played.values())
            / spreads[name]
            for name in WATCHED
            if name in spreads
        },
    }


def line(asked: NDArray[np.float64], heard: NDArray[np.float64]) -> dict[str, float]:
    """Return slope and correlation of what was heard over what was asked."""
    slope = float(np.polyfit(asked, heard, 1)[0])
    return {"slope": slope, "correlation": float(np.corrcoef(asked, heard)[0, 1])}


def _means(stage: Stage, seed: int, asked: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of a stream, density and duration as logarithms.

    Density is that of the whole stream: its notes over its time.
    """
    base = stage.settings(seed)
    settings = replace(base, controls=base.controls.with_changes(dict(asked)))
    source = open_source(settings=settings)
    phrases: list[Phrase] = []
    while not phrases or phrases[-1].end_ms < stage.minutes * 60_000.0:
        phrases.append(source.next_phrase())
    rows = [phrase_figures(phrase) for phrase in phrases]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    notes = sum(len(phrase.notes) for phrase in phrases)
    return {**means, "density": float(np.log(notes / (phrases[-1].end_ms / 1000.0)))}


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))
