"""Controls that are obeyed as notes leave: at once, and what sounds keeps its key."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.live.tape import Tape
from streamer.music.notes import Note
from streamer.settings.controls import Controls
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakePort, ManualClock, make_phrase
from tests.steering import steer

START = 1000.0
SETTINGS = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
SILENCE = ("b0 40 00", "b0 7b 00", "b0 79 00")


def play(notes, changes, synth=None, places=False, send_bpm=None):
    """Play notes while controls change; return (ms, message) of what was heard."""
    clock, buffer = ManualClock(START), RollingBuffer(4.0, 10.0)
    port = FakePort(clock)
    scheduler = Scheduler(buffer, port, clock, SETTINGS, synth=synth, send_bpm=send_bpm)
    for at, controls in changes:
        clock.at(START + at, partial(scheduler.steer, controls))
    buffer.put(make_phrase(notes))
    buffer.close()
    scheduler.run()
    assert port.receiver.is_silent
    times = port.places if places else [1000.0 * (at - START) for at, _ in port.log]
    heard = zip(times, (message.hex(" ") for message in port.messages), strict=True)
    return [(pytest.approx(at, abs=1e-6), text) for at, text in heard if text not in SILENCE]


def test_a_change_is_in_the_next_note_and_what_sounds_keeps_its_key():
    notes = [Note(60, 0.0, 500.0, 64), Note(62, 300.0, 100.0, 64)]
    assert play(notes, [(0.2, Controls(transpose=5, velocity_scale=0.5))]) == [
        (0.0, "90 3c 40"),
        (300.0, "90 43 20"),
        (400.0, "80 43 00"),
        (500.0, "80 3c 00"),
    ]


def test_a_note_that_a_change_puts_on_a_key_that_sounds_releases_it_first():
    notes = [Note(60, 0.0, 500.0, 64), Note(62, 300.0, 100.0, 64)]
    assert play(notes, [(0.2, Controls(transpose=-2))]) == [
        (0.0, "90 3c 40"),
        (300.0, "80 3c 00"),
        (300.0, "90 3c 40"),
        (400.0, "80 3c 00"),
    ]


def test_two_notes_of_a_chord_that_a_scale_puts_on_one_key_are_one():
    notes = [Note(60, 0.0, 100.0, 64), Note(61, 300.0, 400.0, 64), Note(60, 300.0, 100.0, 80)]
    assert play(notes, [(0.2, Controls(scale="major"))]) == [
        (0.0, "90 3c 40"),
        (100.0, "80 3c 00"),
        (300.0, "90 3c 50"),
        (700.0, "80 3c 00"),
    ]


def test_the_speed_of_playing_changes_within_a_note():
    notes = [Note(60, 0.0, 1000.0, 64), Note(62, 1500.0, 100.0, 64)]
    changes = [(0.5, Controls(tempo_scale=2.0))]
    heard = [(0.0, "90 3c 40"), (750.0, "80 3c 00"), (1000.0, "90 3e 40"), (1050.0, "80 3e 00")]
    assert play(notes, changes) == heard
    assert play(notes, changes, places=True) == heard, "recorded as sent"


def test_the_clock_that_is_sent_follows_the_speed_of_playing():
    notes = [Note(60, 500.0 * beat, 100.0, 64) for beat in range(12)]
    heard = play(notes, [(2.0, Controls(tempo_scale=0.5))], send_bpm=120.0)
    clocks = [at.expected for at, text in heard if text == "f8"]
    onsets = [at.expected for at, text in heard if text.startswith("90")]
    assert all(min(abs(at - clock) for clock in clocks) < 1e-6 for at in onsets)
    assert [pytest.approx(1000.0)] * 6 == [
        b - a for a, b in zip(onsets[5:-1], onsets[6:], strict=True)
    ]


def test_notes_are_fitted_to_the_synth_after_the_controls():
    notes = [Note(60, 0.0, 100.0, 64), Note(60, 300.0, 100.0, 64)]
    synth = SynthSettings(highest=72)
    heard = play(notes, [(0.2, Controls(transpose=20))], synth)
    assert [60, 68] == [int(text[3:5], 16) for _, text in heard if text.startswith("90")]


def test_a_note_that_the_synth_could_not_play_comes_back_with_the_range():
    notes = [Note(pitch, at, 50.0, 64) for pitch, at in ((60, 0.0), (90, 300.0), (62, 400.0))]
    synth = SynthSettings(highest=72, outside="drop")
    heard = play(notes, [(0.2, Controls(high=72))], synth)
    assert [60, 66, 62] == [int(text[3:5], 16) for _, text in heard if text.startswith("90")]


def test_a_pedal_change_that_was_sent_is_not_sent_again():
    notes = [Note(60, 0.0, 100.0, 64), Note(62, 400.0, 100.0, 64, pedal=True)]
    heard = play(notes, [(0.3, Controls(transpose=1))])
    assert [(200.0, "b0 40 7f")] == [one for one in heard if one[1].startswith("b0")]


@given(st.integers(0, 2**32), st.sampled_from([(1.0, 40), (20.0, 200), (300.0, 200)]))
@settings(max_examples=20)
def test_however_controls_change_every_note_off_goes_to_a_key_that_was_struck(seed, changes):
    per_second, many = changes
    for synth in (SynthSettings(), SynthSettings(polyphony=3, repeat_gap_ms=20.0)):
        heard = steer(many, seed, per_second, synth)
        port = heard.port
        assert not port.down
        assert not any(port.pedals.values())
        assert (0, 0, 0) == (port.astray, port.twice, heard.buffer.underruns)
        assert not heard.scheduler.sounding


def test_at_speed_one_a_tape_is_the_music_and_changes_of_speed_never_jump():
    tape = Tape()
    assert 1234.5678 == tape.heard_ms(1234.5678)
    tape.run_at(2.0, 1000.0)
    tape.run_at(0.5, 3000.0)
    assert [500.0, 1000.0, 1500.0, 2000.0, 4000.0] == [
        tape.heard_ms(at) for at in (500.0, 1000.0, 2000.0, 3000.0, 4000.0)
    ]
