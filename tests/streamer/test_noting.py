"""What a person plays is noted with its end, whatever comes between a strike and its release."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.midi.messages import control, ends_note, key_of, note_off, note_on, starts_note
from streamer.offline.playout import LeapingClock
from streamer.service.noting import PERSON_CHANNEL, Noting
from streamer.service.stream import StreamThreads
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import SchedulerSettings, Settings
from streamer.testing import FakePort
from tests.steering import Dense, source_of

PEDAL = 64
ME = PERSON_CHANNEL


@pytest.fixture
def noted():
    return []


@pytest.fixture
def noting(noted):
    return Noting(noted.append)


def test_what_is_switched_off_while_a_key_and_the_pedal_are_down_is_noted_to_its_end(noting, noted):
    noting.hear(control(0, PEDAL, 100), wanted=True)
    noting.hear(note_on(0, 60, 64), wanted=True)
    noting.hear(note_on(0, 62, 64), wanted=False)
    for message in (note_off(0, 60), note_off(0, 62), control(0, PEDAL, 0), control(0, PEDAL, 90)):
        noting.hear(message, wanted=False)
    assert [
        control(ME, PEDAL, 100), note_on(ME, 60, 64), note_off(ME, 60), control(ME, PEDAL, 0),
    ] == noted  # fmt: skip


def test_a_key_that_went_down_before_has_no_end_in_the_notes(noting, noted):
    noting.hear(note_on(0, 60, 64), wanted=False)
    noting.hear(note_off(0, 60), wanted=True)
    assert [] == noted


@pytest.mark.parametrize("number", [120, 123])
def test_all_notes_off_releases_what_was_noted(noting, noted, number):
    noting.hear(note_on(0, 60, 64), wanted=True)
    noting.hear(control(0, number, 0), wanted=True)
    noting.hear(note_off(0, 60), wanted=True)
    assert [note_on(ME, 60, 64), note_off(ME, 60)] == noted


def test_two_keyboards_share_a_channel_and_strike_no_key_twice(noting, noted):
    noting.hear(note_on(0, 60, 64), wanted=True)
    noting.hear(note_on(1, 60, 70), wanted=True)
    noting.hear(note_off(0, 60), wanted=True)
    noting.hear(note_off(1, 60), wanted=True)
    assert [note_on(ME, 60, 64), note_off(ME, 60), note_on(ME, 60, 70), note_off(ME, 60)] == noted


def test_drums_are_no_keys_of_a_piano(noting, noted):
    noting.hear(note_on(9, 40, 64), wanted=True)
    noting.hear(note_off(9, 40), wanted=True)
    assert [] == noted


def test_whatever_is_played_and_switched_nothing_is_left_down():
    rng, noted = np.random.default_rng(5), []
    noting, wanted = Noting(noted.append), True
    for _ in range(3000):
        kind, pitch = rng.random(), int(rng.integers(40, 60))
        if kind < 0.1:
            wanted = not wanted
        elif kind < 0.2:
            noting.hear(control(0, PEDAL, int(rng.integers(0, 128))), wanted=wanted)
        elif kind < 0.22:
            noting.hear(control(0, 123, 0), wanted=wanted)
        elif kind < 0.6:
            noting.hear(note_on(int(rng.integers(0, 3)), pitch, 64), wanted=wanted)
        else:
            noting.hear(note_off(int(rng.integers(0, 3)), pitch), wanted=wanted)
    noting.end()
    down, pedal = set(), 0
    for message in noted:
        if starts_note(message):
            assert key_of(message) not in down
            down.add(key_of(message))
        elif ends_note(message):
            down.remove(key_of(message))
        else:
            pedal = message[2]
    assert (set(), 0) == (down, pedal)
    assert len(noted) > 500


@pytest.mark.parametrize("switches_off", [True, False])
def test_a_stream_that_ends_while_a_person_plays_has_noted_the_end(switches_off, noted):
    live = LiveControls(Controls.from_values({"duet": "shadow"}))
    source = source_of(Dense(live), live)
    settings = Settings(scheduler=SchedulerSettings(realtime_priority=0))
    stream = StreamThreads(source, FakePort(), settings, LeapingClock())
    stream.scheduler.along.aside = lambda message, heard_ms: noted.append(message)
    stream.start()
    stream.partner.hear(note_on(0, 60, 64), 1.0)
    stream.partner.hear(control(0, PEDAL, 127), 1.0)
    if switches_off:
        live.update(duet="off")
    stream.stop()
    stream.stop()
    expected = [note_on(ME, 60, 64), control(ME, PEDAL, 127), note_off(ME, 60)]
    assert [*expected, control(ME, PEDAL, 0)] == noted
