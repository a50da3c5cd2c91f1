"""A player's keys: what is down, what rings under the pedal, what ends which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.midi.keyboard import KeyboardState, Touch
from streamer.midi.messages import control, note_off, note_on, program_change

PEDAL = 64


def played(*messages):
    keys = KeyboardState()
    return keys, [keys.take(message) for message in messages]


def test_a_key_sounds_from_its_strike_to_its_release():
    keys, touches = played(note_on(2, 60, 1), note_off(2, 60))
    assert [Touch((2, 60)), Touch(None, ((2, 60),), ((2, 60),))] == touches
    assert ((), frozenset()) == (keys.down, keys.sounding)


def test_under_the_pedal_it_rings_until_that_is_lifted_and_no_other():
    keys, touches = played(
        control(2, PEDAL, 64), control(3, PEDAL, 127), note_on(2, 60, 1), note_off(2, 60),
    )  # fmt: skip
    assert Touch(None, ((2, 60),)) == touches[-1]
    assert Touch() == keys.take(control(3, PEDAL, 0))
    assert (frozenset({(2, 60)}), frozenset({2})) == (keys.sounding, keys.pedals)
    assert Touch(None, (), ((2, 60),)) == keys.take(control(2, PEDAL, 63))
    assert frozenset() == keys.sounding


def test_a_key_that_is_struck_again_ends_first_whether_it_was_down_or_rang():
    keys, touches = played(note_on(0, 60, 9), note_on(0, 60, 9))
    assert Touch((0, 60), ((0, 60),), ((0, 60),)) == touches[-1]
    keys.take(control(0, PEDAL, 127))
    keys.take(note_off(0, 60))
    assert Touch((0, 60), (), ((0, 60),)) == keys.take(note_on(0, 60, 9))
    assert ((0, 60),) == keys.down


@pytest.mark.parametrize("number", [120, 123])
def test_all_of_it_ends_at_once_and_the_pedal_stays_where_it_is(number):
    keys, _ = played(control(0, PEDAL, 127), note_on(0, 60, 9), note_off(0, 60), note_on(1, 62, 9))
    touch = keys.take(control(5, number, 0))
    assert (((1, 62),), {(0, 60), (1, 62)}) == (touch.released, {*touch.ended})
    assert (frozenset(), frozenset({0})) == (keys.sounding, keys.pedals)


@pytest.mark.parametrize(
    "message", [note_on(9, 40, 90), note_off(0, 60), control(0, 1, 90), program_change(0, 4)]
)
def test_drums_and_what_is_no_key_do_nothing(message):
    keys, touches = played(message)
    assert ([Touch()], frozenset()) == (touches, keys.sounding)


MESSAGES = st.one_of(
    st.builds(note_on, st.integers(0, 2), st.integers(60, 62), st.just(64)),
    st.builds(note_off, st.integers(0, 2), st.integers(60, 62)),
    st.builds(lambda channel, value: control(channel, PEDAL, value), st.integers(0, 2),
              st.sampled_from([0, 63, 64, 127])),
    st.just(control(0, 123, 0)),
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=60))
def test_each_strike_has_one_release_and_one_end(messages):
    keys, down, sounding = KeyboardState(), set(), set()
    for message in messages:
        touch = keys.take(message)
        assert {*touch.released} <= down
        assert {*touch.ended} <= sounding
        down -= {*touch.released}
        sounding -= {*touch.ended}
        if touch.struck is not None:
            down.add(touch.struck)
            sounding.add(touch.struck)
        assert (down, sounding) == ({*keys.down}, {*keys.sounding})
