"""Entropy estimators against the bias table of docs/design/tunes.md, and curves over distance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma

from training.evaluation.mutual_information import (
    Estimator,
    grassberger_entropy,
    information_curve,
    mutual_information,
    naive_entropy,
)

SYMBOLS = 40
REPEATS = 30

BIAS = [
    (500, naive_entropy, 1.17, 0.03),
    (500, grassberger_entropy, 0.38, 0.03),
    (2000, naive_entropy, 0.42, 0.03),
    (2000, grassberger_entropy, 0.07, 0.02),
    (10_000, naive_entropy, 0.10, 0.01),
    (10_000, grassberger_entropy, 0.006, 0.005),
]
"""(pairs, estimator, bits of the table, tolerance: its rounding and the spread over marginals)."""


def independent_pairs(pairs: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs without any information, of symbols as unequally frequent as exponential weights."""
    rng = np.random.default_rng(3)
    for _ in range(REPEATS):
        weights = rng.dirichlet(np.ones(SYMBOLS))
        x, y = rng.choice(SYMBOLS, size=(2, pairs), p=weights)
        yield x, y


@pytest.mark.parametrize(("pairs", "entropy", "expected", "tolerance"), BIAS)
def test_bias_is_that_of_the_table(
    pairs: int, entropy: Estimator, expected: float, tolerance: float
) -> None:
    found = [mutual_information(x, y, SYMBOLS, entropy) for x, y in independent_pairs(pairs)]
    assert np.mean(found) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(("pairs", "expected"), [(500, 0.02), (2000, 0.01), (10_000, 0.001)])
def test_what_shuffling_leaves_of_the_naive_bias(pairs: int, expected: float) -> None:
    rng = np.random.default_rng(9)
    left = [
        mutual_information(x, y, SYMBOLS, naive_entropy)
        - mutual_information(x, rng.permutation(y), SYMBOLS, naive_entropy)
        for x, y in independent_pairs(pairs)
    ]
    assert abs(np.mean(left)) <= expected + 0.005


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 50, 1001])
def test_grassberger_is_its_formula_in_digammas(n: int) -> None:
    counts = np.array([n, 2 * n, 5])
    g = digamma(counts) + 0.5 * (-1.0) ** counts * (digamma((counts + 1) / 2) - digamma(counts / 2))
    total = counts.sum()
    expected = (np.log(total) - (counts * g).sum() / total) / np.log(2)
    assert grassberger_entropy(counts) == pytest.approx(expected, abs=1e-9)


def test_a_true_information_is_found_with_enough_pairs() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(SYMBOLS, size=50_000)
    y = np.where(rng.random(len(x)) < 0.5, x, rng.integers(SYMBOLS, size=len(x)))
    equal = 0.5 / SYMBOLS + 0.5 / SYMBOLS**2
    other = 0.5 / SYMBOLS**2
    joint = -SYMBOLS * equal * np.log2(equal) - SYMBOLS * (SYMBOLS - 1) * other * np.log2(other)
    true = 2 * np.log2(SYMBOLS) - joint
    assert mutual_information(x, y, SYMBOLS) == pytest.approx(true, abs=0.02)


def test_the_null_band_covers_what_shuffled_sequences_give() -> None:
    rng = np.random.default_rng(5)
    curve = information_curve([rng.integers(12, size=30_000)], 12, rng, (1, 8, 64), shuffles=40)
    for bits, low, high in zip(curve.bits, curve.null_low, curve.null_high, strict=True):
        assert low - 0.001 <= bits <= high + 0.001
        assert low <= 0.0 <= high


def test_a_period_is_remembered_at_its_distance_alone() -> None:
    rng = np.random.default_rng(6)
    # Each piece turns in its own circle of four.
    pieces = [np.tile(rng.permutation(12)[:4], 100) for _ in range(40)]
    curve = information_curve(pieces, 12, rng, (4, 5), shuffles=5)
    assert curve.bits[0] > 3.0
    assert curve.bits[0] > 2 * curve.bits[1]


def test_distances_with_too_few_pairs_are_left_out() -> None:
    rng = np.random.default_rng(7)
    curve = information_curve([rng.integers(12, size=10_050)], 12, rng, (1, 50, 51), shuffles=2)
    assert curve.distances == (1, 50)
    assert curve.pairs == (10_049, 10_000)


def test_pairs_do_not_cross_from_one_piece_to_the_next() -> None:
    rng = np.random.default_rng(8)
    pieces = [rng.integers(12, size=100) for _ in range(10)]
    curve = information_curve(pieces, 12, rng, (60,), least_pairs=1, shuffles=2)
    assert curve.pairs == (400,)


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pair"):
        mutual_information(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 4)
