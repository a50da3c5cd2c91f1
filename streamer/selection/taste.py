"""Taste: what a person liked and disliked, and which candidates are likely to be liked (ours).

In: phrases that a person marked while they sounded. Out: for each candidate how much likelier it is
to be liked than not, a logit, by a logistic regression on figures that every family's phrases have.
It chooses among what passes the filters and never drops: of the candidates that are left so many
stay as the control ``taste`` says, the best liked of them, and the family's own ranking picks one.
Without marks of both kinds it says nothing.

The model is fitted anew at each mark (Newton's method with a ridge penalty: eleven weights, at most
500 marks), in about a millisecond. The marks lie in a file of the state folder.

Threads: any.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import StreamerError
from streamer.measures.entropy import Floats
from streamer.music.keys import likeness
from streamer.music.notes import Phrase
from streamer.selection.filters import Context
from streamer.settings.controls import LiveControls
from streamer.settings.taste import TasteControls
from streamer.system.atomic import atomic_file

logger = logging.getLogger(__name__)

FILE_NAME = "taste.json"
SCHEMA = 1
MOST_MARKS = 500
"""The oldest marks are forgotten."""

MOST_BYTES = 1024 * 1024
LEAST_NOTES = 2
"""A phrase with fewer notes says nothing of taste."""

RIDGE = 1.0
"""Penalty of a squared weight, in marks: a weight of 1 needs evidence."""

STEPS = 12
"""Of Newton's method; it has settled long before."""

FEATURES = (
    "density", "loudness", "loudness_spread", "register", "register_spread", "mode", "polyphony",
    "regularity", "length", "pedal",
)  # fmt: skip
"""What is looked at of a phrase, in this order (:func:`describe`)."""

MIDDLE = np.array([1.3, 64.0, 10.0, 60.0, 9.0, 0.0, 0.8, 0.8, 5.5, 0.4])
SCALE = np.array([0.7, 18.0, 6.0, 9.0, 4.0, 0.3, 0.5, 0.4, 0.8, 0.4])
"""About where phrases lie, and how far apart: figures are taken in these units."""


def describe(phrase: Phrase) -> Floats | None:
    """Return the figures of a phrase, ``(10,)``, in units of :data:`SCALE` about :data:`MIDDLE`.

    They are: log of notes a second, mean and spread of velocity, mean and spread of pitch, how much
    more major than minor it is (difference of correlations), log of keys down at a time, 1 less the
    coefficient of variation of inter-onset intervals, log of the mean length in ms, share of notes
    with the pedal. Pitch is that of pitched notes alone.

    Returns:
        None where there is too little to describe.
    """
    notes = phrase.notes
    if len(notes) < LEAST_NOTES or not phrase.seconds > 0:
        return None
    onsets = np.array([note.onset_ms for note in notes])
    lengths = np.array([note.duration_ms for note in notes])
    velocity = np.array([note.velocity for note in notes], dtype=np.float64)
    pitches = np.array([n.pitch for n in notes if not n.unpitched] or [MIDDLE[3]], dtype=float)
    gaps = np.diff(np.unique(onsets))
    uneven = float(gaps.std() / gaps.mean()) if len(gaps) else 0.0
    figures = np.array(
        [
            math.log(len(notes) / phrase.seconds),
            velocity.mean(),
            velocity.std(),
            pitches.mean(),
            pitches.std(),
            mode_of(pitches),
            math.log(max(float(lengths.sum()) / (1000.0 * phrase.seconds), 0.1)),
            1.0 - min(uneven, 2.0),
            math.log(max(float(lengths.mean()), 1.0)),
            float(np.mean([note.pedal for note in notes])),
        ]
    )
    found: Floats = np.clip((figures - MIDDLE) / SCALE, -4.0, 4.0)
    return found


def mode_of(pitches: NDArray[Any]) -> float:
    """Return how much more major than minor pitches are: difference of the best correlations."""
    counts = np.bincount(pitches.astype(np.int64) % 12, minlength=12).astype(np.float64)
    fits = likeness(counts)
    return float(fits[0].max() - fits[1].max())


def fitted(marks: Floats, liked: NDArray[np.bool_]) -> Floats:
    """Return the weights of a logistic regression, ``(11,)``: constant, then each figure's.

    Args:
        marks: ``(marks, 10)``.
        liked: ``(marks,)``, some of both kinds.
    """
    x = np.column_stack([np.ones(len(marks)), marks])
    ridge = np.diag([1e-3, *[RIDGE] * marks.shape[1]])
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (liked - p) - ridge @ weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights


class Taste:
    """Holds marks and judges candidates by them.

    Args:
        controls: Live; how much it counts.
        path: Where marks are kept; None keeps none.
    """

    def __init__(self, controls: LiveControls, path: Path | None = None) -> None:
        self._controls, self._path = controls, path
        self._lock = threading.Lock()
        self._marks: list[tuple[Floats, bool]] = [] if path is None else _read(path)
        self._weights: Floats | None = None
        self._unsaved = False
        self._fit()

    def __call__(self, phrase: Phrase, context: Context) -> None:
        """Drop nothing (:data:`streamer.selection.filters.Filter`)."""

    @property
    def counts(self) -> tuple[int, int]:
        """How many marks are held: liked, not liked."""
        liked = [one for _, one in self._marks]
        return sum(liked), len(liked) - sum(liked)

    @property
    def weights(self) -> dict[str, float]:
        """How much each figure counts, in logits for a unit of it; empty where nothing does yet."""
        weights = self._weights
        if weights is None:
            return {}
        return {name: round(float(one), 3) for name, one in zip(FEATURES, weights[1:], strict=True)}

    def mark(self, phrase: Phrase, *, liked: bool) -> bool:
        """Take in what a person thinks of a phrase; return whether it says anything."""
        figures = describe(phrase)
        if figures is None:
            return False
        with self._lock:
            self._marks = [*self._marks, (figures, liked)][-MOST_MARKS:]
            self._fit()
            self._unsaved = True
        return True

    def forget(self) -> None:
        """Forget all marks."""
        with self._lock:
            self._marks, self._unsaved = [], True
            self._fit()

    def logits(self, phrases: Sequence[Phrase]) -> Floats | None:
        """Return how much likelier each phrase is to be liked than not; None without enough marks.

        A phrase with too little to describe is as likely as not.
        """
        weights = self._weights
        if weights is None:
            return None
        described = [describe(phrase) for phrase in phrases]
        return np.array(
            [0.0 if one is None else float(weights[0] + weights[1:] @ one) for one in described]
        )

    def favoured(self, phrases: Sequence[Phrase], kept: Sequence[int]) -> list[int]:
        """Return those candidates that are left to be picked from, in their order.

        Args:
            phrases: All candidates.
            kept: Indices of those that passed, one or more.

        Returns:
            Of n as many as n to the power of (1 - ``taste``), at least one: the best liked.
        """
        strength = self._controls.snapshot().of(TasteControls).taste
        if not strength or len(kept) < 2:
            return [*kept]
        logits = self.logits([phrases[k] for k in kept])
        if logits is None:
            return [*kept]
        count = max(round(len(kept) ** (1.0 - strength)), 1)
        best = np.argsort(-logits, kind="stable")[:count]
        return [kept[at] for at in sorted(best.tolist())]

    def save(self) -> None:
        """Write the marks down where they have changed; a disk that refuses is told of once."""
        with self._lock:
            if self._path is None or not self._unsaved:
                return
            self._unsaved, marks = False, self._marks
        rows = [[liked, *(round(float(x), 4) for x in figures)] for figures, liked in marks]
        document = {"schema": SCHEMA, "features": FEATURES, "marks": rows}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self._path) as file:
                file.write(json.dumps(document).encode())
        except (OSError, StreamerError) as error:
            logger.warning("%s: the marks are not kept (%s)", self._path, error)
            self._path = None

    def _fit(self) -> None:
        liked = np.array([one for _, one in self._marks], dtype=np.bool_)
        if not liked.any() or liked.all():
            self._weights = None
            return
        self._weights = fitted(np.array([figures for figures, _ in self._marks]), liked)


def _read(path: Path) -> list[tuple[Floats, bool]]:
    """Return the marks of a file; none of one that is not there, or, with a line, is broken."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        if document["schema"] != SCHEMA or tuple(document["features"]) != FEATURES:
            raise ValueError("it is of another version")
        marks = []
        for liked, *figures in document["marks"][-MOST_MARKS:]:
            row = np.array(figures, dtype=np.float64)
            if type(liked) is not bool or row.shape != (len(FEATURES),) or not _sound(row):
                raise ValueError("a mark of it is none")
            marks.append((row, liked))
    except FileNotFoundError:
        return []
    except PermissionError as error:  # a person without a home of their own
        logger.debug("%s cannot be read (%s)", path, error)
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        logger.warning("%s cannot be read (%s); beginning without marks", path, error)
        return []
    return marks


def _sound(row: Floats) -> bool:
    return bool(np.isfinite(row).all() and np.abs(row).max() <= 4.0)
