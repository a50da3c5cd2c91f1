"""What is shown of DRAW's bundle as it plays: does its stream lie as far out as held-out pieces?

Source: [Sabathe2017], the mean distance and Welch's t of figure 4, of the stream in place of the
network alone: selection, filters and the joining of sections have their say. In: a bundle and the
scores it was trained on. Played on the grid, without the performance layer, as the corpus is
written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigError
from streamer.measures.signature import FEATURES, roll_of_matrix, signature
from streamer.music.notes import Note
from streamer.pipeline import open_source
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from training.families.windows.scoreset import ScoreSet
from training.studies import plots
from training.studies.windows.draw import (
    PAPER,
    ROLL_STEPS,
    DrawScores,
    Rolls,
    samples,
    summary,
)

STEPS_PER_BEAT = 8
PITCHES = 128
LEAST_SPREAD = 1e-3
LIKELY = 0.05
"""A p below is a difference."""


@dataclass
class DrawStage(DrawScores):
    """A bundle and what its stream is measured against.

    Attributes:
        bundle: Folder or name.
        scores: Its corpus.
        seed: Of the first stream, and of the reference.
        streams: How many are played, one sample of each.
    """

    bundle: Path
    scores: ScoreSet
    seed: int = 0
    streams: int = 100

    def play(self, seed: int) -> NDArray[np.bool_]:
        """Return the first 300 steps of a stream as a roll ``(300, 128)``."""
        settings = replace(
            Settings(),
            model=ModelSettings(model=str(self.bundle), seed=seed),
            expression=ExpressionSettings(enabled=False),
        )
        source = open_source(settings=settings)
        beat_ms = source.generator.beat_ms
        if beat_ms is None:
            raise ConfigError([f"{self.bundle}: has no beats; give a bundle of family draw"])
        step_ms = beat_ms / STEPS_PER_BEAT
        notes: list[Note] = []
        while True:
            phrase = source.next_phrase()
            notes.extend(phrase.notes)
            if phrase.end_ms >= ROLL_STEPS * step_ms:
                return roll_of_notes(notes, step_ms)


def roll_of_notes(notes: list[Note], step_ms: float) -> NDArray[np.bool_]:
    """Return the cells of notes on a grid, ``(300, 128)``; what lies beyond is cut off."""
    out = np.zeros((ROLL_STEPS, PITCHES), dtype=np.bool_)
    for note in notes:
        first = round(note.onset_ms / step_ms)
        last = max(first + 1, round((note.onset_ms + note.duration_ms) / step_ms))
        out[first:last, note.pitch] = True
    return out


def off(stage: DrawStage, rolls: Rolls) -> dict[str, float]:
    """Return how far the figures of rolls lie from the training pieces', in spreads of those."""
    own, _ = samples(stage.scores, stage.scores.indices("train"))
    usual, played = (
        np.stack([signature(roll_of_matrix(roll)) for roll in some if roll.any()])
        for some in (own, rolls)
    )
    spread = np.maximum(usual.std(axis=0), LEAST_SPREAD)
    away = (played.mean(axis=0) - usual.mean(axis=0)) / spread
    return dict(zip(FEATURES, away.round(2).tolist(), strict=True))


def stream(stage: DrawStage, folder: Path) -> dict[str, Any]:
    """Streams against held-out pieces: distance, Welch's t, and which figures are off."""
    from scipy import stats

    rolls = np.stack([stage.play(seed) for seed in range(stage.seed, stage.seed + stage.streams)])
    distances = stage.distances(rolls)
    test = stats.ttest_ind(distances, stage.held_out, equal_var=False)
    rows = {
        "streams": stage.streams,
        "first_seed": stage.seed,
        "generated": summary(distances),
        "held_out": summary(stage.held_out),
        "welch_t": float(test.statistic),
        "p": float(test.pvalue),
        "not_told_apart": bool(test.pvalue > LIKELY),
        "off_by_sd": off(stage, rolls),
        "paper": PAPER,
    }
    figure, axes = plots.subplots(1, 1, 6.0)
    shown = {"stream": distances, "held out": stage.held_out}
    plots.histograms(axes[0, 0], {k: np.minimum(v, 20.0) for k, v in shown.items()}, "distance")
    return plots.save(folder, "draw-stream", rows, figure)


DRAW_STREAM_STUDIES: dict[str, Callable[[DrawStage, Path], dict[str, Any]]] = {"stream": stream}
"""Name to study; each needs a bundle."""
