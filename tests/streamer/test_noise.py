"""Noise decides everything that is drawn: temperature, masks, forced notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.noise import FORBID, FORCE, force_classes, gumbel_noise
from streamer.families.chain.codec import published_codec

CODEC = published_codec()
CLASSES = CODEC.offsets[-1]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def test_same_generator_state_gives_same_noise() -> None:
    first = gumbel_noise(rng(), (3, 2, CLASSES), 1.0, CODEC)
    second = gumbel_noise(rng(), (3, 2, CLASSES), 1.0, CODEC)
    assert first.dtype == np.float32
    assert (first == second).all()


def test_noise_is_gumbel() -> None:
    noise = gumbel_noise(rng(), (200, 8, CLASSES), 1.0, CODEC)
    # Mean is Euler's constant, variance pi^2 / 6; 580,000 draws put them within 0.005.
    assert noise.mean() == pytest.approx(0.5772, abs=0.01)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.02)
    assert np.isfinite(noise).all()


def test_argmax_of_logits_and_noise_draws_from_the_tempered_softmax() -> None:
    logits = np.linspace(0, 2, 5)
    temperature = 0.7
    noise = gumbel_noise(rng(), (40_000, 1, CLASSES), temperature, CODEC)[:, 0, :5]
    drawn = np.bincount((logits + noise).argmax(axis=1), minlength=5) / 40_000
    expected = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    assert drawn == pytest.approx(expected, abs=0.01)


def test_each_argument_has_its_own_temperature() -> None:
    temperature = (0.0, 1.0, 2.0, 0.5, 0.0)
    noise = gumbel_noise(rng(), (50, 2, CLASSES), temperature, CODEC)
    plain = gumbel_noise(rng(), (50, 2, CLASSES), 1.0, CODEC)
    for m, t in enumerate(temperature):
        part = slice(CODEC.offsets[m], CODEC.offsets[m + 1])
        assert noise[..., part] == pytest.approx(plain[..., part] * t, rel=1e-5)


@pytest.mark.parametrize("shape", [(CLASSES,), (4, CLASSES), (4, 3, CLASSES)])
def test_bias_is_added_after_the_temperature(shape: tuple[int, ...]) -> None:
    bias = np.zeros(shape, dtype=np.float32)
    bias[..., 7] = FORBID
    noise = gumbel_noise(rng(), (4, 3, CLASSES), 2.0, CODEC, bias)
    plain = gumbel_noise(rng(), (4, 3, CLASSES), 2.0, CODEC)
    assert (noise[..., 7] < FORBID / 2).all()
    assert (np.delete(noise, 7, axis=2) == np.delete(plain, 7, axis=2)).all()


@given(st.lists(st.tuples(*(st.integers(-1, s - 1) for s in CODEC.sizes)), min_size=1, max_size=6))
def test_forced_classes_win_over_any_logits(rows: list[tuple[int, ...]]) -> None:
    classes = np.asarray(rows)
    noise = gumbel_noise(rng(), (len(rows), 2, CLASSES), 1.0, CODEC)
    logits = np.linspace(-50, 50, CLASSES, dtype=np.float32)
    total = logits + force_classes(noise, classes, CODEC)
    for m, (a, b) in enumerate(zip(CODEC.offsets, CODEC.offsets[1:], strict=False)):
        wanted = classes[:, m]
        chosen = total[:, :, a:b].argmax(axis=2)
        given_ = wanted >= 0
        assert (chosen[given_] == wanted[given_, None]).all()


def test_free_arguments_keep_their_noise() -> None:
    noise = gumbel_noise(rng(), (1, 1, CLASSES), 1.0, CODEC)
    forced = force_classes(noise.copy(), np.array([[3, -1, -1, -1, -1]]), CODEC)
    assert forced[0, 0, 3] == FORCE
    assert (np.delete(forced, 3, axis=2) == np.delete(noise, 3, axis=2)).all()


def test_each_candidate_can_be_forced_to_its_own_classes() -> None:
    noise = gumbel_noise(rng(), (1, 2, CLASSES), 1.0, CODEC)
    force_classes(noise, np.array([[[1, 0, 0, 0, 0], [2, 0, 0, 0, 0]]]), CODEC)
    assert noise[0, :, :88].argmax(axis=1).tolist() == [1, 2]


@pytest.mark.parametrize("temperature", [-0.1, 101.0, float("nan"), (1, 1, 1, 1, -1)])
def test_temperature_out_of_range_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        gumbel_noise(rng(), (1, 1, CLASSES), temperature, CODEC)


def test_shapes_of_another_codec_are_refused() -> None:
    with pytest.raises(ValueError, match="362"):
        gumbel_noise(rng(), (1, 1, 10), 1.0, CODEC)
    with pytest.raises(ValueError, match="362"):
        gumbel_noise(rng(), (1, 1, CLASSES), 1.0, CODEC, np.zeros(10))
    with pytest.raises(ValueError, match="classes"):
        force_classes(np.zeros((1, 1, CLASSES), np.float32), np.array([[88, 0, 0, 0, 0]]), CODEC)
