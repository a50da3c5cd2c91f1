"""The chords of a left hand hold until another is held."""

from __future__ import annotations

import math

import pytest

from streamer.control.lefthand import LONGEST_SECONDS, SETTLE_SECONDS, LeftHand
from streamer.midi.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTROL_PEDAL,
    control,
    note_off,
    note_on,
)
from streamer.settings.controls import Controls

HAND = Controls.from_values({"chords_from": "hand"})


def played(*keys: int, controls: Controls = HAND, hand: LeftHand | None = None) -> str | None:
    hand = hand or LeftHand()
    for number, key in enumerate(keys):
        hand.hear(note_on(0, key, 80), 0.01 * number)
    return hand.read(0.01 * len(keys) + SETTLE_SECONDS, controls)


@pytest.mark.parametrize(
    ("keys", "symbol"),
    [
        ((45, 48, 52), "Am"),
        ((40, 45, 48), "Am/E"),
        ((43, 47, 50, 53), "G7"),
        ((45, 48, 52, 64, 66), "Am"),
        ((45, 52), None),
        ((45, 46, 47), None),
        ((60, 64, 67), None),
    ],
)
def test_what_is_held_below_the_split_is_a_chord(keys, symbol):
    assert symbol == played(*keys)


def test_the_split_is_where_it_is_set():
    controls = HAND.with_changes({"split": 50})
    assert played(45, 48, 52, controls=controls) is None
    assert "Am" == played(33, 36, 40, controls=controls)


def test_nothing_is_read_where_nobody_asks_for_it():
    assert played(45, 48, 52, controls=Controls()) is None


def test_a_chord_is_read_when_its_last_key_has_come_and_once():
    hand = LeftHand()
    for number, key in enumerate((45, 48, 52)):
        hand.hear(note_on(0, key, 80), 0.01 * number)
        assert hand.read(0.01 * number, HAND) is None
    assert "Am" == hand.read(hand.due, HAND)
    assert hand.read(hand.due, HAND) is None


def test_keys_that_are_let_go_leave_the_chord_as_it_is():
    hand = LeftHand()
    assert "Am" == played(45, 48, 52, hand=hand)
    for key in (45, 48, 52):
        hand.hear(note_off(0, key), 1.0)
    assert hand.read(2.0, HAND.with_changes({"chords": "Am"})) is None
    assert "F" == played(41, 45, 48, hand=hand)


def test_a_chord_that_holds_already_is_no_change():
    assert played(45, 48, 52, controls=HAND.with_changes({"chords": "Am"})) is None


@pytest.mark.parametrize("number", [ALL_NOTES_OFF, ALL_SOUND_OFF])
def test_all_notes_off_lets_every_key_go(number):
    hand = LeftHand()
    played(45, 48, hand=hand)
    hand.hear(control(0, number, 0), 1.0)
    assert played(52, hand=hand) is None


def test_other_controls_let_no_key_go_and_a_pedal_holds_none():
    hand = LeftHand()
    played(45, 48, hand=hand)
    hand.hear(control(0, CONTROL_PEDAL, 127), 1.0)
    assert "Am" == played(52, hand=hand)
    for key in (45, 48, 52):
        hand.hear(note_off(0, key), 1.0)
    assert "G" == played(43, 47, 50, hand=hand)


def test_a_key_whose_end_was_lost_is_none_of_a_later_chord():
    hand = LeftHand()
    assert "C" == played(48, 52, 55, hand=hand)
    later = LONGEST_SECONDS + 1
    for key in (48, 52):
        hand.hear(note_off(0, key), later)
    for key in (45, 48, 52):
        hand.hear(note_on(0, key, 80), later)
    assert "Am" == hand.read(later + SETTLE_SECONDS, HAND)


def test_a_chord_that_is_held_for_a_while_is_still_held():
    hand = LeftHand()
    assert "C" == played(48, 52, 55, hand=hand)
    hand.hear(note_on(0, 58, 80), LONGEST_SECONDS / 2)
    assert "C7" == hand.read(LONGEST_SECONDS / 2 + SETTLE_SECONDS, HAND)


def test_an_input_that_is_opened_again_has_no_key_down():
    hand = LeftHand()
    assert "C" == played(48, 52, 55, hand=hand)
    hand.hear(note_on(0, 59, 80), 1.0)
    hand.let_go()
    assert math.inf == hand.due
    assert "Am" == played(45, 48, 52, hand=hand)
