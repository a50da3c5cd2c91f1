"""Sections joined by the hundred: is the line between two of them to be heard?

In: a window bundle. Out: for the steps at the seams and for all others: notes held across, notes
struck, how far the set of keys and the middle of the sound move. A key is that of a channel; drums
have no place in the middle. Used by the tests with the tiny bundles, and by hand with the real
ones::

    python -m tests.seams BUNDLE [SECTIONS]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.families.bands.spec import bands_of
from streamer.generators.sectionspec import section_of
from streamer.midi.messages import DRUM_CHANNEL
from streamer.music.notes import NoteArray, to_array
from streamer.pipeline import open_source
from streamer.settings.settings import ExpressionSettings, ModelSettings, Settings

KEYS = 128
FIGURES = ("held", "struck", "released", "keys_kept", "pitch_moved")


def stream_of(bundle: Path, sections: int, candidates: int, seed: int = 1) -> tuple[NoteArray, Any]:
    """Return the notes of ``sections`` sections on the grid, and the generator."""
    bands = bands_of(load_bundle(bundle).manifest)
    # One genre has one tempo, and so one grid.
    style = bands.genres[0].name if bands is not None and bands.genres else None
    settings = Settings(
        model=ModelSettings(model=str(bundle), seed=seed, candidates=candidates, style=style),
        expression=ExpressionSettings(enabled=False),
    )
    source = open_source(settings=settings)
    notes = [note for _ in range(sections) for note in source.generator.next_phrase().notes]
    return to_array(notes), source.generator


def on_grid(notes: NoteArray, step_ms: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return onsets and ends in steps, and keys: pitches, of channel after channel."""
    onset = np.rint(notes["onset_ms"] / step_ms).astype(np.int64)
    end = np.rint((notes["onset_ms"] + notes["duration_ms"]) / step_ms).astype(np.int64)
    keys = notes["channel"].astype(np.int64) * KEYS + notes["pitch"]
    return onset, np.maximum(end, onset + 1), keys


def double_onsets(onset: NDArray[Any], end: NDArray[Any], keys: NDArray[Any]) -> int:
    """Return how many keys are struck while they sound."""
    order = np.lexsort((onset, keys))
    same = keys[order][1:] == keys[order][:-1]
    return int((same & (onset[order][1:] < end[order][:-1])).sum())


def boundaries(
    onset: NDArray[Any], end: NDArray[Any], keys: NDArray[Any], steps: int
) -> dict[str, NDArray[np.float64]]:
    """Return the figures of the line before each step, ``(steps,)``; NaN where there is none."""
    known, place = np.unique(keys, return_inverse=True)
    sounding = np.zeros((steps + 1, len(known)), dtype=np.bool_)
    held, struck, released = (np.zeros(steps + 1) for _ in range(3))
    for first, last, key in zip(onset.tolist(), end.tolist(), place.tolist(), strict=True):
        sounding[first:last, key] = True
        held[first + 1 : last] += 1
        struck[min(first, steps)] += 1
        released[min(last, steps)] += 1
    both = (sounding[1:] & sounding[:-1]).sum(1)
    either = (sounding[1:] | sounding[:-1]).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.concatenate([[np.nan], both / either])
        pitched = sounding[:, known // KEYS != DRUM_CHANNEL]
        pitches = known[known // KEYS != DRUM_CHANNEL] % KEYS
        middle = (pitched * pitches).sum(1) / pitched.sum(1)
    moved = np.concatenate([[np.nan], np.abs(np.diff(middle))])
    columns = (held, struck, released, kept, moved)
    return {name: one[:steps] for name, one in zip(FIGURES, columns, strict=True)}


def seam_figures(bundle: Path, sections: int = 1000, candidates: int = 4) -> dict[str, Any]:
    """Return counts and, for each figure, its mean at the seams and inside by place in the beat.

    Inside are the lines at the same place in the beat as a seam, and not all: music moves on beats;
    ``bar`` is the mean of the other bar lines, where a section has any.
    """
    notes, generator = stream_of(bundle, sections, candidates)
    codec = generator.codec
    onset, end, keys = on_grid(notes, generator.beat_ms / codec.steps_per_beat)
    steps = sections * codec.steps
    found = boundaries(onset, end, keys, steps)
    places = np.arange(0, codec.steps, codec.steps_per_beat)
    bar_beats = section_of(load_bundle(bundle).manifest).metre  # type: ignore[union-attr]  # of sections
    figures: dict[str, dict[str, float]] = {}
    for name, values in found.items():
        table = values.reshape(sections, codec.steps)[1:-1][:, places]
        means = np.nanmean(table, axis=0)
        inside = table[:, 1:]
        figures[name] = {
            "seam": round(float(means[0]), 4),
            "inside": round(float(np.nanmean(inside)), 4),
            "inside_sd": round(float(np.nanstd(inside)), 4),
            "inside_least": round(float(means[1:].min()), 4),
            "inside_most": round(float(means[1:].max()), 4),
        }
        bars = means[:: round(bar_beats)][1:]
        if len(bars):
            figures[name]["bar"] = round(float(bars.mean()), 4)
    return {
        "bundle": bundle.name,
        "sections": sections,
        "notes": len(notes),
        "double_onsets": double_onsets(onset, end, keys),
        "longest_steps": int((end - onset).max()),
        "limit_steps": generator.longest_steps,
        "figures": figures,
    }


if __name__ == "__main__":
    told = seam_figures(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
