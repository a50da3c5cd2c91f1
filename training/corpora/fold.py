"""Lengths of a track -> at most eleven different ones.

The paper drops a track whose delays take more than eleven values. That keeps scores and loses
nearly every pop song and jazz solo, for a few long rests and odd notes each. So, before the rule:
a rest over :data:`LONGEST_BEATS` is shortened by whole bars, and where more than eleven values are
left, the rare ones become the nearest of the eleven that fit best. A track of which more than
:data:`MOST_FOLDED` would change is dropped by the rule as it stands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST_BEATS = 8.0
"""The longest time from onset to onset that is kept, beats."""

LENGTHS_IN_TRACK = 11
"""Different lengths in a track ([Yamshchikov2020])."""

MOST_FOLDED = 0.12
"""The greatest share of a track's lengths that may be changed."""

_CHANGED = 0.5
"""What changing a length at all costs, in octaves of the length."""


def shorten_rests(delays: NDArray[np.float64], bar: float) -> tuple[NDArray[np.float64], int]:
    """Return delays with those over :data:`LONGEST_BEATS` shortened by whole bars, and how many.

    Args:
        delays: Times to the next onset, beats.
        bar: Length of a bar, beats, > 0; of one longer than the limit, beats are taken.
    """
    step = bar if bar <= LONGEST_BEATS else 1.0
    over = np.maximum(0.0, np.ceil((delays - LONGEST_BEATS) / step - 1e-9))
    return delays - over * step, int((over > 0).sum())


def fold(
    lengths: NDArray[np.int64], most: int = LENGTHS_IN_TRACK
) -> tuple[NDArray[np.int64], float]:
    """Return lengths of at most ``most`` values, and the share of them that changed.

    The values that remain are those for which the sum over all notes of
    0.5 [changed] + |log2(new / old)| is least; there are few enough to find them exactly.

    Args:
        lengths: Twelfths, > 0.
        most: How many values may remain, at least 1.
    """
    values, inverse, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    if len(values) <= most:
        return lengths, 0.0
    logs = np.log2(values)
    cost = counts[:, None] * (
        np.abs(logs[:, None] - logs[None, :]) + _CHANGED * ~np.eye(len(values), dtype=np.bool_)
    )
    kept = _best(cost, most)
    nearest = kept[np.argmin(cost[:, kept], axis=1)]
    changed = float(counts[nearest != np.arange(len(values))].sum() / counts.sum())
    return values[nearest][inverse], changed


def _best(cost: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return which ``most`` values serve all best: a shortest path, value after value.

    Between two neighbours of those kept, each value goes to the cheaper of the two.
    """
    size = len(cost)
    # between[a, b]: what the values after a and before b cost when a and b are kept.
    between = np.full((size, size), np.inf)
    for a in range(size):
        between[a, a + 1 :] = [
            np.minimum(cost[a + 1 : b, a], cost[a + 1 : b, b]).sum() for b in range(a + 1, size)
        ]
    total = np.array([cost[:b, b].sum() for b in range(size)])
    before: list[NDArray[np.intp]] = []
    for _ in range(most - 1):
        paths = total[:, None] + between
        before.append(np.argmin(paths, axis=0))
        total = paths.min(axis=0)
    after = np.array([cost[a + 1 :, a].sum() for a in range(size)])
    at = int(np.argmin(total + after))
    kept = [at]
    for step in reversed(before):
        at = int(step[at])
        kept.append(at)
    return np.asarray(kept[::-1], dtype=np.intp)
