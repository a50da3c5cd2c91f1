"""The measures of a latent tell a used one from an idle one, and a way from a standstill."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.made_tunes import made_tunes
from training.families.tunes.latent import (
    ASPECTS,
    ModelWriter,
    closeness,
    latent_use,
    monotone,
    profile,
    sample_tunes,
    steering,
    style_accuracy,
)
from training.families.tunes.model import Vrash, VrashConfig


@pytest.fixture
def model() -> Vrash:
    torch.manual_seed(0)
    tunes = made_tunes()
    config = VrashConfig(
        hidden=8, depth=2, latent=3, embeddings=(3, 2, 3), head=6, encoder_hidden=4
    )
    return Vrash(config, tunes.codec, tunes.styles).eval()


def test_closeness_is_the_share_of_a_mixture() -> None:
    start = {name: np.array([0.7, 0.2, 0.1]) for name in ASPECTS}
    end = {name: np.array([0.1, 0.1, 0.8]) for name in ASPECTS}
    for share in (0.0, 0.25, 1.0):
        music = {n: (1 - share) * start[n] + share * end[n] for n in ASPECTS}
        assert closeness(music, start, end) == pytest.approx(dict.fromkeys(ASPECTS, share))


def test_a_profile_does_not_change_with_the_key() -> None:
    tunes = made_tunes()
    tune = tunes.tune(1)
    tune["pitch"][5] = tune["pitch"][0]
    before = profile([tunes.codec.encode(tune)], tunes.codec)
    tune["pitch"] += 5
    after = profile([tunes.codec.encode(tune)], tunes.codec)
    for name in ASPECTS:
        assert before[name].sum() == pytest.approx(1.0)
        np.testing.assert_allclose(before[name], after[name])


def test_sampled_tunes_end_with_end_or_at_the_limit(model: Vrash) -> None:
    model.out_bias[2].data[model.codec.end_class] += 2.0
    z, style = torch.randn(12, 3), torch.eye(2)[[0, 1] * 6]
    tunes = sample_tunes(model, z, style, 20, seed=1)
    ended = [len(t) < 20 for t in tunes]
    assert any(ended)
    for tune, end in zip(tunes, ended, strict=True):
        assert (tune[:-1, 2] != model.codec.end_class).all()
        assert not end or tune[-1, 2] == model.codec.end_class
    again = sample_tunes(model, z, style, 20, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(tunes, again, strict=True))


def test_an_idle_latent_costs_nothing_to_shuffle_and_a_used_one_does(model: Vrash) -> None:
    assert abs(latent_use(model, made_tunes(), "valid")["cost_of_shuffling"]) > 1e-4
    model.latent_in.data.zero_()
    model.start_in.data.zero_()
    assert latent_use(model, made_tunes(), "valid")["cost_of_shuffling"] == pytest.approx(0.0)


def test_styles_are_told_apart_by_their_latents(model: Vrash) -> None:
    """Even an encoder that learned nothing maps scales upward and downward apart."""
    figures = style_accuracy(model, made_tunes(40), "valid")
    assert (figures["chance"], figures["tracks"]) == (0.5, 10)
    assert figures["balanced"] > 0.9


def test_steering_measures_five_stops_and_says_which_aspects_only_rise(model: Vrash) -> None:
    tunes = made_tunes()
    rows = steering(ModelWriter(model, tunes), tunes, "down", "up", count=4, notes=8)
    assert [row["share"] for row in rows] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert set(rows[0]) == {"share", *ASPECTS}
    still = [dict(row, interval=0.5, length=float(i)) for i, row in enumerate(rows)]
    assert monotone(still)["length"]
    assert not monotone(still)["interval"]
