"""What a chain can be asked for, and the input that asks: the trained controls.

A model that was trained with them has an input ``asked``: numbers that say what the next phrase is
to be like. In training they were measured on the phrase itself and left out at random, each alone
and all together, so that zeros ask for nothing. What each is, and how it is measured on notes, is
defined here once, for training, for the graph's input and for measuring what came of it.

In: notes, or wishes. Out: ``(ASKED_WIDTH,)`` float32. Pure numpy; any thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import CHORD_MS, NoteArray
from streamer.music.scales import OCTAVE

ASKED_INPUT = "asked"
"""Name of the graph's input, ``(batch, ASKED_WIDTH)``: of all notes of a call."""


@dataclass(frozen=True, slots=True)
class Dial:
    """One thing to ask for: a number whose usual values are known.

    Attributes:
        name: Of the control.
        middle: A usual value.
        spread: About a standard deviation over phrases of piano music.
        unit: What the number counts.
    """

    name: str
    middle: float
    spread: float
    unit: str


DIALS = (
    Dial("density", 2.2, 0.6, "log of notes a second"),
    Dial("loudness", 60.0, 16.0, "mean velocity"),
    Dial("register", 62.0, 8.0, "mean pitch"),
    Dial("polyphony", 0.45, 0.35, "log of keys struck together, mean"),
    Dial("pedal", 0.5, 0.4, "share of notes with the pedal down"),
    Dial("regularity", 0.6, 0.3, "1: each onset comes as long after the last as that did"),
    Dial("repetition", 0.3, 0.35, "share of notes in figures that came before"),
)

KNOTS = np.arange(-3.0, 4.0)
"""Where a dial's hats have their peaks, spreads from its middle."""

SHORTEST_GAP = 0.005
"""Seconds a note that a phrase takes at least: all at once is not infinitely dense."""

KEY_SCALE = 4.0
"""What shares of pitch classes are multiplied by, to be as large as the rest."""

BEFORE_KEY = 6
"""Dials whose numbers come before those of the key; the rest were added later, and a bundle whose
input is narrower cannot be asked for them."""

ASKED_WIDTH = len(DIALS) * len(KNOTS) + OCTAVE + 1


def place_of(dial: int) -> slice:
    """Return where the numbers of one of :data:`DIALS` are in the input."""
    start = dial * len(KNOTS) + (OCTAVE + 1 if dial >= BEFORE_KEY else 0)
    return slice(start, start + len(KNOTS))


KEY_PLACE = slice(BEFORE_KEY * len(KNOTS), BEFORE_KEY * len(KNOTS) + OCTAVE + 1)
"""Where the numbers of the key are: the share of each pitch class, and 1 where it is asked for."""


def measure(
    notes: NoteArray, until_ms: float | None = None, returning: NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """Return what each dial shows of some notes.

    Args:
        notes: Sorted by onset, one or more.
        returning: Whether each lies in a figure that came before
            (:func:`streamer.measures.repetition.returning_notes`); None: not known, and not told.
        until_ms: When the next note begins, ms; None: unknown, as long after the last as the
            mean of those before.
    """
    onsets = notes["onset_ms"].astype(np.float64)
    count = len(notes)
    span = float((onsets[-1] if until_ms is None else until_ms) - onsets[0])
    if until_ms is None and count > 1:
        span *= count / (count - 1)
    gaps = np.diff(onsets)
    groups = 1 + int((gaps > CHORD_MS).sum())
    shown = {
        "density": math.log(count / max(span / 1000.0, SHORTEST_GAP * count)),
        "loudness": float(notes["velocity"].mean()),
        "register": float(notes["pitch"].mean()),
        "polyphony": math.log(count / groups),
        "pedal": float(notes["pedal"].mean()),
        "regularity": _regularity(onsets, gaps),
    }
    if returning is not None:
        shown["repetition"] = float(returning.mean())
    return shown


def _regularity(onsets: NDArray[np.float64], gaps: NDArray[np.float64]) -> float:
    """Return how alike neighbouring times between onsets are: 1 all, 0 none."""
    starts = onsets[np.concatenate([[True], gaps > CHORD_MS])]
    times = np.diff(starts)
    if len(times) < 2:
        return 1.0
    return float(np.exp(-np.abs(np.diff(np.log(times)))).mean())


def pitch_classes(notes: NoteArray) -> NDArray[np.float64]:
    """Return the share of each pitch class among some notes, ``(12,)``."""
    counts = np.bincount(notes["pitch"].astype(np.int64) % OCTAVE, minlength=OCTAVE)
    return np.asarray(counts / max(1, counts.sum()), dtype=np.float64)


def asked_vector(
    wishes: Mapping[str, float],
    key: Sequence[float] | NDArray[np.float64] | None = None,
    width: int = ASKED_WIDTH,
) -> NDArray[np.float32]:
    """Return the input that asks for some values, ``(width,)`` float32.

    Args:
        wishes: Value by name of the dial; what is not named is not asked for. Beyond three spreads
            a value counts as three.
        key: Share of each pitch class, ``(12,)``; None asks for no key.
        width: Of the bundle's input; what lies beyond cannot be asked of it.
    """
    out = np.zeros(ASKED_WIDTH, dtype=np.float32)
    for place, dial in enumerate(DIALS):
        if dial.name in wishes:
            away = (wishes[dial.name] - dial.middle) / dial.spread
            away = min(max(away, KNOTS[0]), KNOTS[-1])
            hats = np.maximum(0.0, 1.0 - np.abs(away - KNOTS))
            out[place_of(place)] = hats
    if key is not None:
        out[KEY_PLACE] = [*(KEY_SCALE * np.asarray(key)), 1.0]
    return out[:width]
