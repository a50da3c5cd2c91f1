"""What a chain is asked for: measured as it is told, and asked as controls and moods have it."""

from __future__ import annotations

import logging
import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streamer.bundle.manifest import Statistics
from streamer.engine.engine import Engine
from streamer.families.chain.asked import (
    ASKED_WIDTH,
    BEFORE_KEY,
    DIALS,
    KEY_PLACE,
    KNOTS,
    asked_vector,
    measure,
    pitch_classes,
    place_of,
)
from streamer.families.chain.codec import published_codec
from streamer.families.chain.controls import ChainControls
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.homing import Homing
from streamer.families.chain.keypath import NEAR, KeyPath, near
from streamer.families.chain.steering import noise_bias
from streamer.families.chain.wishing import Wishes
from streamer.measures.repetition import returning_notes
from streamer.music.notes import NOTE_DTYPE, NoteArray
from streamer.settings.controls import Controls, LiveControls
from tests.bundles import tiny_statistics, write_tiny_bundle

CODEC = published_codec()


def even(notes: int = 32, gap_ms: float = 250.0) -> NoteArray:
    """Two keys together at even times, loud, pedalled."""
    rows = [(gap_ms * (i // 2), 200.0, 60 + 4 * (i % 2), 80, True, 0) for i in range(notes)]
    return np.array(rows, dtype=NOTE_DTYPE)


def dial(vector: np.ndarray, name: str) -> float:
    """What a vector asks of a dial, NaN for nothing."""
    place = [one.name for one in DIALS].index(name)
    hats = vector[place_of(place)]
    if not hats.any():
        return math.nan
    one = DIALS[place]
    return float(one.middle + one.spread * (hats * KNOTS).sum())


OLDER = KEY_PLACE.stop
"""Width of the input of a bundle that was made before there was ``repetition``."""


def wishes(width: int = ASKED_WIDTH, statistics: Statistics | None = None) -> tuple[Wishes, Homing]:
    """With the tiny corpus, whose middle is 6 notes a second, pitch 62 and velocity 64."""
    statistics = statistics or tiny_statistics()
    homing = Homing(statistics, CODEC)
    return Wishes(homing, np.random.default_rng(0), statistics, width), homing


def test_dials_are_measured_as_they_are_named() -> None:
    """Sixteen chords of two keys, a quarter of a second apart: eight notes a second."""
    shown = measure(even(), until_ms=4000.0)
    assert math.log(8.0) == pytest.approx(shown["density"])
    assert math.log(2.0) == pytest.approx(shown["polyphony"])
    assert (80.0, 62.0, 1.0, 1.0) == (
        shown["loudness"], shown["register"], shown["pedal"], shown["regularity"],
    )  # fmt: skip


def test_very_dense_music_is_told_from_dense_music() -> None:
    """Nothing caps what a phrase of trills and runs shows."""
    fast, faster = measure(even(gap_ms=60.0), 960.0), measure(even(gap_ms=30.0), 480.0)
    assert math.log(2.0) == pytest.approx(faster["density"] - fast["density"])


def test_notes_return_that_came_before() -> None:
    """A line of nine keys twice: the second time returns, and the first is new."""
    line = [60, 64, 67, 72, 76, 61, 65, 68, 73]
    rows = [(100.0 * i, 90.0, key, 64, False, 0) for i, key in enumerate(line * 2)]
    notes = np.array(rows, dtype=NOTE_DTYPE)
    returning = returning_notes(notes)
    assert [False] * 9 + [True] * 9 == returning.tolist()
    assert 0.5 == measure(notes, returning=returning)["repetition"]
    assert "repetition" not in measure(notes)


def test_what_came_long_ago_does_not_return() -> None:
    """A memory does not reach it."""
    line = [*range(40, 50), *([80, 90] * 20), *range(40, 50)]
    rows = [(100.0 * i, 90.0, key, 64, False, 0) for i, key in enumerate(line)]
    notes = np.array(rows, dtype=NOTE_DTYPE)
    assert returning_notes(notes)[-10:].all()
    assert not returning_notes(notes, reach=49)[-10:].any()


def test_a_single_note_is_measured() -> None:
    """Where nothing comes after it no number is lost."""
    shown = measure(even(1))
    assert all(math.isfinite(value) for value in shown.values())


def test_pitch_classes_are_shares() -> None:
    """C and E, half each."""
    assert {0: 0.5, 4: 0.5} == {i: v for i, v in enumerate(pitch_classes(even())) if v}


def test_nothing_is_asked_with_zeros() -> None:
    """As in training, where phrases are told nothing."""
    assert not asked_vector({}).any()
    assert (ASKED_WIDTH,) == asked_vector({}).shape


@pytest.mark.parametrize("value", [20.0, 47.0, 60.0, 93.0])
def test_a_value_is_asked_for_exactly(value: float) -> None:
    """Hats that add up to one hold it."""
    assert value == pytest.approx(dial(asked_vector({"loudness": value}), "loudness"), abs=1e-4)


def test_what_is_set_is_asked_for() -> None:
    """The rest as the middle of the corpus has it; density as a multiple of that."""
    one, homing = wishes()
    controls = Controls(density=2.0).with_changes(
        {"loudness": 40.0, "polyphony": 3.0, "regularity": 0.9}
    )
    homing.wish(controls)
    vector = one.asked(controls)
    assert 40.0 == pytest.approx(dial(vector, "loudness"), abs=1e-3)
    assert math.log(3.0) == pytest.approx(dial(vector, "polyphony"), abs=1e-4)
    assert 0.9 == pytest.approx(dial(vector, "regularity"), abs=1e-4)
    assert math.log(12.0) == pytest.approx(dial(vector, "density"), abs=1e-4)
    assert 62.0 == pytest.approx(dial(vector, "register"), abs=1e-3)


def test_phrases_wander_unless_they_are_to_be_steady() -> None:
    """As they do within pieces; a steady stream asks for the same each time."""
    one, _ = wishes()
    loose, steady = Controls(), Controls().with_changes({"steadiness": 1.0})
    asked: dict[str, set[float]] = {"loose": set(), "steady": set()}
    for _ in range(20):
        one.wander()
        asked["loose"].add(round(dial(one.asked(loose), "register"), 2))
        asked["steady"].add(round(dial(one.asked(steady), "register"), 2))
    assert 20 == len(asked["loose"])
    assert {62.0} == asked["steady"]


def test_a_scale_is_asked_for_as_the_model_writes_it() -> None:
    """Transposition comes after the model: D major a tone up is C major to it."""
    one, _ = wishes()
    controls = Controls(scale="major", root=2, transpose=2)
    key = one.asked(controls)[KEY_PLACE]
    assert [0, 2, 4, 5, 7, 9, 11] == np.flatnonzero(key[:12]).tolist()
    assert 1.0 == key[-1]


def test_chords_that_hold_are_not_contradicted() -> None:
    """Where a person names keys, the path through keys is silent."""
    one, _ = wishes()
    assert one.asked(Controls())[KEY_PLACE].any()
    assert not one.asked(Controls().with_changes({"keys": "D"}))[KEY_PLACE].any()


def returning(generator_wishes: Wishes, controls: Controls, obeyed: float) -> list[float]:
    """Ask for 600 phrases of a model that does a part of what it is asked."""
    asked = []
    for _ in range(600):
        generator_wishes.wander()
        asked.append(dial(generator_wishes.asked(controls), "repetition"))
        generator_wishes.watch(obeyed * asked[-1], controls)
    return asked


def returning_corpus() -> Statistics:
    """Nothing comes back in half of its phrases, all in the fullest."""
    statistics = tiny_statistics()
    statistics.note["repetition"] = [0.0, 0.0, 1.0]
    return statistics


def test_as_much_returns_as_in_the_corpus() -> None:
    """A quarter, in whole phrases, several on end; more is asked of a model that does not obey."""
    one, _ = wishes(statistics=returning_corpus())
    asked = returning(one, Controls(), 1.0)
    assert {0.0, 1.0} == set(np.round(asked, 3))
    assert 0.2 < np.mean(asked) < 0.3
    again = np.mean([b for a, b in pairwise(asked) if a > 0.5])
    assert again > 0.4
    one, _ = wishes(statistics=returning_corpus())
    deaf = np.mean(returning(one, Controls(), 0.5))
    assert 0.35 < deaf < 0.5


@pytest.mark.parametrize("wished", [0.0, 0.6, 1.0])
def test_as_much_returns_as_a_person_sets(wished: float) -> None:
    """From never to always."""
    one, _ = wishes(statistics=returning_corpus())
    controls = Controls().with_changes({"repetition": wished})
    assert wished == pytest.approx(np.mean(returning(one, controls, 1.0)), abs=0.06)


def test_a_corpus_that_was_not_measured_asks_for_no_repetition() -> None:
    """As bundles of before."""
    one, _ = wishes()
    one.wander()
    assert math.isnan(dial(one.asked(Controls()), "repetition"))
    assert not one.may_return(Controls())


def test_an_older_bundle_is_asked_for_what_it_knows(caplog: pytest.LogCaptureFixture) -> None:
    """In as many numbers as it takes; what it does not know is said once."""
    one, _ = wishes(OLDER)
    controls = Controls().with_changes({"repetition": 0.8, "loudness": 40.0, "polyphony": 3.0})
    vector = one.asked(controls)
    assert OLDER == len(vector)
    assert math.log(3.0) == pytest.approx(dial(vector, "polyphony"), abs=1e-4)
    with caplog.at_level(logging.WARNING):
        one.tell(controls)
        one.tell(controls)
    assert ["repetition"] == [r.getMessage().split(":")[0] for r in caplog.records]


def test_numbers_of_dials_and_key_do_not_overlap() -> None:
    """Those of before lie where older bundles have them."""
    taken = [*range(ASKED_WIDTH)[KEY_PLACE]]
    for number in range(len(DIALS)):
        taken += range(ASKED_WIDTH)[place_of(number)]
    assert [*range(ASKED_WIDTH)] == sorted(taken)
    assert len(KNOTS) * BEFORE_KEY == KEY_PLACE.start


def test_a_narrow_range_is_not_asked_to_be_left() -> None:
    """The mean pitch lies within the middle third of what may sound."""
    one, _ = wishes()
    assert 76.0 <= dial(one.asked(Controls(low=72, high=84)), "register") <= 80.0


def test_the_pedal_follows_its_control() -> None:
    """None, as moods have it, all."""
    statistics = tiny_statistics()
    statistics.note["pedal"] = [0.0, 0.5, 1.0]
    one, _ = wishes(statistics=statistics)
    found = [
        dial(one.asked(Controls().with_changes({"pedal": value})), "pedal")
        for value in (0.0, 1.0, 2.0)
    ]
    assert [0.0, 0.5, 1.0] == pytest.approx(found, abs=1e-3)


def test_where_a_person_is_no_mood_goes() -> None:
    """Home is where it was set; unset, it goes back by strides."""
    _, homing = wishes()
    homing.wish(Controls().with_changes({"register": 80.0}))
    assert 80.0 == homing.homes["pitch"]
    assert 80.0 == homing.means["pitch"]


def test_a_stream_begins_in_a_mood_as_often_as_one_finds_it_there() -> None:
    """A mood of two notes a second lasts four times as long as one of eight; home is there."""
    statistics = tiny_statistics()
    statistics.moods["density"] = [2.0, 8.0]
    _, homing = wishes(statistics=statistics)
    rng = np.random.default_rng(0)
    begun = []
    for _ in range(500):
        homing.begin_in_mood(rng)
        assert homing.homes["density"] == homing.means["density"]
        begun.append(round(math.exp(homing.homes["density"])))
    assert {2, 8} == set(begun)
    assert 0.8 == pytest.approx(begun.count(2) / len(begun), abs=0.05)


def test_keys_stay_near_home() -> None:
    """Every key of a mood is home or a neighbour of it."""
    path = KeyPath(np.random.default_rng(1))
    seen = set()
    for _ in range(200):
        path.go_on()
        seen.add(tuple(path.shares.round(6)))
        assert 1.0 == pytest.approx(path.shares.sum(), abs=0.01)
    assert 2 <= len(seen) <= len(NEAR)


@pytest.mark.parametrize("way", range(len(NEAR)))
def test_neighbours_share_most_of_their_notes(way: int) -> None:
    """From any key, either mode."""
    scales = ({0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10})
    for home in ((0, 0), (9, 1), (4, 0)):
        root, mode = near(home, way)
        notes = {(step + root) % 12 for step in scales[mode]}
        own = {(step + home[0]) % 12 for step in scales[home[1]]}
        assert len(notes & own) >= 4


def test_an_older_bundle_still_leans_on_the_noise() -> None:
    """Density and pedal as before; with trained controls neither is leaned on."""
    controls = Controls(density=0.5).with_changes({"pedal": 2.0})
    assert noise_bias(controls, CODEC).any()
    assert not noise_bias(controls, CODEC, asked=True).any()


def test_what_a_bundle_cannot_do_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line that names it; the music goes on."""
    engine = Engine(write_tiny_bundle(tmp_path))
    controls = LiveControls(Controls().with_changes({"polyphony": 2.0, "loudness": 50.0}))
    settings = StepSettings(phrase_notes=8, candidates=2)
    generator = StepGenerator(engine, settings, np.random.default_rng(0), controls)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert 8 == len(generator.next_phrase().notes)
    told = [record.getMessage() for record in caplog.records]
    assert 1 == sum("polyphony: this bundle was not trained" in line for line in told)
    assert not any("loudness" in line for line in told)


@pytest.mark.parametrize(
    ("name", "value", "legal"),
    [
        ("loudness", 500, "20.0..110.0"),
        ("polyphony", 0.5, "1.0..5.0"),
        ("register", 10, "36.0..90.0"),
    ],
)
def test_bad_values_are_refused_with_the_range(name: str, value: float, legal: str) -> None:
    """In the words of every control."""
    with pytest.raises(ValueError, match=f"{name} must be in range {re.escape(legal)}"):
        ChainControls(**{name: value})
