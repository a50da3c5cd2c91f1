"""Clock in: locked within two beats, steady under jitter, obedient to transport, alone again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.midi.clock import ClockFollower, ClockLoop, Followed, locked_rate

JITTER_SECONDS = 0.001
"""Standard deviation of the jitter on the input: that of USB full speed."""

PHASE_P99_SECONDS = 0.003
"""What the issue asks for; measured 0.6 ms at a steady tempo, 2.4 ms on a steep ramp."""

TEMPO_SHARE = 0.005
"""Tempo is right to half a percent once locked (measured 0.2 % at 300 BPM)."""

CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"


def clock_times(tempo_at, seconds):
    """Return the true times of clocks whose tempo is a function of time."""
    now, times = 0.0, []
    while now < seconds:
        times.append(now)
        now += 60.0 / (tempo_at(now) * 24)
    return times


def p99(values):
    return sorted(values)[int(0.99 * (len(values) - 1))]


class Master:
    """A clock that feeds a follower at a steady tempo, without jitter unless told so."""

    def __init__(self, follower: ClockFollower, tempo_bpm: float = 120.0) -> None:
        self.follower, self.now, self.tempo_bpm = follower, 100.0, tempo_bpm
        self.random = random.Random(1)

    def clocks(self, count: int, jitter: float = 0.0) -> Followed:
        for _ in range(count):
            self.now += 60.0 / (self.tempo_bpm * 24)
            self.follower.receive(CLOCK, self.now + self.random.gauss(0.0, jitter))
        return self.look()

    def say(self, message: bytes) -> None:
        assert self.follower.receive(message, self.now)

    def look(self) -> Followed:
        return self.follower.look(self.now)


@given(st.floats(40.0, 300.0), st.integers(0, 10_000))
def test_locks_within_two_beats_and_phase_and_tempo_stay_right_under_jitter(tempo_bpm, seed):
    loop, jitter, off, tempos = ClockLoop(), random.Random(seed), [], []
    for number, true in enumerate(clock_times(lambda _: tempo_bpm, 1200 / tempo_bpm)):
        loop.clock(true + jitter.gauss(0.0, JITTER_SECONDS))
        if number >= 48:
            assert loop.locked
            off.append(abs(loop.estimate - true))
            tempos.append(abs(loop.tempo_bpm / tempo_bpm - 1.0))
    assert p99(off) < PHASE_P99_SECONDS
    assert p99(tempos) < TEMPO_SHARE


@given(st.floats(60.0, 180.0), st.floats(0.7, 1.5), st.floats(6.0, 12.0), st.integers(0, 10_000))
def test_a_tempo_ramp_is_followed(tempo_bpm, ratio, seconds, seed):
    def tempo_at(now):
        return tempo_bpm * (1.0 + (ratio - 1.0) * min(max(now - 4.0, 0.0) / seconds, 1.0))

    loop, jitter, off = ClockLoop(), random.Random(seed), []
    for number, true in enumerate(clock_times(tempo_at, 20.0)):
        loop.clock(true + jitter.gauss(0.0, JITTER_SECONDS))
        if number >= 48:
            off.append(abs(loop.estimate - true))
    assert p99(off) < 2 * PHASE_P99_SECONDS
    assert pytest.approx(tempo_at(20.0), rel=TEMPO_SHARE) == loop.tempo_bpm


@pytest.mark.parametrize(("before", "after"), [(120, 90), (60, 200), (200, 60), (120, 126)])
def test_a_leap_of_the_tempo_is_learnt_within_two_beats(before, after):
    loop, now = ClockLoop(), 0.0
    for tempo_bpm, clocks in ((before, 96), (after, 48)):
        for _ in range(clocks):
            loop.clock(now)
            now += 60.0 / (tempo_bpm * 24)
    assert pytest.approx(after, rel=0.01) == loop.tempo_bpm
    assert loop.locked


def test_one_missing_clock_does_not_disturb_the_tempo():
    loop, interval = ClockLoop(), 60.0 / (120 * 24)
    for number in (*range(100), *range(101, 140)):
        loop.clock(number * interval)
        assert pytest.approx(120.0, rel=0.001) == loop.tempo_bpm


def test_an_unsteady_first_clock_is_forgotten():
    loop, interval = ClockLoop(), 60.0 / (120 * 24)
    for now in (0.0, 0.001, *(0.5 + number * interval for number in range(96))):
        loop.clock(now)
    assert loop.locked
    assert pytest.approx(120.0, rel=0.001) == loop.tempo_bpm


def test_the_first_clock_after_start_is_beat_zero_and_24_make_a_quarter():
    master = Master(ClockFollower())
    master.clocks(30)
    master.say(START)
    assert 1 == master.look().starts
    assert pytest.approx(0.0, abs=1e-9) == master.clocks(1).beat
    assert pytest.approx(1.0) == master.clocks(24).beat


def test_stop_halts_while_clocks_go_on_and_continue_resumes_at_the_next_clock():
    master = Master(ClockFollower())
    master.say(START)
    master.clocks(25)
    master.say(STOP)
    halted = master.clocks(240)
    assert (True, True, 1.0) == (halted.external, halted.halted, halted.beat)
    assert 1.0 == halted.beat_at(master.now + 1.0)
    master.say(CONTINUE)
    assert master.look().halted
    resumed = master.clocks(1)
    assert (False, pytest.approx(25 / 24)) == (resumed.halted, resumed.beat)
    assert pytest.approx(2.0) == master.clocks(23).beat


def test_the_song_position_counts_sixteenths_and_holds_for_the_next_clock():
    master = Master(ClockFollower())
    master.say(START)
    master.clocks(10)
    master.say(STOP)
    master.say(bytes((0xF2, 0x08, 0x01)))
    assert pytest.approx((8 + 128) / 4) == master.look().beat
    master.say(CONTINUE)
    assert pytest.approx((8 + 128) / 4) == master.clocks(1).beat


def test_the_beat_runs_on_between_clocks():
    master = Master(ClockFollower(), tempo_bpm=100.0)
    master.say(START)
    followed = master.clocks(49)
    assert pytest.approx(2.0) == followed.beat_at(master.now)
    assert pytest.approx(2.5) == followed.beat_at(master.now + 0.3)


def test_two_seconds_without_a_clock_and_the_stream_is_its_own_master():
    master = Master(ClockFollower(), tempo_bpm=60.0)
    assert pytest.approx(0.5) == master.clocks(48).rate(120.0)
    master.now += 1.99
    assert master.look().external
    master.now += 0.02
    alone = master.look()
    assert (False, False, 1.0) == (alone.external, alone.locked, alone.rate(120.0))


def test_a_clock_that_comes_back_is_learnt_anew():
    master = Master(ClockFollower(), tempo_bpm=60.0)
    master.clocks(48)
    master.now += 60.0
    master.tempo_bpm = 180.0
    followed = master.clocks(48)
    assert followed.locked
    assert pytest.approx(1.5) == followed.rate(120.0)


def test_a_stop_ends_when_the_clocks_cease_unless_it_is_told_to_hold():
    for stop_holds in (False, True):
        master = Master(ClockFollower(stop_holds=stop_holds))
        master.say(START)
        master.clocks(48)
        master.say(STOP)
        master.now += 3.0
        assert stop_holds is master.look().halted
        master.say(START)
        master.clocks(1)
        assert not master.look().halted


def test_before_it_is_locked_and_while_a_leap_is_learnt_the_rate_does_not_flicker():
    master = Master(ClockFollower(), tempo_bpm=60.0)
    assert {1.0} == {master.clocks(1).rate(120.0) for _ in range(23)}
    master.clocks(48)
    master.tempo_bpm = 200.0
    rates = [master.clocks(1).rate(120.0) for _ in range(72)]
    assert all(rate >= 0.499 for rate in rates)
    assert pytest.approx(200 / 120, rel=0.01) == rates[-1]


def test_the_rate_stays_within_what_music_bears():
    slow, fast = Followed(True, True, False, 20.0), Followed(True, True, False, 400.0)
    assert (0.25, 4.0) == (slow.rate(300.0), fast.rate(30.0))


def test_other_messages_are_left_to_others():
    follower = ClockFollower()
    for message in (b"\x90\x3c\x40", b"\xfe", b"\xff", b"", b"\xf2\x01"):
        assert not follower.receive(message, 0.0)


def test_music_on_a_grid_comes_into_phase_within_two_beats():
    master = Master(ClockFollower(), tempo_bpm=126.0)
    master.say(START)
    followed = master.clocks(48)
    now, beats = master.now, followed.beat_at(master.now) + 0.3
    for _ in range(24 * 8):
        step = 60.0 / (126.0 * 24)
        ahead = beats - followed.beat_at(now)
        beats += step * locked_rate(followed, 120.0, ahead) * 120.0 / 60.0
        now += step
        followed = master.clocks(1, JITTER_SECONDS)
    off_beats = beats - followed.beat_at(now)
    assert abs(off_beats) * 60.0 / 126.0 < PHASE_P99_SECONDS


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from((CLOCK, CLOCK, CLOCK, START, CONTINUE, STOP)), st.binary(max_size=3)
            ),
            st.floats(-0.01, 5.0, allow_nan=False),
        ),
        max_size=200,
    )
)
def test_no_bytes_and_no_times_upset_it(plan):
    follower, now = ClockFollower(), 0.0
    for message, wait in plan:
        now += wait
        follower.receive(message, now)
        followed = follower.look(now)
        assert 0.25 <= followed.rate(120.0) <= 4.0
        assert followed.beat_at(now) >= -1.0
