"""Steadiness: phrases held near the density that is asked for, without long rests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.engine.engine import Engine
from streamer.families.chain.codec import published_codec
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.generator import StepGenerator, StepSettings
from streamer.families.chain.homing import Homing
from streamer.families.chain.steady import FACTOR, GAPS, steadied
from streamer.music.notes import Note
from streamer.scenes.reader import read_scene
from streamer.selection.filters import Limits
from streamer.settings.controls import Controls, LiveControls
from streamer.testing import make_phrase
from tests.bundles import tiny_statistics, write_tiny_bundle

LIMITS = Limits()


def asked(steadiness: float, **more: float) -> Controls:
    return Controls(**more).with_changes({"steadiness": steadiness})  # type: ignore[arg-type]


def test_without_steadiness_the_bounds_are_those_of_the_corpus() -> None:
    assert steadied(LIMITS, 8.0, asked(0.0)) == LIMITS


def test_full_steadiness_holds_a_phrase_near_what_is_asked() -> None:
    """Bounds on density are for a density of 1: the filter moves them with the control."""
    held = steadied(LIMITS, 8.0, asked(1.0, density=0.5))
    assert held.density == pytest.approx((8.0 / FACTOR, 8.0 * FACTOR))
    assert held.longest_rest_ms == pytest.approx(1000 * GAPS / 4.0)


def test_half_the_steadiness_gives_the_square_of_the_factor() -> None:
    assert steadied(LIMITS, 8.0, asked(0.5)).density == pytest.approx(
        (8.0 / FACTOR**2, 8.0 * FACTOR**2)
    )


def test_nothing_is_allowed_that_the_corpus_forbids() -> None:
    held = steadied(LIMITS, 1.0, asked(0.1, density=0.25))
    assert held.density[0] == LIMITS.density[0]
    assert held.longest_rest_ms == LIMITS.longest_rest_ms


def test_moods_leave_the_density_of_a_steady_stream_alone() -> None:
    """They still move it where it may move, and all else in both."""
    statistics = tiny_statistics()
    statistics.moods.update({"density": [20.0], "pitch": [80.0]})

    def home(steadiness: float) -> dict[str, float]:
        homing = Homing(statistics, published_codec())
        homing.change_mood(0)
        phrase = make_phrase([Note(60, 100.0 * i, 90.0, 60) for i in range(16)])
        for _ in range(80):
            homing.watch(phrase, asked(steadiness))
        return homing.homes

    free, steady = home(0.0), home(1.0)
    assert free["density"] == pytest.approx(np.log(20.0))
    assert steady["density"] == pytest.approx(np.log(6.0))
    assert free["pitch"] == steady["pitch"] > 70


def test_a_steady_stream_keeps_its_phrases_within_the_bounds(tmp_path: Path) -> None:
    """Played by a wild model, whose free stream leaves them."""
    engine = Engine(write_tiny_bundle(tmp_path))

    def spread(steadiness: float) -> list[float]:
        settings = StepSettings(candidates=12, phrase_notes=16, redraws=8)
        live = LiveControls(asked(steadiness, recall=0.0))
        generator = StepGenerator(engine, settings, np.random.default_rng(2), live)
        phrases = [generator.next_phrase() for _ in range(12)]
        return [len(p.notes) / p.seconds / 6.0 for p in phrases]

    free, steady = spread(0.0), spread(1.0)
    assert max(free) / min(free) > FACTOR**2
    assert 1 / FACTOR <= min(steady) <= max(steady) <= FACTOR


def test_the_ambient_scene_is_steady_slow_and_soft(tmp_path: Path) -> None:
    values = read_scene("ambient", tmp_path).values
    assert values["controls.steadiness"] == 1.0
    assert values["controls.density"] * values["controls.tempo_scale"] < 0.2
    assert ChainControls().steadiness == 0.0
