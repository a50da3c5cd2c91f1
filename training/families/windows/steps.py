"""How far music goes from one section to the next, as it is heard.

In: sections of a corpus that follow each other, and a model's sections a step of its walk apart.
Out: the step at which those are as alike as these. Bundles carry it, so that their stream moves on
as the corpus does; the studies generate with it. What is compared is the pitch classes: latents
themselves say little, for most of their components say nothing, and the rest not evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import Sections, chunks

PAIRS = 256
"""Pairs of sections by which a step is chosen."""

GRID = tuple(round(0.05 * i, 2) for i in range(1, 21))
"""Steps that are tried, 0..1."""

Redraw = Callable[[float, np.random.Generator], tuple[NDArray[Any], NDArray[Any]]]
"""A step and randomness -> cells ``(n, steps, pitches)`` of sections, and of those a step on."""


def likeness(before: NDArray[Any], after: NDArray[Any], low: int) -> float:
    """Return the mean cosine of the pitch classes of sections, of those in which both sound.

    Args:
        before: Held cells, ``(n, steps, pitches)``.
        after: The same of the sections to compare.
        low: Pitch of the first column.
    """
    first, second = (_classes(cells, low) for cells in (before, after))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    both = lengths > 0
    return float(((first * second).sum(axis=1)[both] / lengths[both]).mean()) if both.any() else 0.0


def corpus_likeness(found: Sections) -> float:
    """Return the likeness of sections that follow each other, given in order."""
    cells = found.cells(slice(None))[..., 0]
    follows = found.piece[1:] == found.piece[:-1]
    return likeness(cells[:-1][follows], cells[1:][follows], found.codec.low)


def following(scores: ScoreSet, indices: list[int], codec: RollCodec, hop_steps: int) -> Sections:
    """Return sections of pieces, one every ``hop_steps``, in order."""
    return chunks(scores, indices, codec, hop_beats=hop_steps / codec.steps_per_beat)


def usual_step(redraw: Redraw, wanted: float, low: int) -> float:
    """Return the step at which a model's sections are as alike as those of its corpus, 0..1.

    Args:
        redraw: Draws pairs.
        wanted: Likeness in the corpus.
        low: Pitch of the first column.
    """
    found = [likeness(*redraw(step, np.random.default_rng(1)), low) for step in GRID]
    # The further the less alike; noise must not turn that round.
    falling = np.minimum.accumulate(found)
    step = float(np.interp(-wanted, -falling, GRID))
    return round(min(max(step, 0.01), 0.99), 3)


def _classes(cells: NDArray[Any], low: int) -> NDArray[np.float64]:
    counts = cells.sum(axis=1, dtype=np.float64)
    classes = (np.arange(counts.shape[1]) + low) % 12
    return np.stack([counts[:, classes == c].sum(axis=1) for c in range(12)], axis=1)
