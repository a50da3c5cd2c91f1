"""How late messages leave: a histogram that never grows, and its quantiles."""

from __future__ import annotations

import math
from itertools import accumulate

CELLS = 400
LEAST_SECONDS, GROWTH = 1e-6, 1.05
"""Cell k holds what is up to ``LEAST_SECONDS * GROWTH**k``: 1 us to 5 minutes, in steps of 5 %."""


class LatenessHistogram:
    """Counts of lateness in seconds. One thread adds, any may read."""

    def __init__(self) -> None:
        self._counts = [0] * CELLS
        self.count = 0
        self.max_seconds = 0.0
        self.total_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one message that left so late; what is early counts as punctual."""
        cell = 0
        if seconds > LEAST_SECONDS:
            cell = min(math.ceil(math.log(seconds / LEAST_SECONDS) / math.log(GROWTH)), CELLS - 1)
        self._counts[cell] += 1
        self.count += 1
        self.max_seconds = max(self.max_seconds, seconds)
        self.total_seconds += max(seconds, 0.0)

    def quantile(self, q: float) -> float:
        """Return the lateness in seconds that a share ``q`` of all messages did not exceed.

        It is at most 5 % too large. 0.0 where nothing was counted.

        Raises:
            ValueError: ``q`` is out of range.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q must be in range 0..1, not {q}")
        wanted, seen = max(math.ceil(q * self.count), 1), 0
        for cell, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and self.count:
                return min(LEAST_SECONDS * GROWTH**cell, self.max_seconds)
        return 0.0

    def cumulative(self) -> tuple[list[float], list[int]]:
        """Return the upper bound of each cell in seconds, and how many lie up to it."""
        bounds = [LEAST_SECONDS * GROWTH**cell for cell in range(CELLS)]
        return bounds, list(accumulate(self._counts))

    def to_dict(self) -> dict[str, float]:
        """Return p50, p99, p999 and max in milliseconds, ready for JSON."""
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
        figures = {name: round(self.quantile(q) * 1000.0, 4) for name, q in shares.items()}
        return {**figures, "max": round(self.max_seconds * 1000.0, 4)}
