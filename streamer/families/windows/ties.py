"""Ties into a bar that does not know the one before it.

A network of single bars says of each key how likely it is held at the first step without being
struck there: over all bars that might have come before. Where it is known which keys sound, that
probability is divided by the key's own of sounding at the end of a bar (Bayes): what is left are
ties. The bundle carries the thresholds, one a pitch, so that as many of the sounding keys are tied
as in its corpus. A key that does not sound cannot be tied: it is struck, or it is silent.

In: the probabilities of a bar, its cells, the keys that sound. Out: the cells with ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SURVIVING = 0.5
"""A tie is held for as long as the network holds its key at this share of the first step's
probability: until it is as likely over as not."""


@dataclass(frozen=True, slots=True)
class Sounding:
    """Keys at the end of the section before.

    Attributes:
        keys: Pitches that sound there.
        onward: Those of them whose note may become longer.
    """

    keys: frozenset[int] = frozenset()
    onward: frozenset[int] = frozenset()


def tie_evidence(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probability of each key to be held at the first step and not struck there.

    Args:
        values: ``(..., steps, pitches, 2)``, 0..1: held, struck.
    """
    first = np.asarray(values[..., 0, :, :], dtype=np.float64)
    return np.asarray(first[..., 0] * (1.0 - first[..., 1]))


def with_ties(
    cells: NDArray[np.bool_],
    values: NDArray[np.float64],
    low: int,
    sounding: Sounding,
    thresholds: Sequence[float],
    struck_above: float,
) -> NDArray[np.bool_]:
    """Return the cells of a bar that goes on from keys that sound.

    A key that the network would rather strike anew, each measured by its own threshold, is struck.
    What is held from the first step without a strike, on a key that does not sound, is left out.

    Args:
        cells: ``(steps, pitches, 2)``: held, struck.
        values: The probabilities of the same.
        low: Pitch of the first column.
        sounding: What sounds until the bar begins.
        thresholds: Above which a sounding key is tied, one a pitch.
        struck_above: The threshold of strikes.
    """
    out = cells.copy()
    evidence = tie_evidence(values)
    for pitch in sounding.onward:
        key = pitch - low
        tied, struck = evidence[key] / thresholds[key], values[0, key, 1] / struck_above
        if tied <= 1.0 or struck > max(1.0, tied):
            continue
        out[0, key, 1] = False
        alive = values[:, key, 0] >= SURVIVING * values[0, key, 0]
        alive[1:] &= ~cells[1:, key, 1]
        out[: _run(alive), key, 0] = True
    silent = np.ones(cells.shape[1], dtype=np.bool_)
    silent[[pitch - low for pitch in sounding.keys]] = False
    for key in np.flatnonzero(silent & cells[0, :, 0] & ~cells[0, :, 1]).tolist():
        out[: _run(cells[:, key, 0] & ~cells[:, key, 1]), key, 0] = False
    return out


def _run(true: NDArray[np.bool_]) -> int:
    """Return how many values are true before the first that is not."""
    return len(true) if true.all() else int(np.argmin(true))
