"""``perpetuo study playable``: is what is played within what two hands can do?

In: a bundle and the corpus it was trained on. Out: restrikes, notes of no length and chords of
streams beside the corpus's, and how often what the graph draws breaks its law of two hands
(:mod:`streamer.families.chain.hands`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine
from streamer.engine.noise import gumbel_noise
from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.hands import (
    AGAIN_INPUT,
    HAND_SEMITONES,
    HELD_SHARE,
    MOST_KEYS,
    RESTRIKE_MS,
    second_noise,
)
from streamer.music.notes import CHORD_MS, NoteArray
from streamer.verbs.numbers import MANY
from training.families.chain.tensors import TensorSet
from training.studies.chain.stream import Stage
from training.studies.plots import histograms, save, subplots
from training.studies.running import add_play_options, show

RESTRIKES_MS = (60.0, RESTRIKE_MS, 120.0)
ROWS, STEPS = 64, 256
SOON_MS = 500.0
SLACK_MS = 1e-2
"""What float32 sums of times may be off by."""

_PERCENT = 100.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_play_options(parser)
    parser.add_argument("--notes", type=MANY, default=100_000, metavar="N",
                        help="drawn notes that the law is counted in (default 100000)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the study; return the exit status."""
    tensors = TensorSet.load(args.tensors)
    stage = Stage(args.bundle, tensors, args.seed, args.streams, args.minutes)
    return show([("playable", playable(stage, args.output, args.notes))])


def playable(stage: Stage, folder: Path, notes: int) -> dict[str, Any]:
    """Measure streams, the corpus and the graph; ``notes`` is how many the graph draws."""
    seeds = range(stage.seed, stage.seed + stage.streams)
    own = [stage.play(seed, stage.minutes * 60.0) for seed in seeds]
    real = [stage.tensors.notes(i) for i in range(len(stage.tensors))]
    rows: dict[str, Any] = {"stream": hand_figures(own), "corpus": hand_figures(real)}
    rows["drawn"] = law_broken(stage.bundle, notes, stage.seed)
    figure, axes = subplots(1, 1)
    both = {"corpus": restrike_times(real), "stream": restrike_times(own)}
    soon = {name: times[times < SOON_MS] for name, times in both.items()}
    soon = {name: times for name, times in soon.items() if len(times)}
    if soon:
        histograms(axes[0][0], soon, "same key again, ms")
    return save(folder, "playable", rows, figure)


def restrike_times(pieces: Sequence[NoteArray]) -> NDArray[np.float64]:
    """Return the times from each strike of a key to its next, ms, over all pieces."""
    found = [np.zeros(0)]
    for piece in pieces:
        order = np.lexsort((piece["onset_ms"], piece["pitch"]))
        same = np.diff(piece["pitch"][order].astype(np.int64)) == 0
        found.append(np.diff(piece["onset_ms"][order])[same])
    return np.concatenate(found)


def hand_figures(pieces: Sequence[NoteArray]) -> dict[str, float]:
    """Return what hands could not do, in percent of all notes, and the largest chord."""
    count = max(sum(len(piece) for piece in pieces), 1)
    again = restrike_times(pieces)
    chords = np.concatenate([np.zeros(0, np.int64), *map(_chord_sizes, pieces)])
    brief = sum(int((piece["duration_ms"] <= 1.0).sum()) for piece in pieces)
    near = {f"again_within_{ms:g}_ms": _PERCENT * (again < ms).sum() / count for ms in RESTRIKES_MS}
    return {
        "notes": float(count),
        **{name: float(value) for name, value in near.items()},
        "no_length": _PERCENT * brief / count,
        f"chords_above_{MOST_KEYS}": _PERCENT * float((chords > MOST_KEYS).sum()) / count,
        "largest_chord": float(chords.max(initial=0)),
    }


def _chord_sizes(piece: NoteArray) -> NDArray[np.int64]:
    onset = piece["onset_ms"]
    found = np.searchsorted(onset, onset + CHORD_MS) - np.arange(len(onset))
    return found.astype(np.int64)


def law_broken(path: Path, notes: int, seed: int) -> dict[str, float]:
    """Return how many notes were drawn by the graph alone, and how many break its law."""
    bundle = load_bundle(path)
    engine, codec = Engine(bundle), codec_as(bundle.codec, ChainCodec)
    if AGAIN_INPUT not in engine.further_inputs:
        return {"notes": 0.0, "broken": 0.0}
    rng = np.random.Generator(np.random.SFC64(seed))
    flat = np.zeros(codec.shift.classes)
    drawn = broken = 0
    while drawn < notes:
        noise = gumbel_noise(rng, (STEPS, ROWS, codec.offsets[-1]), 1.0, codec)
        more = {AGAIN_INPUT: second_noise(rng, (STEPS, ROWS), 1.0, flat)}
        classes = engine.next_block(engine.initial_state(ROWS), noise, more).classes
        broken += count_broken(classes, codec)
        drawn += STEPS * ROWS
    return {"notes": float(drawn), "broken": float(broken)}


def count_broken(classes: NDArray[np.int64], codec: ChainCodec) -> int:
    """Count notes that break the law, by the lower edges of their classes.

    Args:
        classes: ``(notes, rows, 5)``, each row from its beginning.
        codec: Their tables.
    """
    shift = np.asarray(codec.shift.edges, dtype=np.float64)[classes[..., 1]]
    held = HELD_SHARE * np.asarray(codec.duration.edges, dtype=np.float64)[classes[..., 2]]
    hold = np.maximum(held, RESTRIKE_MS)
    rows = np.arange(classes.shape[1])
    ready = np.full((len(rows), PITCH_CLASSES), -np.inf)
    struck = np.full((len(rows), PITCH_CLASSES), -np.inf)
    now, broken = np.zeros(len(rows)), 0
    keys = np.arange(PITCH_CLASSES)
    for key, passed, held_for in zip(classes[..., 0], shift, hold, strict=True):
        now = now + passed
        early = now < ready[rows, key] - SLACK_MS
        struck[rows, key] = now
        ready[rows, key] = now + held_for
        chord = now[:, None] - struck < CHORD_MS - SLACK_MS
        left = np.where(chord, keys, 1000).min(1) + HAND_SEMITONES
        right = np.where(chord, keys, -1000).max(1) - HAND_SEMITONES
        apart = (chord & (keys > left[:, None]) & (keys < right[:, None])).any(1)
        broken += int((early | apart).sum())
    return broken
