"""Latents of a genre: measured, mixed and drawn as they vary together."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.bands.scatter import Scatter, mixed

RNG = np.random.default_rng(0)
TOGETHER = RNG.standard_normal((400, 1)) * [[2.0, -1.0, 0.0]]
MEANS = np.array([1.0, 2.0, 3.0]) + TOGETHER + 0.1 * RNG.standard_normal((400, 3))
NOISE = np.full((400, 3), 0.04)


def test_what_varies_together_is_drawn_together() -> None:
    lie = Scatter.measure(MEANS, NOISE, 1)
    assert lie.factors.shape == (1, 3)
    drawn = lie.draw(50_000, RNG)
    assert drawn.mean(axis=0) == pytest.approx(MEANS.mean(axis=0), abs=0.05)
    assert np.cov(drawn.T) == pytest.approx(np.cov(MEANS.T) + 0.04 * np.eye(3), abs=0.08)


def test_without_factors_each_component_varies_for_itself_and_as_much() -> None:
    lie = Scatter.measure(MEANS, NOISE, 0)
    assert lie.factors.shape == (0, 3)
    assert lie.rest**2 == pytest.approx(MEANS.var(axis=0) + 0.04)
    assert abs(np.corrcoef(lie.draw(50_000, RNG).T)[0, 1]) < 0.02


def test_one_window_scatters_by_its_posterior_alone() -> None:
    lie = Scatter.measure(MEANS[:1], NOISE[:1], 4)
    assert lie.mean == pytest.approx(MEANS[0])
    assert lie.rest == pytest.approx([0.2] * 3)


def test_between_two_lie_their_means_and_covariances_by_their_shares() -> None:
    one, other = Scatter.measure(MEANS, NOISE, 1), Scatter.measure(MEANS[:, ::-1], NOISE, 2)
    between = mixed([one, other], np.array([0.25, 0.75]))
    assert between.mean == pytest.approx(0.25 * one.mean + 0.75 * other.mean)

    def covariance(lie: Scatter) -> np.ndarray:
        return np.asarray(lie.factors.T @ lie.factors + np.diag(lie.rest**2))

    wanted = 0.25 * covariance(one) + 0.75 * covariance(other)
    assert covariance(between) == pytest.approx(wanted, abs=1e-9)
    assert covariance(mixed([one, other], np.array([1.0, 0.0]))) == pytest.approx(covariance(one))
