"""A machine that sleeps: CLOCK_MONOTONIC stands, CLOCK_BOOTTIME goes on, and nothing is bunched."""

from __future__ import annotations

import pytest

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakePort, ManualClock, make_phrase

START = 1000.0
SETTINGS = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
SYNTH = SynthSettings(bank_msb=1, program=6)
GREETING = [b"\xb0\x00\x01", b"\xc0\x05"]

SOON_SECONDS = 0.25
"""The scheduler's heartbeat: so soon after waking what sounded is silenced."""


def play(sleeps: dict[float, float], **more) -> FakePort:
    """Play ten seconds of overlapping notes; at each moment the machine sleeps for so long."""
    clock = ManualClock(START)
    port = FakePort(clock)
    buffer = RollingBuffer(4.0, 20.0)
    notes = [Note(40 + i % 40, i * 125.0, 900.0, 64, pedal=i % 3 == 0) for i in range(80)]
    buffer.put(make_phrase(notes))
    buffer.close()
    for moment, seconds in sleeps.items():
        clock.at(START + moment, lambda seconds=seconds: clock.suspend(seconds))
    Scheduler(buffer, port, clock, SETTINGS, synth=SYNTH, **more).run()
    assert port.receiver.is_silent
    return port


def struck(port: FakePort) -> list[tuple[float, bytes]]:
    return [(at, message) for at, message in port.log if message[0] == 0x90]


def places(port: FakePort) -> list[float | None]:
    """Where the notes lie in what a recorder would write."""
    rows = zip(port.places, port.messages, strict=True)
    return [place for place, message in rows if message[0] == 0x90]


@pytest.mark.parametrize("slept", [1.0, 3600.0, 30 * 86400.0])
def test_the_notes_after_waking_come_at_their_times_and_none_is_lost(slept):
    undisturbed, port = play({}), play({3.06: slept})
    assert struck(undisturbed) == struck(port)
    assert places(undisturbed) == places(port)


def test_what_sounded_is_silenced_soon_after_waking():
    port = play({3.06: 3600.0})
    before = {m[1] for at, m in struck(port) if START + 2.2 < at < START + 3.06}
    soon = [m for at, m in port.log if START + 3.06 <= at <= START + 3.06 + SOON_SECONDS]
    assert before <= {m[1] for m in soon if m[0] == 0x80}
    assert {b"\xb0\x40\x00", b"\xb0\x7b\x00"} <= set(soon)


def test_a_synth_that_may_have_lost_its_power_is_told_its_program_again():
    port = play({3.06: 3600.0})
    told = [at for at, message in port.log if message == GREETING[-1]]
    assert 2 == len(told)
    assert START + 3.06 <= told[1] <= START + 3.06 + SOON_SECONDS
    assert port.messages.count(GREETING[0]) == 2


def test_the_clock_that_is_sent_goes_on_steadily_after_waking():
    port = play({3.06: 3600.0}, send_bpm=120.0)
    clocks = [at for at, message in port.log if message == b"\xf8"]
    gaps = [b - a for a, b in zip(clocks, clocks[1:], strict=False)]
    assert [pytest.approx(60.0 / (120.0 * 24), abs=1e-6)] * len(gaps) == gaps


def test_three_sleeps_in_a_row_are_as_good_as_one():
    assert struck(play({})) == struck(play({2.0: 60.0, 2.1: 7200.0, 5.0: 1.0}))


def test_a_difference_of_the_clocks_that_is_no_sleep_silences_nothing():
    assert play({}).log == play({3.06: 0.2}).log
