"""Pace on a DIN cable: no faster than it carries, and what ends before what begins."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.buffer import RollingBuffer
from streamer.live.events import Event, Kind
from streamer.live.pacing import Pacer, choose_due
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import control, note_off, note_on
from streamer.music.notes import Note
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakePort, ManualClock, make_phrase

BYTE_SECONDS = 10 / 31_250


def taken(pacer, *messages):
    """Return how many bytes' time each message takes when all are sent at once."""
    lengths = []
    for message in messages:
        before = max(pacer.free_at, 0.0)
        pacer.occupy(message, 0.0)
        lengths.append(round((pacer.free_at - before) / BYTE_SECONDS))
    return lengths


def test_a_message_of_three_bytes_takes_about_a_millisecond():
    pacer = Pacer("din")
    pacer.occupy(note_on(0, 60, 64), 10.0)
    assert pytest.approx(10.00096) == pacer.free_at


def test_running_status_saves_a_byte_until_another_status_comes():
    pacer = Pacer("din-running-status")
    on, other = note_on(0, 60, 64), control(0, 64, 0)
    assert [3, 2, 1, 2, 3, 3] == taken(pacer, on, on, b"\xf8", on, other, on)
    assert [3, 3] == taken(Pacer("din"), on, on)


def test_the_song_position_ends_a_running_status():
    on = note_on(0, 60, 64)
    assert [3, 3, 3] == taken(Pacer("din-running-status"), on, b"\xf2\x00\x00", on)


def test_a_fast_wire_waits_for_nothing_unless_messages_are_spaced():
    assert not Pacer().limits
    spaced = Pacer(spacing_seconds=0.002)
    spaced.occupy(b"\xf8", 5.0)
    assert (True, pytest.approx(5.002)) == (spaced.limits, spaced.free_at)
    with pytest.raises(ValueError, match="0 or more"):
        Pacer(spacing_seconds=-1.0)


def on(at_ms, serial, pitch):
    return Event(at_ms, Kind.NOTE_ON, serial, note_on(0, pitch, 64))


def off(at_ms, serial, pitch):
    return Event(at_ms, Kind.NOTE_OFF, serial, note_off(0, pitch))


def test_a_note_off_overtakes_note_ons_that_wait():
    queue = [on(0.0, 1, 60), on(0.0, 2, 64), off(1.0, 0, 50), on(90.0, 3, 67)]
    assert queue[2] == choose_due(queue, 2.0, {(0, 50): 0})
    assert queue[0] == choose_due(queue, 0.5, {(0, 50): 0})


def test_a_note_off_overtakes_neither_its_own_note_on_nor_a_pedal():
    own = [on(0.0, 1, 60), off(1.0, 1, 60)]
    assert own[0] == choose_due(own, 2.0, {})
    pedal = Event(0.5, Kind.PEDAL_DOWN, 2, control(0, 64, 127))
    held = [on(0.0, 1, 60), pedal, off(1.0, 0, 50)]
    assert held[0] == choose_due(held, 2.0, {(0, 50): 0})


def test_what_is_taken_leaves_the_queue_in_order():
    queue = [on(0.0, 1, 60), on(0.5, 2, 64), off(1.0, 0, 50), off(9.0, 1, 60), on(7.0, 3, 67)]
    heapq.heapify(queue)
    pacer, owners = Pacer("din"), {(0, 50): 0}
    assert [0, 1, 2, 3, 1] == [pacer.pop(queue, 2.0, owners).serial for _ in range(5)]


@given(
    st.lists(
        st.tuples(st.integers(40, 80), st.floats(0.0, 30.0), st.floats(1.0, 200.0)),
        min_size=1,
        max_size=60,
    )
)
def test_the_cable_is_never_given_more_than_it_carries_and_nothing_is_left_sounding(plan):
    notes, onset_ms = [], 0.0
    for pitch, wait_ms, duration_ms in plan:
        onset_ms += wait_ms
        notes.append(Note(pitch, onset_ms, duration_ms, 64, pedal=pitch % 3 == 0))
    clock, buffer = ManualClock(), RollingBuffer(4.0, 10.0)
    port = FakePort(clock)
    buffer.put(make_phrase(notes))
    buffer.close()
    settings = SchedulerSettings(realtime_priority=0)
    Scheduler(buffer, port, clock, settings, synth=SynthSettings(wire="din"), send_bpm=120.0).run()
    assert port.receiver.is_silent
    for (before, message), (after, _) in zip(port.log, port.log[1:], strict=False):
        assert after - before >= len(message) * BYTE_SECONDS - 1e-9
