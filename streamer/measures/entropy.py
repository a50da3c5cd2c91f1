"""Entropy sequences of a phrase and how likely they are in the corpus ([Liu2025], section 4).

In: the model's untempered entropies, nats, one row a note. Out: three statistics for each argument,
and for each statistic its likelihood under the corpus's histograms, which the bundle carries.
Training and evaluation measure the corpus with the very same functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STATISTICS = ("mean", "variance", "moving_average_variance")
"""What is measured of an entropy sequence, in the order of the first axis of every result here."""

HISTOGRAM_CELLS = 30
"""Cells of a corpus histogram (docs/design/chain.md, "Selection")."""


def moving_average(sequence: NDArray[Any], window: int | None = None) -> Floats:
    """Smooth along the first axis.

    Args:
        sequence: ``(notes, ...)``, at least one note.
        window: Average the last ``window`` values; None averages everything so far, which is the
            expanding mean of the paper's authors.

    Returns:
        float64 of the same shape. The first ``window - 1`` values average what there is.

    Raises:
        ValueError: ``window`` is below 1.
    """
    values = np.asarray(sequence, dtype=np.float64)
    total = np.cumsum(values, axis=0)
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    if window is not None:
        if window < 1:
            raise ValueError(f"window must be 1 or more, not {window}")
        total[window:] = total[window:] - total[:-window]
        count = np.minimum(count, window)
    return total / count.reshape(-1, *(1,) * (values.ndim - 1))


def sequence_statistics(entropies: NDArray[Any], window: int | None = None) -> Floats:
    """Return mean, population variance and variance of the moving average of entropy sequences.

    Args:
        entropies: ``(notes, ..., arguments)``, nats; axes in between are candidates, for example.
        window: As in :func:`moving_average`.

    Returns:
        ``(3, ..., arguments)``, float64, in the order of :data:`STATISTICS`.

    Raises:
        ValueError: There is no note.
    """
    values = np.asarray(entropies, dtype=np.float64)
    if values.ndim < 1 or not len(values):
        raise ValueError("entropies must hold at least 1 note")
    smooth = moving_average(values, window)
    return np.stack([values.mean(axis=0), values.var(axis=0), smooth.var(axis=0)])


@dataclass(frozen=True)
class Histogram:
    """Counts of one statistic over the corpus.

    Attributes:
        edges: ``cells + 1`` ascending numbers.
        counts: ``cells`` numbers, >= 0.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.counts) < 1 or len(self.edges) != len(self.counts) + 1:
            raise ValueError(
                f"a histogram needs one edge more than counts, not {len(self.edges)} edges and "
                f"{len(self.counts)} counts"
            )
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges of a histogram must ascend")
        if min(self.counts) < 0:
            raise ValueError(f"counts of a histogram must be 0 or more, not {min(self.counts)}")

    @cached_property
    def _edges(self) -> Floats:
        return np.asarray(self.edges, dtype=np.float64)

    @cached_property
    def _padded(self) -> Floats:
        # A zero on either side is what a value beyond the ends looks up.
        counts = np.asarray(self.counts, dtype=np.float64)
        return np.concatenate(([0.0], counts / max(counts.max(), 1.0), [0.0]))

    @cached_property
    def middle_and_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of what was counted, each cell at its middle."""
        middles = (self._edges[1:] + self._edges[:-1]) / 2.0
        shares = self._padded[1:-1] / max(float(self._padded.sum()), 1e-12)
        mean = float(middles @ shares)
        width = float((self._edges[1:] - self._edges[:-1]).mean())
        return mean, max(float(np.sqrt(((middles - mean) ** 2) @ shares)), width)

    def likelihood(self, values: NDArray[Any]) -> Floats:
        """Return the count of each value's cell over the largest cell's, 0..1; 0 outside.

        The last cell includes its upper edge, as in ``numpy.histogram``.
        """
        index = np.searchsorted(self._edges, values, side="right")
        at_end = np.asarray(values) == self._edges[-1]
        return self._padded[np.where(at_end, len(self.counts), index)]


@dataclass(frozen=True)
class CorpusEntropy:
    """The corpus's own entropy statistics: one histogram a statistic and argument.

    Attributes:
        histograms: ``[statistic][argument]``, statistics in the order of :data:`STATISTICS`.
    """

    histograms: tuple[tuple[Histogram, ...], ...]

    def __post_init__(self) -> None:
        if len(self.histograms) != len(STATISTICS):
            raise ValueError(f"{len(STATISTICS)} statistics wanted, not {len(self.histograms)}")
        if len({len(row) for row in self.histograms}) != 1:
            raise ValueError("every statistic needs a histogram for each argument")

    @classmethod
    def from_columns(cls, arguments: Sequence[Mapping[str, Mapping[str, Any]]]) -> CorpusEntropy:
        """Read the manifest's form: for each argument ``{statistic: {"edges", "counts"}}``.

        Raises:
            ValueError: A histogram is not well formed.
            KeyError: A statistic is missing.
        """

        def read(cell: Mapping[str, Any]) -> Histogram:
            edges, counts = cell["edges"], cell["counts"]
            return Histogram(tuple(map(float, edges)), tuple(map(float, counts)))

        return cls(tuple(tuple(read(a[name]) for a in arguments) for name in STATISTICS))

    @classmethod
    def measure(cls, statistics: NDArray[Any], cells: int = HISTOGRAM_CELLS) -> CorpusEntropy:
        """Make the histograms of a corpus.

        Args:
            statistics: ``(3, phrases, arguments)``, as :func:`sequence_statistics` gives them.
            cells: Cells of each histogram, equally wide between least and largest value.
        """

        def one(values: Floats) -> Histogram:
            low, high = float(values.min()), float(values.max())
            # Values that are all but equal still need cells that a double can tell apart.
            span = max(high - low, max(abs(low), 1.0) * 1e-6)
            edges = np.linspace(low, low + span, cells + 1)
            edges[-1] = max(edges[-1], high)
            counts = np.histogram(values, bins=edges)[0]
            return Histogram(tuple(edges.tolist()), tuple(counts.astype(float).tolist()))

        values = np.asarray(statistics, dtype=np.float64)
        return cls(tuple(tuple(one(column) for column in table.T) for table in values))

    @property
    def arguments(self) -> int:
        """Number of note arguments."""
        return len(self.histograms[0])

    def likelihood(self, statistics: NDArray[Any]) -> Floats:
        """Return P for statistics ``(3, ..., arguments)``; same shape, 0..1."""
        values = np.asarray(statistics, dtype=np.float64)
        result = np.empty_like(values)
        for s, row in enumerate(self.histograms):
            for a, histogram in enumerate(row):
                result[s, ..., a] = histogram.likelihood(values[s, ..., a])
        return result
