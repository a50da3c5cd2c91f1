"""The clock that waits and the line on which the music lies."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.timeline import Timeline
from streamer.system.clock import MonotonicClock
from streamer.testing import ManualClock

ROUNDING_S = 1e-6
"""Doubles of a few thousand seconds hold a microsecond."""


def test_a_deadline_that_has_passed_is_reached_at_once():
    clock = MonotonicClock()
    assert clock.wait_until(clock.now() - 1.0, threading.Event()) is False


def test_a_set_wake_ends_a_wait_before_its_deadline():
    clock, wake = MonotonicClock(), threading.Event()
    wake.set()
    assert clock.wait_until(clock.now() + 3600.0, wake) is True


@pytest.mark.parametrize("spin_seconds", [0.0, 0.002])
def test_a_wait_never_ends_before_its_deadline(spin_seconds):
    clock = MonotonicClock()
    deadline = clock.now() + 0.002
    assert clock.wait_until(deadline, threading.Event(), spin_seconds) is False
    assert clock.now() >= deadline


def test_the_time_a_machine_slept_is_known_apart_from_the_clock(monkeypatch):
    ahead = time.clock_gettime(time.CLOCK_BOOTTIME) + 60.0
    monkeypatch.setattr(time, "clock_gettime", lambda which: ahead)
    assert MonotonicClock().suspended() == pytest.approx(60.0, abs=1.0)


def test_a_manual_clock_leaps_to_the_deadline_and_does_what_was_planned_on_the_way():
    clock, wake, done = ManualClock(0.0), threading.Event(), []
    clock.at(2.0, lambda: done.append(clock.now()))
    clock.at(1.0, lambda: done.append(clock.now()))
    assert clock.wait_until(5.0, wake) is False
    assert done == [1.0, 2.0]
    assert clock.now() == 5.0


def test_a_manual_clock_stops_at_the_moment_in_which_it_is_woken():
    clock, wake = ManualClock(0.0), threading.Event()
    clock.at(1.5, wake.set)
    assert clock.wait_until(5.0, wake) is True
    assert clock.now() == 1.5


def test_a_manual_clock_refuses_a_wait_that_nothing_could_end():
    with pytest.raises(RuntimeError, match="never end"):
        ManualClock().wait_until(float("inf"), threading.Event())


def test_a_held_timeline_stands_still_and_goes_on_from_there():
    line = Timeline()
    line.start(500.0, 10.0)
    assert line.now_ms(11.0) == 1500.0
    line.hold(11.0)
    assert line.now_ms(99.0) == 1500.0
    assert line.deadline(2000.0) == float("inf")
    line.run_from(100.0)
    assert line.now_ms(100.0) == 1500.0
    assert line.deadline(2000.0) == 100.5


def test_a_timeline_held_before_its_start_keeps_its_lead():
    line = Timeline()
    line.start(0.0, 10.0)
    line.hold(9.0)
    line.run_from(20.0)
    assert line.deadline(0.0) == 20.0


def test_a_rate_that_is_not_above_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        Timeline().set_rate(0.0, 1.0)


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.1, 10)), max_size=20),
    st.floats(0, 1e6),
)
def test_deadline_and_place_are_inverse_and_never_leap_when_the_rate_changes(changes, at_ms):
    line, now = Timeline(), 100.0
    line.start(0.0, now)
    for seconds, rate in changes:
        now += seconds
        before = line.now_ms(now)
        line.set_rate(rate, now)
        assert line.now_ms(now) == pytest.approx(before, abs=1e-3)
    assert line.now_ms(line.deadline(at_ms)) == pytest.approx(at_ms, rel=1e-9, abs=ROUNDING_S * 1e6)
