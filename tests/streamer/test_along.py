"""What leaves beside the music: no note of it is struck twice, and none ends one of the music's."""

from __future__ import annotations

import pytest

from streamer.live.along import Along
from streamer.live.events import Event, Kind
from streamer.live.pacing import Pacer
from streamer.live.sender import Sender
from streamer.live.striking import Striker
from streamer.midi.greeting import Greeting
from streamer.midi.messages import note_off, note_on
from streamer.midi.sounding import SoundingTable
from streamer.testing import ManualClock
from tests.steering import StrictPort


class Beside:
    """A way out that the music and a second voice share."""

    def __init__(self):
        self.port, self.sent = StrictPort(), []
        pass_on = self.port.send
        self.port.send = lambda message, at_ms=None: (self.sent.append(message), pass_on(message))
        clock = ManualClock()
        self.out = Sender(self.port, clock, Pacer(), SoundingTable(), lambda: 0.0)
        self.striker = Striker(self.out, Greeting(), 100.0)
        self.along, self.serial = Along(lambda: None), 0

    def beside(self, *messages, plays=True):
        for message in messages:
            self.along.send(message)
        self.along.turn(self.out, 0.0, plays=plays)

    def music(self, message, kind=Kind.NOTE_ON):
        self.serial += kind is Kind.NOTE_ON
        event = Event(deadline_ms=0.0, kind=kind, serial=self.serial, message=message)
        self.striker.play(event, 0.0)

    def assert_clean(self):
        assert (0, 0) == (self.port.astray, self.port.twice)


def test_a_second_voice_that_ends_ends_none_of_the_musics_notes():
    one = Beside()
    one.beside(note_on(0, 60, 50))
    one.music(note_on(0, 60, 90))
    one.beside(note_off(0, 60))
    assert {(0, 60)} == one.port.down
    one.music(note_off(0, 60), Kind.NOTE_OFF)
    assert set() == one.port.down
    one.assert_clean()


def test_the_music_that_ends_ends_none_of_the_second_voices_notes():
    one = Beside()
    one.music(note_on(0, 60, 90))
    one.beside(note_on(0, 60, 50))
    one.music(note_off(0, 60), Kind.NOTE_OFF)
    assert {(0, 60)} == one.port.down
    one.beside(note_off(0, 60))
    assert set() == one.port.down
    one.assert_clean()


@pytest.mark.parametrize("plays", [True, False])
def test_what_was_silenced_meanwhile_is_not_ended_again(plays):
    one = Beside()
    one.beside(note_on(0, 60, 50))
    one.out.silence()
    one.beside(note_off(0, 60), plays=plays)
    assert 1 == sum(message == note_off(0, 60) for message in one.sent)
    one.assert_clean()


def test_what_begins_while_nothing_may_is_left_out_and_so_is_its_end():
    one = Beside()
    one.beside(note_on(0, 60, 50), note_off(0, 60), plays=False)
    assert [] == one.sent
