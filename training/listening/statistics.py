"""What marks say: means with standard errors, and Wilcoxon signed-rank tests after Holm.

In: :class:`~training.listening.answers.Answers`. Out: plain data for JSON and a table. A listener
is one observation: marks of one person hang together. Where there are too few listeners for any
test to find something, pairs are the observations, and the report says so. [Wilcoxon1945],
[Holm1979].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.listening.answers import SCALES, Answers, Marked

LEAST_LISTENERS = 6
"""With fewer no signed-rank test reaches p < .05: the least p of n signs is 2 ** (1 - n)."""

ALPHA = 0.05
"""What p is compared with where it is said how many listeners are needed."""

LEAST_HEARD_S = 5.0
"""A clip that was played for less was marked unheard."""


def signed_rank(differences: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, int]:
    """Return Wilcoxon's signed-rank statistic, its exact two-sided p, and how many differ from 0.

    Differences of 0 are left out; ties share their mean rank, and the distribution is that of the
    ranks as they are, over all signs, so that p is exact with ties too.

    Returns:
        The sum of the ranks of positive differences, p, and how many differences are not 0.
    """
    values = np.asarray(differences, np.float64)
    values = np.round(values[values != 0], 12)
    values = values[values != 0]
    if not len(values):
        return 0.0, 1.0, 0
    size, inverse, counts = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    del size
    ends = np.cumsum(counts)
    doubled = (2 * ends - counts + 1)[inverse]  # twice the mean rank: a whole number
    total = int(doubled.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled.tolist():
        ways[rank:] += ways[: total + 1 - rank].copy()
        ways /= 2.0
    positive = int(doubled[values > 0].sum())
    tail = min(ways[: positive + 1].sum(), ways[positive:].sum())
    return positive / 2.0, float(min(1.0, 2.0 * tail)), len(values)


def holm(p: Sequence[float]) -> list[float]:
    """Return p values after Holm's step-down correction, in their order."""
    order = np.argsort(np.asarray(p), kind="stable")
    out, largest = np.zeros(len(p)), 0.0
    for place, index in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        out[index] = largest
    return [float(value) for value in out]


def least_p(observations: int, tests: int) -> float:
    """Return the least p after Holm that so many observations can reach in so many tests.

    It is that of the test in which all differences have one sign, none is 0, and no other p is
    less: ``tests * 2 ** (1 - observations)``.
    """
    return float(min(1.0, tests * 2.0 ** (1 - observations)))


def needed(tests: int) -> int:
    """Return the least number of listeners with whom something can be found at :data:`ALPHA`."""
    return 2 + math.floor(math.log2(tests / ALPHA))


def summarise(answers: Answers) -> dict[str, Any]:
    """Return means, standard errors and tests.

    Returns:
        ``listeners``, ``pairs`` marked, ``unit`` of an observation (``listener`` or ``pair``),
        ``least_p_holm``: the least p after correction that as many observations can reach;
        ``listeners_needed``: with whom that would be below :data:`ALPHA`; ``systems``: name to
        scale to ``mean``, ``se`` (None where there is one observation) and ``count``; ``tests``: a
        row for each two systems and each scale with the mean ``difference``, ``w``, ``n`` that
        differ of ``count`` observations, ``p`` and ``p_holm``; ``unheard``: clips that were
        marked and hardly played.
    """
    listeners = answers.listeners
    unit = "listener" if len(listeners) >= LEAST_LISTENERS else "pair"
    names = list(answers.key["systems"])
    systems = {
        name: {
            scale.name: _figure(_marks_of(answers.marked, name, i, unit))
            for i, scale in enumerate(SCALES)
        }
        for name in names
    }
    tests = [
        {"systems": [a, b], "scale": scale.name, **_test(answers.marked, a, b, i, unit)}
        for a, b in combinations(names, 2)
        for i, scale in enumerate(SCALES)
    ]
    for row, corrected in zip(tests, holm([row["p"] for row in tests]), strict=True):
        row["p_holm"] = corrected
    heard = [seconds for row in answers.marked for seconds in row.heard_s if seconds is not None]
    return {
        "test": answers.key["test"], "title": answers.key["title"], "unit": unit,
        "listeners": len(listeners), "pairs": len(answers.marked), "systems": systems,
        "least_p_holm": least_p(max(row["count"] for row in tests), len(tests)),
        "listeners_needed": needed(len(tests)),
        "tests": tests, "unheard": sum(seconds < LEAST_HEARD_S for seconds in heard),
    }  # fmt: skip


def _grouped(rows: list[tuple[str, float]]) -> NDArray[np.float64]:
    """Return the mean of each group, in the order in which they are met."""
    groups: dict[str, list[float]] = {}
    for group, value in rows:
        groups.setdefault(group, []).append(value)
    return np.array([np.mean(values) for values in groups.values()])


def _marks_of(marked: Sequence[Marked], name: str, scale: int, unit: str) -> NDArray[np.float64]:
    rows = [
        (row.listener if unit == "listener" else row.pair, float(marks[scale]))
        for row in marked
        for system, marks in zip(row.systems, row.marks, strict=True)
        if system == name
    ]
    return _grouped(rows)


def _figure(values: NDArray[np.float64]) -> dict[str, Any]:
    if not len(values):
        return {"mean": None, "se": None, "count": 0}
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(values.mean()), "se": error, "count": len(values)}


def _test(marked: Sequence[Marked], a: str, b: str, scale: int, unit: str) -> dict[str, Any]:
    rows = []
    for row in marked:
        if set(row.systems) != {a, b}:
            continue
        mine, other = row.marks if row.systems == (a, b) else row.marks[::-1]
        group = row.listener if unit == "listener" else row.pair
        rows.append((group, float(mine[scale] - other[scale])))
    values = _grouped(rows)
    w, p, differ = signed_rank(values)
    difference = float(values.mean()) if len(values) else None
    return {"difference": difference, "w": w, "n": differ, "count": len(values), "p": p}
