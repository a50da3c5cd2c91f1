"""The bit-allocated channel: the vectors of the spec, its first two moments, its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.windows.bitchannel import FULL_RATE, allocate, full_bits, transmit

VARIANCES = st.lists(st.floats(0, 1e3), min_size=1, max_size=12)


def test_bits_go_where_the_variance_is_largest_as_in_the_paper() -> None:
    assert allocate(np.array([16, 4, 1, 0.25]), 4).tolist() == [3, 1, 0, 0]
    assert allocate(np.array([9.0, 4, 1]), 3).tolist() == [2, 1, 0]


@given(VARIANCES, st.integers(0, 300))
def test_every_bit_is_given_out_until_none_can_be_taken(values: list[float], bits: int) -> None:
    rates = allocate(np.array(values), bits)
    assert rates.sum() == min(bits, full_bits(len(values)))
    assert rates.max() <= FULL_RATE


@given(VARIANCES, st.integers(0, 200))
def test_one_more_bit_takes_none_from_any_component(values: list[float], bits: int) -> None:
    fewer, more = allocate(np.array(values), bits), allocate(np.array(values), bits + 1)
    assert (more >= fewer).all()


@pytest.mark.parametrize("bits", [-1, -100])
def test_bits_below_nothing_are_refused_with_the_range(bits: int) -> None:
    with pytest.raises(ValueError, match=r"range 0\.\.32, not -"):
        allocate(np.ones(2), bits)


@pytest.mark.parametrize("rate", [0, 1, 2, 5])
def test_mean_and_variance_of_what_arrives_are_those_of_the_theory(rate: int) -> None:
    rng = np.random.default_rng(1)
    mean, variance, z = 0.7, 2.5, 3.1
    noise = rng.standard_normal((400_000, 1))
    out = transmit(np.array([z]), np.array([rate]), np.array([mean]), np.array([variance]), noise)
    assert out.mean() == pytest.approx(z + 4.0**-rate * (mean - z), abs=0.01)
    expected = 16.0**-rate * (4.0**rate - 1) * variance
    assert out.var() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_over_the_corpus_the_distortion_is_a_quarter_a_bit_and_the_spread_shrinks_as_much(
    rate: int,
) -> None:
    rng = np.random.default_rng(2)
    mean, variance = np.array([0.5]), np.array([4.0])
    z = mean + np.sqrt(variance) * rng.standard_normal((300_000, 1))
    out = transmit(z, np.array([rate]), mean, variance, rng.standard_normal(z.shape))
    assert ((out - z) ** 2).mean() / 4.0 == pytest.approx(4.0**-rate, rel=0.02)
    assert out.var() / 4.0 == pytest.approx(1 - 4.0**-rate, rel=0.02)


def test_without_bits_every_query_is_the_mean_and_at_the_full_rate_it_passes() -> None:
    rng = np.random.default_rng(3)
    z, mean, variance = rng.normal(size=(5, 8)), rng.normal(size=8), rng.random(8)
    noise = rng.standard_normal(z.shape)
    nothing = transmit(z, allocate(variance, 0), mean, variance, noise)
    assert np.array_equal(nothing, np.broadcast_to(mean, z.shape))
    everything = transmit(z, allocate(variance, full_bits(8)), mean, variance, noise)
    assert np.abs(everything - z).max() < 1e-3
