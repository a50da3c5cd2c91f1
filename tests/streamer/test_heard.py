"""What a person plays steers music that cannot be given single notes: key, density, register."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.windows.barquery import MOST_BARS, bars_of
from streamer.families.windows.codec import RollCodec
from streamer.generators.heard import REACH, HeardControls, key_of_notes, onsets_per_second
from streamer.music.notes import Note
from streamer.music.scales import SCALE_STEPS
from streamer.pipeline import open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings


def tune(scale, root, octave=60, step_ms=250.0):
    """A scale up and down that dwells on the first, third and fifth note."""
    steps = SCALE_STEPS[scale]
    order = (0, 1, 2, 3, 4, 5, 6, 4, 2, 0, 4, 2, 0)
    return [
        Note(
            octave + root + steps[place],
            n * step_ms,
            step_ms * (2.0 if place in (0, 2, 4) else 0.9),
            70,
        )
        for n, place in enumerate(order)
    ]


@pytest.mark.parametrize("root", range(12))
@pytest.mark.parametrize("scale", ["major", "minor"])
def test_the_key_of_a_scale_is_found(scale, root):
    assert (scale, root) == key_of_notes(tune(scale, root))


def test_chords_are_one_onset_and_long_rests_count_little():
    notes = [Note(60 + k, n * 500.0 + k * 5.0, 400.0, 70) for n in range(8) for k in range(3)]
    assert 2.0 == pytest.approx(onsets_per_second(notes), rel=0.05)
    assert 1.0 == onsets_per_second(notes[:2])


def heard(live, notes=None, **more):
    controls = HeardControls(live, onsets_per_second=2.0, **more)
    controls.hear(tune("minor", 9) if notes is None else notes)
    controls.rest(2000.0)
    return controls.snapshot()


def test_what_is_drawn_next_is_in_the_key_as_dense_and_as_high():
    found = heard(LiveControls(Controls.from_values({"duet": "trade"})))
    assert ("minor", 9) == (found.scale, found.root)
    assert 2.0 == pytest.approx(found.density, rel=0.1)
    assert 2 * REACH == found.high - found.low
    assert found.low < 60 + 9 + 4 < found.high


def test_what_is_set_by_hand_stays_and_without_a_duet_nothing_is_steered():
    live = LiveControls(Controls.from_values({"duet": "trade", "scale": "dorian", "low": 40}))
    assert ("dorian", 0, 40, 127) == tuple(
        getattr(heard(live), name) for name in ("scale", "root", "low", "high")
    )
    assert Controls() == heard(LiveControls())


@pytest.mark.parametrize("asked", [{"chords": "Am F"}, {"keys": "D-dorian"}])
def test_chords_and_keys_that_are_set_stand_above_the_key_that_is_heard(asked):
    found = heard(LiveControls(Controls.from_values({"duet": "trade", **asked})))
    assert "off" == found.scale
    assert 2.0 == pytest.approx(found.density, rel=0.1)


def test_of_some_notes_nobody_knows_the_key():
    live = LiveControls(Controls.from_values({"duet": "trade"}))
    assert "off" == heard(live, [Note(60, 0.0, 100.0, 64)]).scale


@pytest.mark.parametrize("name", ["tunes", "answer"])
def test_the_music_after_a_person_is_in_their_key(name):
    live = LiveControls(Controls.from_values({"duet": "continue"}))
    settings = Settings(model=ModelSettings(model=name, seed=2, candidates=2))
    source = open_source(settings=settings, controls=live)
    source.next_phrase()
    source.listener.hear(tune("major", 6))
    source.listener.rest(2000.0)
    notes = [note for _ in range(3) for note in source.next_phrase().notes]
    allowed = {(6 + step) % 12 for step in SCALE_STEPS["major"]}
    assert len([n for n in notes if n.pitch % 12 in allowed]) >= 0.95 * len(notes)


def test_the_left_hand_says_the_key_that_is_accompanied():
    live = LiveControls(Controls.from_values({"duet": "accompany", "split": 60}))
    controls = HeardControls(live, onsets_per_second=2.0)
    chord = [Note(pitch, 0.0, 900.0, 70) for pitch in (45, 48, 52)]
    controls.hear([*chord, *(Note(60 + pitch, 0.0, 500.0, 70) for pitch in (1, 3, 6, 8))])
    assert controls.follow()
    assert ("minor", 9) == (controls.snapshot().scale, controls.snapshot().root)
    assert (0, 127, 1.0) == tuple(
        getattr(controls.snapshot(), name) for name in ("low", "high", "density")
    )
    assert not controls.follow(), "nothing has changed"
    controls.hear([Note(pitch, 8000.0, 900.0, 70) for pitch in (48, 52, 55)])
    assert controls.follow()
    assert ("major", 0) == (controls.snapshot().scale, controls.snapshot().root)


def codec():
    return RollCodec(name="bars", steps=16, low=48, high=72, onsets=True, steps_per_beat=4)


def test_what_a_person_played_is_bars_that_begin_with_the_first_note():
    notes = [Note(60, 1000.0, 240.0, 70), Note(62, 1500.0, 120.0, 70), Note(64, 3010.0, 500.0, 70)]
    first, second = bars_of([*notes, Note(30, 3100.0, 50.0, 70)], codec(), 500.0)
    rows = [(step, 48 + row) for step, row in zip(*np.nonzero(first[..., 1]), strict=True)]
    assert [(0, 60), (4, 62)] == rows
    assert [0, 1] == np.nonzero(first[:, 60 - 48, 0])[0].tolist()
    assert [0, 1, 2, 3] == np.nonzero(second[:, 64 - 48, 0])[0].tolist()
    assert [] == bars_of([Note(30, 0.0, 50.0, 70)], codec(), 500.0)


def test_of_a_long_call_the_last_bars_are_answered():
    notes = [Note(60, n * 2000.0, 1900.0, 70) for n in range(MOST_BARS + 5)]
    bars = bars_of(notes, codec(), 500.0)
    assert MOST_BARS == len(bars)
    assert all(bar[0, 60 - 48, 1] for bar in bars)
