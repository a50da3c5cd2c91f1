"""Nothing is left sounding: whatever happens, and whenever it happens."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import PortError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.sounding import SoundingTable
from streamer.ports.base import PortLost
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock

START = 1000.0
SETTINGS = SchedulerSettings(lead_seconds=0.1, realtime_priority=0)
SECONDS = 12.0

seeds = st.integers(0, 2**32)
moments = st.floats(0.0, SECONDS)
sends = st.integers(0, 600)


class Stage:
    """An endless stream at ten notes a second, which ends by itself after some seconds."""

    def __init__(self, seed, seconds=SECONDS, port=FakePort):
        self.clock = ManualClock(START)
        self.buffer = RollingBuffer(1, 3)
        self.port = port(self.clock)
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, SETTINGS)
        generator = FakeGenerator(seed)
        generator.top_up(self.buffer)
        self.clock.every(0.5, lambda: generator.top_up(self.buffer))
        self.clock.at(START + seconds, self.scheduler.stop)

    @property
    def is_silent(self):
        """By the synth and by the book, and with CC64 said to be 0."""
        receiver = self.port.receiver
        book = self.scheduler
        return (
            receiver.is_silent
            and receiver.pedals == {0: 0}
            and not book.sounding
            and not book.pedals
        )


@given(seeds, moments)
def test_stopped_at_any_moment_nothing_sounds(seed, moment):
    stage = Stage(seed)
    stage.clock.at(START + moment, stage.scheduler.stop)
    stage.scheduler.run()
    assert stage.is_silent


@given(seeds, sends, st.booleans(), st.sampled_from([PortError, OSError, RuntimeError]))
def test_when_any_send_raises_nothing_sounds(seed, number, delivered, kind):
    stage = Stage(seed)
    stage.port.fail_at, stage.port.fail_after_delivery = number, delivered
    stage.port.error = kind("this send was told to fail")
    with contextlib.suppress(kind):
        stage.scheduler.run()
    assert stage.is_silent


@given(seeds, moments, st.floats(0.0, 4.9), st.floats(0.0, 30.0))
def test_when_a_port_comes_back_nothing_from_before_its_loss_sounds(seed, moment, void, away):
    """For ``void`` seconds the sends arrive nowhere and nobody knows, as with ALSA."""
    stage, checked = Stage(seed, seconds=60.0), []
    lost = START + moment
    back = lost + void + away

    def compare():
        heard, booked = set(stage.port.receiver.struck), set(stage.scheduler.sounding)
        checked.append(heard - booked)

    stage.clock.at(lost, stage.port.vanish_unnoticed)
    stage.clock.at(lost + void, stage.port.vanish)
    stage.clock.at(back, stage.port.come_back)
    stage.clock.at(back + 0.3, compare)
    stage.scheduler.run()
    assert checked == [set()]
    assert stage.is_silent


@given(seeds, moments)
def test_a_port_that_comes_back_between_two_looks_is_silenced_all_the_same(seed, moment):
    stage = Stage(seed)

    def blink():
        stage.port.vanish()
        stage.port.come_back()

    stage.clock.at(START + moment, blink)
    stage.scheduler.run()
    assert stage.is_silent


class Unsure(FakePort):
    """A port that finds out when it is asked; whether it is back by then is up to the test."""

    back = True

    def settle(self):
        if self.unnoticed or not self._there:
            self.vanish()
            if self.back:
                self.come_back()


@given(seeds, moments, st.floats(0.0, 0.5), st.booleans(), st.booleans())
def test_a_stop_in_the_moment_of_an_unplug_is_silent_or_the_next_start_knows(
    seed, moment, void, noticed, back
):
    """The silence went nowhere: the cable was out since the last look, or had been until then."""
    stage = Stage(seed, port=Unsure)
    stage.port.back = back
    stage.clock.at(START + moment, stage.port.vanish_unnoticed)
    if noticed:
        stage.clock.at(START + moment + void / 2, stage.port.vanish)
    stage.clock.at(START + moment + void, stage.scheduler.stop)
    stage.scheduler.run()
    stage.scheduler.settle()
    if back:
        assert stage.is_silent
    else:
        assert set(stage.port.receiver.struck) <= set(stage.scheduler.sounding)


@given(seeds, moments, st.floats(0.0, 7200.0))
def test_after_sleep_of_the_machine_nothing_from_before_sounds(seed, moment, slept):
    stage = Stage(seed)
    before = []

    def sleep():
        before.extend(stage.scheduler.sounding)
        stage.clock.suspend(1.0 + slept)

    stage.clock.at(START + moment, sleep)
    stage.scheduler.run()
    asleep = [m for at, m in stage.port.log if at >= START + moment]
    for channel, pitch in before:
        assert bytes((0x80 | channel, pitch, 0)) in asleep
    assert stage.is_silent


@given(seeds, st.lists(st.tuples(moments, st.sampled_from(["panic", "pause", "resume"]))), moments)
def test_whatever_buttons_are_pressed_the_end_is_silent(seed, presses, end):
    stage = Stage(seed)
    for moment, button in presses:
        stage.clock.at(START + moment, getattr(stage.scheduler, button))
    stage.clock.at(START + end, stage.scheduler.stop)
    stage.scheduler.run()
    assert stage.is_silent


@given(seeds, sends)
def test_a_loss_that_only_the_send_notices_leaves_nothing(seed, number):
    stage = Stage(seed)
    stage.port.fail_at = number
    stage.port.error = PortLost("gone for one message")
    stage.scheduler.run()
    assert stage.is_silent


def test_silence_is_note_offs_then_pedal_notes_off_and_reset_on_the_channels_used():
    table = SoundingTable()
    for text in ("91 3c 40", "94 30 01", "b4 40 7f", "91 3e 40"):
        table.before(bytes.fromhex(text))
        table.after(bytes.fromhex(text))
    assert [message.hex(" ") for message in table.silence()] == [
        "81 3c 00",
        "84 30 00",
        "81 3e 00",
        "b1 40 00",
        "b1 7b 00",
        "b1 79 00",
        "b4 40 00",
        "b4 7b 00",
        "b4 79 00",
    ]


def test_only_panic_cuts_what_is_dying_away():
    table = SoundingTable()
    table.use(0)
    assert b"\xb0\x78\x00" not in table.silence()
    assert b"\xb0\x78\x00" in table.silence(panic=True)


def test_a_note_on_of_velocity_zero_is_a_note_off():
    table = SoundingTable()
    table.before(b"\x90\x3c\x40")
    table.before(b"\x90\x3c\x00")
    table.after(b"\x90\x3c\x00", now=7.0)
    assert table.keys == ()
    table.doubt(7.0)
    assert table.keys == ((0, 60),)
    with pytest.raises(IndexError):
        table.before(b"")
