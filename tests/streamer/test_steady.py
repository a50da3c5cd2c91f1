"""Steadiness: phrases held near the density that is asked for, without long rests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.engine.engine import Engine
from streamer.families.chain.codec import published_codec
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.generator import StepGenerator, StepSettings
from streamer.families.chain.homing import Homing
from streamer.families.chain.steady import FACTOR, GAPS, LOUDNESS, as_asked, forbid_rests, steadied
from streamer.families.chain.steering import noise_bias
from streamer.midi.midifile import read_midi
from streamer.music.notes import Note
from streamer.scenes.reader import read_scene
from streamer.selection.filters import Limits
from streamer.settings.controls import Controls, LiveControls
from streamer.testing import make_phrase
from tests.bundles import tiny_statistics, write_tiny_bundle
from tests.minute_figures import by_minute, moves

LIMITS = Limits()


def asked(steadiness: float, **more: float) -> Controls:
    return Controls().with_changes({"steadiness": steadiness, **more})


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


def test_a_steady_phrase_is_no_louder_or_softer_than_a_spread() -> None:
    held = steadied(LIMITS, 8.0, asked(1.0), (54.0, 19.0))
    assert held.velocity == (54.0 - 19.0 * LOUDNESS, 54.0 + 19.0 * LOUDNESS)
    assert steadied(LIMITS, 8.0, asked(0.1), (54.0, 19.0)).velocity == LIMITS.velocity


def test_moods_move_the_loudness_of_a_steady_stream_half_as_far() -> None:
    statistics = tiny_statistics()
    statistics.moods.update({"velocity": [90.0]})

    def home(steadiness: float) -> float:
        homing = Homing(statistics, published_codec())
        homing.change_mood(0)
        phrase = make_phrase([Note(60, 100.0 * i, 90.0, 60) for i in range(16)])
        for _ in range(80):
            homing.watch(phrase, asked(steadiness))
        return homing.homes["velocity"]

    middle = Homing(statistics, published_codec()).homes["velocity"]
    assert home(1.0) - middle == pytest.approx((home(0.0) - middle) / 2)


def test_a_loudness_that_is_asked_for_is_what_a_steady_stream_keeps_to() -> None:
    """Bounds lie about it, and about the corpus's loudest where more is asked for."""
    held = steadied(LIMITS, 8.0, asked(1.0, loudness=80.0), (54.0, 10.0))
    assert held.velocity == (80.0 - 10.0 * LOUDNESS, 80.0 + 10.0 * LOUDNESS)
    corpus = replace(LIMITS, velocity=(20.0, 70.0))
    assert steadied(corpus, 8.0, asked(1.0, loudness=110.0), (54.0, 10.0)).velocity == (60.0, 70.0)


def test_a_steady_stream_as_loud_as_it_is_asked_to_be_is_not_corrected() -> None:
    homing = Homing(tiny_statistics(), published_codec())
    controls = asked(1.0, loudness=90.0)
    phrase = make_phrase([Note(60, 100.0 * i, 90.0, 90) for i in range(16)])
    for _ in range(80):
        homing.wish(controls)
        homing.watch(phrase, controls)
    assert homing.homes["velocity"] == 90.0
    assert homing.means["velocity"] == pytest.approx(90.0)
    assert homing.correction("velocity") == pytest.approx(0.0)


def test_no_time_shift_of_a_steady_stream_is_longer_than_its_rests() -> None:
    codec = published_codec()
    at = slice(codec.offsets[1], codec.offsets[2])
    longest_ms = 1000 * GAPS / 8.0

    def most(steadiness: float, waited_ms: float = 0.0) -> float:
        bias = np.zeros(codec.offsets[-1], dtype=np.float32)
        forbid_rests(bias, codec, 8.0, asked(steadiness), waited_ms)
        assert not bias[: at.start].any()
        assert not bias[at.stop :].any()
        allowed = np.flatnonzero(bias[at] == 0)
        return float(codec.shift.edges[allowed[-1]])

    assert longest_ms / 2 < most(1.0) <= longest_ms
    assert most(1.0, 2000.0) > 2000.0
    assert most(0.0) == codec.shift.edges[codec.shift.classes - 1]


def test_of_phrases_that_are_all_too_full_the_nearest_to_what_is_asked_is_played() -> None:
    each = (100.0, 50.0, 20.0)
    phrases = [make_phrase([Note(60, ms * i, 90.0, 60) for i in range(16)]) for ms in each]
    everything = [0, 1, 2]
    assert as_asked(phrases, everything, 1.0, asked(1.0)) == [0]
    assert as_asked(phrases, everything, 17.0, asked(1.0)) == [1]
    assert as_asked(phrases, everything, 1.0, asked(0.0)) == everything
    assert as_asked(phrases, everything, None, asked(1.0)) == everything


def test_more_pedal_makes_a_pedal_that_is_down_likelier() -> None:
    codec = published_codec()
    down = [
        float(noise_bias(Controls.from_values({"pedal": pedal}), codec)[codec.offsets[4] + 1])
        for pedal in (0.0, 1.0, 2.0)
    ]
    assert down[0] < down[1] == 0.0 < down[2]


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


def test_minutes_of_the_ambient_scene_are_within_its_bounds(tmp_path: Path) -> None:
    """Of the bundle that ships; docs/scenes.md has a day of them."""
    out = tmp_path / "a.mid"
    assert main(["render", str(out), "--scene", "ambient", "--seed", "5", "--duration", "200"]) == 0
    notes = read_midi(out)
    minutes = by_minute(notes)
    assert len(minutes["rest_s"]) == 3
    assert 0.5 <= minutes["notes_per_second"].min() <= minutes["notes_per_second"].max() <= 2.5
    assert minutes["velocity"].max() <= 55
    assert minutes["rest_s"].max() <= 6
    assert minutes["semitones"].max() <= 2
    assert len(moves(notes)[0]) >= 2
