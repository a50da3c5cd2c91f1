"""A shadow: a note for each of a person's, within the scale, as long as that sounds."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.control.shadow import SOFTER, Shadow, shadow_of
from streamer.midi.messages import control, ends_note, key_of, note_off, note_on, starts_note
from streamer.music.scales import SCALE_STEPS
from streamer.settings.controls import Controls

C_MAJOR = frozenset(SCALE_STEPS["major"])


def shadow(**controls):
    sent = []
    wanted = Controls.from_values({"duet": "shadow", "scale": "major", **controls})
    return Shadow(wanted, sent.append), sent


@pytest.mark.parametrize(
    ("pitch", "expected"), [(60, 57), (62, 59), (64, 60), (65, 62), (67, 64), (69, 65), (71, 67)]
)
def test_a_note_of_the_scale_has_its_third_below(pitch, expected):
    assert expected == shadow_of(pitch, C_MAJOR)


def test_where_there_is_no_note_there_is_no_shadow():
    assert shadow_of(2, C_MAJOR) is None
    assert shadow_of(61, frozenset({2})) is None


def test_a_shadow_comes_and_goes_with_its_note():
    one, sent = shadow()
    one.hear(note_on(3, 64, 100))
    one.hear(note_off(3, 64))
    assert [note_on(0, 60, round(100 * SOFTER)), note_off(0, 60)] == sent


def test_it_sounds_under_the_pedal_until_it_is_lifted():
    one, sent = shadow()
    for message in (control(0, 64, 127), note_on(0, 64, 100), note_off(0, 64)):
        one.hear(message)
    assert frozenset({60}) == one.sounding
    one.hear(control(0, 64, 0))
    assert note_off(0, 60) == sent[-1]


def test_the_left_hand_has_no_shadow_and_says_what_the_key_is():
    one, sent = shadow(scale="off", split=60)
    for pitch in (45, 48, 52, 57, 45, 52):
        one.hear(note_on(0, pitch, 90))
        one.hear(note_off(0, pitch))
    assert [] == sent
    one.hear(note_on(0, 72, 90))
    assert 69 == key_of(sent[0])[1], "of A minor"


@pytest.mark.parametrize(
    "ends", [lambda one: one.hear(control(0, 123, 0)), lambda one: one.obey(Controls())]
)
def test_all_of_it_ends_with_cc123_and_with_the_mode(ends):
    one, sent = shadow()
    one.hear(control(0, 64, 127))
    one.hear(note_on(0, 64, 100))
    one.hear(note_on(0, 67, 100))
    ends(one)
    assert frozenset() == one.sounding
    assert {60, 64} == {key_of(message)[1] for message in sent if ends_note(message)}


def test_whatever_is_played_each_strike_has_one_release_and_none_is_struck_twice():
    rng, (one, sent) = np.random.default_rng(3), shadow(scale="off")
    for _ in range(4000):
        pitch = int(rng.integers(30, 80))
        kind = rng.random()
        if kind < 0.03:
            one.hear(control(0, 64, int(rng.integers(0, 128))))
        elif kind < 0.55:
            one.hear(note_on(0, pitch, int(rng.integers(1, 128))))
        else:
            one.hear(note_off(0, pitch))
    one.obey(Controls())
    down = set()
    for message in sent:
        pitch = key_of(message)[1]
        assert (pitch in down) is not starts_note(message)
        (down.add if starts_note(message) else down.discard)(pitch)
    assert set() == down
    assert len(sent) > 1000
