"""Intervals that cover what they should, as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.bootstrap import NOTHING, difference, interval, median


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = interval(rng.normal(3.0, 1.0, 40), rng, resamples=200)
        hits += found.low <= 3.0 <= found.high
    assert 175 <= hits <= 199


def test_values_that_are_not_finite_are_left_out() -> None:
    found = interval([1.0, float("nan"), 3.0, float("inf")], np.random.default_rng(1))
    assert found.value == 2.0
    assert found.count == 2


def test_no_value_gives_no_interval() -> None:
    rng = np.random.default_rng(2)
    assert interval([float("nan")], rng) is NOTHING
    assert difference([], [1.0], rng) is NOTHING


def test_a_median_can_be_asked_for() -> None:
    assert interval([1.0, 2.0, 100.0], np.random.default_rng(3), median).value == 2.0


def test_a_difference_between_equal_samples_covers_zero() -> None:
    rng = np.random.default_rng(4)
    same = difference(rng.normal(size=80), rng.normal(size=80), rng)
    other = difference(rng.normal(2.0, 1.0, 80), rng.normal(size=80), rng)
    assert same.low <= 0.0 <= same.high
    assert other.low > 1.0


@pytest.mark.parametrize(("level", "resamples"), [(0.0, 10), (1.0, 10), (0.95, 0)])
def test_levels_and_counts_out_of_range_are_refused(level: float, resamples: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        interval([1.0], np.random.default_rng(0), level=level, resamples=resamples)
