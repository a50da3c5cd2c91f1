"""Mutual information of notes at a distance: how far back does the music remember?

Sequences of symbols (one a piece) come in; bits of mutual information at growing distances, with
the band that shuffled pairs give, go out. Naive estimates find a bit of nothing in 500 pairs, so
entropies are estimated after [Grassberger2003]. Source: [Yamshchikov2020], equation 1 and figure 6;
[Lin2017]; docs/design/tunes.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_PAIRS = 10_000
"""Fewer pairs at a distance than this are not published."""

MOST_PAIRS = 200_000
"""More pairs than this are thinned: they change nothing but the time it takes."""

SHUFFLES = 20
DISTANCES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

Estimator = Callable[[NDArray[np.int64]], float]
"""From counts (any that are 0 are ignored) to an entropy in bits."""

_EULER = 0.5772156649015329


@lru_cache(maxsize=1)
def _grassberger_table(size: int) -> NDArray[np.float64]:
    """Return G(0..size); G(0) is never used.

    G(1) = -gamma - ln 2, G(2) = 2 - gamma - ln 2, G(2k+1) = G(2k), G(2k+2) = G(2k) + 2/(2k+1):
    the recursion of Grassberger 2003, equations 30 and 31, so that no library is needed.
    """
    values = np.empty(size + 2)
    values[0] = 0.0
    values[1] = -_EULER - np.log(2.0)
    odd = 2.0 / np.arange(1, size + 2, 2)
    even = values[1] + np.cumsum(odd)
    values[2::2] = even[: len(values[2::2])]
    values[3::2] = values[2:-1:2][: len(values[3::2])]
    return values


def _positive(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    kept = counts[counts > 0]
    if len(kept) == 0:
        raise ValueError("counts must hold at least 1 event")
    return kept


def naive_entropy(counts: NDArray[np.int64]) -> float:
    """Return the plug-in entropy, bits: too low by about (kinds - 1) / 2N nats."""
    p = _positive(counts) / counts.sum()
    return float(-(p * np.log2(p)).sum())


def grassberger_entropy(counts: NDArray[np.int64]) -> float:
    """Return Grassberger's (2003) estimate, bits: log N - sum n G(n) / N."""
    kept = _positive(counts)
    table = _grassberger_table(1 << int(kept.max()).bit_length())
    total = float(kept.sum())
    return float((np.log(total) - (kept * table[kept]).sum() / total) / np.log(2.0))


def mutual_information(
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    symbols: int,
    entropy: Estimator = grassberger_entropy,
) -> float:
    """Return S(X) + S(Y) - S(X, Y) of paired symbols, bits.

    Args:
        x: ``(n,)`` symbols 0..symbols-1.
        y: ``(n,)`` the symbol paired with each.
        symbols: Size of the alphabet.
        entropy: How entropies are estimated.

    Raises:
        ValueError: There is no pair, or the lengths differ.
    """
    if len(x) != len(y):
        raise ValueError(f"x and y must have equal lengths, not {len(x)} and {len(y)}")
    if len(x) == 0:
        raise ValueError("at least 1 pair is needed, not 0")
    joint = np.bincount(x * symbols + y, minlength=symbols * symbols)
    table = joint.reshape(symbols, symbols)
    return entropy(table.sum(axis=1)) + entropy(table.sum(axis=0)) - entropy(joint)


@dataclass(frozen=True)
class InformationCurve:
    """Mutual information over distance.

    Attributes:
        distances: In notes, those with enough pairs.
        bits: The estimate at each.
        null_low: 2.5 % quantile of what shuffled pairs give: their true information is 0.
        null_high: 97.5 % quantile.
        pairs: How many pairs each rests on.
    """

    distances: tuple[int, ...]
    bits: tuple[float, ...]
    null_low: tuple[float, ...]
    null_high: tuple[float, ...]
    pairs: tuple[int, ...]

    def to_dict(self) -> dict[str, list[float] | list[int]]:
        """Return plain data for JSON."""
        return {
            "distances": list(self.distances),
            "bits": list(self.bits),
            "null_low": list(self.null_low),
            "null_high": list(self.null_high),
            "pairs": list(self.pairs),
        }

    def mean_between(self, low: int, high: int) -> float:
        """Return the mean bits over the distances in low..high, NaN when none is among them."""
        kept = [b for d, b in zip(self.distances, self.bits, strict=True) if low <= d <= high]
        return float(np.mean(kept)) if kept else float("nan")


def information_curve(
    sequences: Sequence[NDArray[Any]],
    symbols: int,
    rng: np.random.Generator,
    distances: Sequence[int] = DISTANCES,
    least_pairs: int = LEAST_PAIRS,
    most_pairs: int = MOST_PAIRS,
    shuffles: int = SHUFFLES,
) -> InformationCurve:
    """Measure mutual information against distance over the pairs of all sequences.

    Args:
        sequences: Symbols 0..symbols-1 of each piece; pairs never cross from one to another.
        symbols: Size of the alphabet.
        rng: Thins and shuffles.
        distances: In symbols, each at least 1.
        least_pairs: Distances with fewer pairs are left out.
        most_pairs: More pairs are thinned to this many.
        shuffles: How many shuffled estimates the null band rests on.

    Raises:
        ValueError: A distance is below 1.
    """
    if any(d < 1 for d in distances):
        raise ValueError(f"distances must be at least 1, not {min(distances)}")
    coded = [np.asarray(s, dtype=np.int64) for s in sequences]
    rows: list[tuple[int, float, float, float, int]] = []
    for distance in distances:
        long_enough = [s for s in coded if len(s) > distance]
        count = sum(len(s) - distance for s in long_enough)
        if count < max(least_pairs, 1):
            continue
        x = np.concatenate([s[:-distance] for s in long_enough])
        y = np.concatenate([s[distance:] for s in long_enough])
        if count > most_pairs:
            chosen = rng.choice(count, most_pairs, replace=False, shuffle=False)
            x, y = x[chosen], y[chosen]
        null = [mutual_information(x, rng.permutation(y), symbols) for _ in range(shuffles)]
        low, high = np.quantile(null, (0.025, 0.975)) if null else (float("nan"), float("nan"))
        rows.append((distance, mutual_information(x, y, symbols), float(low), float(high), count))
    return InformationCurve(
        tuple(r[0] for r in rows),
        tuple(r[1] for r in rows),
        tuple(r[2] for r in rows),
        tuple(r[3] for r in rows),
        tuple(r[4] for r in rows),
    )
