"""Confidence intervals by bootstrap: how far a figure could be off, given these pieces.

Values come in one for each piece (or with the piece that each belongs to, for values that are not
independent inside a piece); an :class:`Interval` goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps ``(resamples, n)`` to ``(resamples,)``."""


@dataclass(frozen=True)
class Interval:
    """A figure and where it may lie.

    Attributes:
        value: The estimate on all of the data.
        low: Lower limit of the interval.
        high: Upper limit.
        count: How many independent units (pieces) it rests on.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def to_dict(self) -> dict[str, float | int]:
        """Return plain data for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "count": self.count}


NOTHING = Interval(float("nan"), float("nan"), float("nan"), 0)
"""The interval of no data at all."""


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the last axis."""
    return np.asarray(np.median(values, axis=-1))


def _check(level: float, resamples: int) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be in range 0..1, both excluded, not {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")


def interval(
    values: Sequence[float] | NDArray[Any],
    rng: np.random.Generator,
    statistic: Statistic = mean,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return a statistic of independent values with its percentile interval.

    Args:
        values: One figure a piece; those that are not finite are left out.
        rng: Where the resamples come from.
        statistic: :func:`mean`, :func:`median` or another over the last axis.
        level: Share of resamples inside the interval, 0..1.
        resamples: How many.

    Returns:
        The interval; :data:`NOTHING` when no value is finite.

    Raises:
        ValueError: ``level`` or ``resamples`` is out of range.
    """
    _check(level, resamples)
    data = np.asarray(values, dtype=np.float64)
    data = data[np.isfinite(data)]
    if len(data) == 0:
        return NOTHING
    drawn = statistic(data[rng.integers(len(data), size=(resamples, len(data)))])
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(statistic(data[None])[0]), float(low), float(high), len(data))


def difference(
    first: Sequence[float] | NDArray[Any],
    second: Sequence[float] | NDArray[Any],
    rng: np.random.Generator,
    statistic: Statistic = mean,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return ``statistic(first) - statistic(second)`` of two independent samples; see above."""
    _check(level, resamples)
    a = np.asarray(first, dtype=np.float64)
    b = np.asarray(second, dtype=np.float64)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if len(a) == 0 or len(b) == 0:
        return NOTHING
    drawn = statistic(a[rng.integers(len(a), size=(resamples, len(a)))])
    drawn = drawn - statistic(b[rng.integers(len(b), size=(resamples, len(b)))])
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    value = float(statistic(a[None])[0] - statistic(b[None])[0])
    return Interval(value, float(low), float(high), min(len(a), len(b)))
