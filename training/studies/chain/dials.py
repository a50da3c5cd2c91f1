"""Is what is asked of each dial heard, and nothing else? A part of ``perpetuo study controls``.

In: a stage. Out: for each trained control the values asked for and what phrases came to, slope and
correlation over streams, and how far the other dials moved, in their spreads. Measured on phrases
as they are committed, by the same functions that told the model what phrases are like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.families.chain.asked import DIALS, measure
from streamer.measures.repetition import returning_notes
from streamer.music.notes import Phrase, to_array
from streamer.pipeline import open_source
from training.studies.chain.stream import Stage
from training.studies.plots import save, subplots

ASKED = {
    "density": (0.25, 0.5, 1.0, 2.0, 4.0),
    "loudness": (35.0, 48.0, 60.0, 72.0, 85.0),
    "register": (50.0, 56.0, 62.0, 68.0, 74.0),
    "polyphony": (1.2, 1.5, 2.0, 2.5, 3.0),
    "regularity": (0.5, 0.62, 0.74, 0.86, 0.95),
    "repetition": (0.0, 0.25, 0.5, 0.75, 0.95),
}
"""What is asked for, most of the corpus's range: density as a multiple, polyphony in keys."""

LOGARITHMIC = ("density", "polyphony")
"""Dials that are logarithms of what a person sets."""

SKIPPED = 2
"""Phrases at the start of a stream that are not measured: nothing was asked of what came before."""


def dials(stage: Stage, folder: Path) -> dict[str, Any]:
    """Play each sweep: ``stage.streams`` streams of ``stage.minutes`` for each value."""
    middle = _means(stage, {})
    rows = {name: _swept(stage, name, values, middle) for name, values in ASKED.items()}
    figure, axes = subplots(1, len(rows))
    for axis, (name, row) in zip(axes[0], rows.items(), strict=True):
        axis.plot(row["asked"], row["heard"], "o-")
        axis.set_title(f"{name}: heard (as measured) over asked", fontsize=7)
        if name in LOGARITHMIC:
            axis.set_xscale("log")
    return save(folder, "controls", rows, figure)


def _swept(
    stage: Stage, name: str, values: tuple[float, ...], middle: list[dict[str, float]]
) -> dict[str, Any]:
    """Return what came of the values of one dial."""
    rows = {value: _means(stage, {name: value}) for value in values}
    shown = [math.log(v) if name in LOGARITHMIC else v for v in values]
    asked = np.repeat(shown, stage.streams)
    heard = np.array([row[name] for value in values for row in rows[value]])
    free = {dial.name: float(np.mean([row[dial.name] for row in middle])) for dial in DIALS}
    return {
        "asked": list(values),
        "heard": [float(np.mean([row[name] for row in rows[value]])) for value in values],
        "slope": float(np.polyfit(asked, heard, 1)[0]),
        "correlation": float(np.corrcoef(asked, heard)[0, 1]) if np.ptp(heard) else 0.0,
        "moved_with_it": {
            dial.name: max(
                abs(float(np.mean([row[dial.name] for row in rows[value]])) - free[dial.name])
                for value in values
            )
            / dial.spread
            for dial in DIALS
            if dial.name != name
        },
    }


def _means(stage: Stage, asked: Mapping[str, float]) -> list[dict[str, float]]:
    """Return what each stream's phrases are like, on average."""
    found = []
    for seed in range(stage.seed, stage.seed + stage.streams):
        base = stage.settings(seed)
        settings = replace(base, controls=base.controls.with_changes(dict(asked)))
        source = open_source(settings=settings)
        phrases: list[Phrase] = []
        while len(phrases) <= SKIPPED or phrases[-1].end_ms < stage.minutes * 60_000.0:
            phrases.append(source.next_phrase())
        returning = returning_notes(to_array(note for p in phrases for note in p.notes))
        ends = np.cumsum([len(phrase.notes) for phrase in phrases])
        parts = np.split(returning, ends[:-1])
        rows = [
            measure(to_array(phrase.notes), phrase.notes[0].onset_ms + _length_ms(phrase), part)
            for phrase, part in list(zip(phrases, parts, strict=True))[SKIPPED:]
            if len(phrase.notes) > 1
        ]
        found.append(
            {dial.name: float(np.mean([row[dial.name] for row in rows])) for dial in DIALS}
        )
    return found


def _length_ms(phrase: Phrase) -> float:
    """Return a phrase's length as of as many notes as times between onsets."""
    onsets = [note.onset_ms for note in phrase.notes]
    return (onsets[-1] - onsets[0]) * len(onsets) / (len(onsets) - 1)
