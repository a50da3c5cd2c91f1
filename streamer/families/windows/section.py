"""A section of cells becomes notes on the grid, under the live controls; and two are joined.

In: the probabilities of a section and a snapshot of the controls. Out: which cells sound, the notes
in steps, how unsure the model was of each step. Nothing here knows of time in ms, of files or of
ports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.chords import SectionHarmony, fitted
from streamer.families.windows.codec import CELL_DTYPE, RollCodec
from streamer.families.windows.ties import Sounding, with_ties
from streamer.generators.sectionspec import WindowSpec
from streamer.music.scales import OCTAVE, scale_targets
from streamer.settings.controls import Controls

DENSITY_NATS = 1.5
"""How far the threshold moves, in logits, for each nat of the density control."""

LEAST_EXPECTED = 0.1
"""Cells a step that a section is taken to expect, at least: what expects none is not sure."""

LEAST_ALPHA, MOST_ALPHA = 1e-3, 0.999


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """What one candidate sounds like.

    Attributes:
        notes: :data:`streamer.families.windows.codec.CELL_DTYPE`, sorted.
        sounding: Pitches held in the last step.
        first: Pitches in the first step that may go on from before, with the length of each.
        entropies: Of each step (:func:`step_entropies`), ``(steps, 1)`` float32, nats.
        unsure: Mean entropy of the cells of each note, ``(notes,)`` float32, nats.
        moved: Share of its notes that chords have moved, 0..1.
    """

    notes: NDArray[Any]
    sounding: frozenset[int]
    first: dict[int, int]
    entropies: NDArray[np.float32]
    unsure: NDArray[np.float32]
    moved: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Evened:
    """A section as the network gives it, ready to be read.

    Attributes:
        values: What is held against the thresholds, ``(steps, pitches, layers)``, 0..1.
        uncertain: Entropy of each cell, nats.
        entropies: Of each step (:func:`step_entropies`), ``(steps,)``, nats.
    """

    values: NDArray[np.float64]
    uncertain: NDArray[np.float64]
    entropies: NDArray[np.float64]


def even_cells(probabilities: NDArray[np.float32], spec: WindowSpec) -> Evened:
    """Return a section's probabilities as they are compared.

    Args:
        probabilities: ``(steps, pitches, layers)``, 0..1, of a whole section.
        spec: Says whether held cells are spread to 0..1.
    """
    values = probabilities.astype(np.float64)
    uncertain = cell_entropies(values)
    entropies = step_entropies(values, uncertain)
    if spec.normalise:
        values[..., 0] = spread(values[..., 0])
    return Evened(values, uncertain, entropies)


def hand_over(
    values: NDArray[np.float64], tail: NDArray[np.float64], turns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Let the voices of one section go over to those of the next.

    Args:
        values: Of the next section, ``(steps, pitches, layers)``.
        tail: What the one before has beyond its end, ``(overlap, pitches, layers)``.
        turns: The step at which each pitch goes over, ``(pitches,)``, 0..overlap.
    """
    out = values.copy()
    before = np.arange(len(tail))[:, None] < turns
    out[: len(tail)] = np.where(before[..., None], tail, values[: len(tail)])
    return out


def draw_turns(codec: RollCodec, overlap: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the step at which each pitch goes over: a beat of the overlap, but not the first."""
    beats = max(1, overlap // codec.steps_per_beat)
    turns = rng.integers(1, beats + 1, codec.pitches) * codec.steps_per_beat
    return np.minimum(turns, overlap)


def read_section(
    values: NDArray[np.float64],
    evened: Evened,
    codec: RollCodec,
    spec: WindowSpec,
    controls: Controls,
    sounding: Sounding | None = None,
    chords: SectionHarmony | None = None,
) -> Section:
    """Decide which cells sound.

    Args:
        values: ``(steps, pitches, layers)``, 0..1: those of ``evened``, or with another section's
            voices among them; as many steps as are played.
        evened: The section.
        codec: The grid of what is played.
        spec: The thresholds.
        controls: Density moves the threshold, range takes cells away, a scale lock moves them to
            the next note of the scale.
        sounding: What sounds until the section begins; None where that is not known.
        chords: To what notes are fitted; None leaves them.
    """
    uncertain = evened.uncertain[: len(values)]
    held = values[..., 0]
    tilt = -DENSITY_NATS * math.log(controls.density)
    cells = np.zeros(codec.shape, dtype=np.bool_)
    cells[..., 0] = held > _moved(spec.alpha, tilt)
    if codec.onsets:
        struck_above = _moved(spec.alpha_onset, tilt)
        cells[..., 1] = values[..., 1] > struck_above
        if spec.tie and sounding is not None:
            cells = with_ties(cells, values, codec.low, sounding, spec.tie, struck_above)
    moved = 0.0
    if chords is not None:
        onward = frozenset[int]() if sounding is None else sounding.onward
        cells, moved = fitted(cells, values, codec, chords, onward)
    cells = on_scale(cells, codec, controls)
    cells[:, ~allowed_keys(codec, controls)] = False
    notes = codec.decode(cells)
    on: NDArray[np.bool_] = np.asarray(cells.any(-1))
    keys = np.flatnonzero(on[0]) + codec.low
    struck = np.zeros(codec.pitches, dtype=np.bool_)
    if codec.onsets:
        struck |= cells[0, :, 1]
    starts = {int(n["pitch"]): int(n["length"]) for n in notes if n["onset"] == 0}
    return Section(
        notes=notes,
        sounding=frozenset((np.flatnonzero(on[-1]) + codec.low).tolist()),
        first={key: starts[key] for key in keys.tolist() if not struck[key - codec.low]},
        entropies=evened.entropies[: len(values)].astype(np.float32)[:, None],
        unsure=_of_notes(uncertain[..., 0], notes, codec),
        moved=moved,
    )


def cell_entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of each cell, nats, in the shape that came."""
    p = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log1p(-p)))


def step_entropies(
    probabilities: NDArray[np.float64], uncertain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the entropy of each step's cells for each cell expected to sound, ``(steps,)``.

    What is expected is the mean over the section. All cells together would be the more unsure the
    more of them sound, and the surest of several candidates the emptiest.

    Args:
        probabilities: ``(steps, pitches, layers)``, 0..1; the first layer is that of held keys.
        uncertain: Entropies of the same cells, nats.
    """
    expected = max(float(probabilities[..., 0].sum()) / len(probabilities), LEAST_EXPECTED)
    return np.asarray(uncertain.sum(axis=(1, 2)) / expected)


def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values moved and scaled to fill 0..1; of equal values all become 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def allowed_keys(codec: RollCodec, controls: Controls) -> NDArray[np.bool_]:
    """Return which pitches of the codec sound within range once transposed, ``(pitches,)``.

    When less than an octave would be left all are allowed, and the performer folds the notes into
    the range by octaves.
    """
    sounding = np.arange(codec.low, codec.high + 1) + controls.transpose
    inside = (sounding >= controls.low) & (sounding <= controls.high)
    if inside.sum() < OCTAVE:
        return np.ones(codec.pitches, dtype=np.bool_)
    return np.asarray(inside)


def on_scale(cells: NDArray[np.bool_], codec: RollCodec, controls: Controls) -> NDArray[np.bool_]:
    """Return the cells with those off the scale moved to its next note below, or above.

    A lock of less than 1 moves that share of the twelve pitch classes' foreign ones, the lowest
    first; what is moved onto a key that sounds already merges with it.
    """
    targets = scale_targets(
        range(codec.low, codec.high + 1),
        controls.scale,
        controls.root - controls.transpose,
        controls.scale_lock,
    )
    out = cells.copy() if targets else cells
    for pitch, target in targets.items():
        if target is not None:
            out[:, target - codec.low] |= cells[:, pitch - codec.low]
        out[:, pitch - codec.low] = False
    return out


def sounding_after(section: Section, told: frozenset[int]) -> Sounding:
    """Return the keys that sound at a section's end, and which of them may go on into the next.

    One whose note began in the section before and fills this one may not: how long it is was told
    with the section that it began in.
    """
    notes = section.notes
    whole = (notes["onset"] == 0) & (notes["length"] == len(section.entropies))
    ended = told & {int(key) for key in notes["pitch"][whole]}
    return Sounding(section.sounding, section.sounding - ended)


def join_sections(
    before: Section, after: Section, longest: int, told: frozenset[int] = frozenset()
) -> tuple[NDArray[Any], frozenset[int]]:
    """Make one note of what sounds across the line between two sections.

    Args:
        before: The section that ends.
        after: The one that follows; its own notes are not changed.
        longest: No note becomes longer, steps.
        told: Pitches of ``before`` whose first note was told with the section before it.

    Returns:
        The notes of ``before``, those that go on with their full length, and the pitches of
        ``after`` whose first note is thereby told.
    """
    steps = len(before.entropies)
    notes = before.notes.copy()
    onward, joined = sounding_after(before, told).onward, set()
    for i in np.flatnonzero(notes["onset"] + notes["length"] == steps).tolist():
        key = int(notes["pitch"][i])
        more = after.first.get(key)
        if more is not None and key in onward:
            notes["length"][i] += more
            joined.add(key)
    notes["length"] = np.minimum(notes["length"], longest)
    return notes, frozenset(joined)


def without(notes: NDArray[Any], told: frozenset[int]) -> NDArray[np.bool_]:
    """Return which notes are to be struck: all but the first of the pitches already told."""
    gone = (notes["onset"] == 0) & np.isin(notes["pitch"], sorted(told))
    return np.asarray(~gone)


def empty_section(codec: RollCodec) -> Section:
    """Return a section in which nothing sounds."""
    nothing = np.zeros((codec.steps, 1), dtype=np.float32)
    return Section(
        notes=np.zeros(0, CELL_DTYPE),
        sounding=frozenset(),
        first={},
        entropies=nothing,
        unsure=np.zeros(0, dtype=np.float32),
    )


def _moved(alpha: float, tilt: float) -> float:
    """Return a threshold moved by ``tilt`` logits."""
    if not tilt:
        return alpha
    logit = math.log(alpha / (1 - alpha)) + tilt
    return min(max(1 / (1 + math.exp(-logit)), LEAST_ALPHA), MOST_ALPHA)


def _of_notes(
    uncertain: NDArray[np.float64], notes: NDArray[Any], codec: RollCodec
) -> NDArray[np.float32]:
    """Return the mean entropy of the cells that each note covers."""
    sums = np.concatenate([np.zeros((1, uncertain.shape[1])), np.cumsum(uncertain, axis=0)])
    key = notes["pitch"].astype(np.int64) - codec.low
    start, length = notes["onset"], notes["length"]
    means = (sums[start + length, key] - sums[start, key]) / np.maximum(length, 1)
    return np.asarray(means, dtype=np.float32)
