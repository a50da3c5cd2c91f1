"""The transport of JACK: the music stands and rolls with it, at its tempo, on its bars."""

from __future__ import annotations

import ctypes
import itertools
import logging
import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.control.follow import Obedience
from streamer.control.transport import TRY_SECONDS, JackFollower
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.ports.jacktransport import Transport, transport_of
from streamer.testing import FakePort, ManualClock
from tests.streamer.test_beatline import SETTINGS, START, tune

LOOK = 0.05


@dataclass
class FakeWatch:
    """A server whose transport the test moves.

    Attributes:
        place: Where it is, at ``since`` of the clock.
    """

    clock: ManualClock
    place: Transport | None = None
    runs: bool = True
    since: float = START
    tries: int = 0
    closed: bool = False

    def connect(self) -> bool:
        self.tries += 1
        return self.runs

    def transport(self) -> Transport | None:
        if not self.runs or self.place is None or not self.tries:
            return None
        beat, place = self.beat_at(self.clock.now() - 0.003), self.place
        return replace(place, beat=beat, age_seconds=0.003)

    def beat_at(self, now: float) -> float:
        assert self.place is not None
        moved = self.place.rolling and self.place.tempo_bpm
        return self.place.beat + (now - self.since) * (self.place.tempo_bpm or 0) / 60 * bool(moved)

    def put(self, place: Transport) -> None:
        self.place, self.since = place, self.clock.now()

    def close(self) -> None:
        self.closed = True


class Playing:
    """A tune beside a transport."""

    def __init__(self, place: Transport, beats: int = 64, phrases: int = 1) -> None:
        self.clock = ManualClock(START)
        self.watch = FakeWatch(self.clock, place)
        self.port = FakePort(self.clock)
        buffer = RollingBuffer(4.0, 10.0)
        for number in range(phrases):
            buffer.put(tune(beats=beats - 1, start_beat=beats * number))
        buffer.close()
        self.scheduler = Scheduler(buffer, self.port, self.clock, SETTINGS)
        self.follower = JackFollower(self.watch)
        self.obedience = Obedience(self.follower, self.scheduler, 120.0)

    def at(self, seconds: float, place: Transport) -> None:
        self.clock.at(START + seconds, lambda: self.watch.put(place))

    def run(self) -> list[float]:
        self.obedience.turn(self.clock.now())
        self.clock.every(LOOK, lambda: self.obedience.turn(self.clock.now()))
        self.scheduler.run()
        assert self.port.receiver.is_silent
        return [at for at, message in self.port.log if message[0] == 0x90]


STOPPED = Transport(rolling=False, tempo_bpm=120.0)


def test_music_begins_on_a_bar_when_the_transport_rolls_and_stands_with_it():
    playing = Playing(STOPPED)
    playing.at(4.0, Transport(rolling=True, tempo_bpm=120.0, beat=6.5))
    playing.at(9.0, replace(STOPPED, beat=16.5))
    playing.at(12.0, Transport(rolling=True, tempo_bpm=120.0, beat=16.5))
    onsets = playing.run()
    # The bar line after 6.5 is 8: 0.75 s later.
    assert pytest.approx(START + 4.75, abs=0.001) == onsets[0]
    assert not [at for at in onsets if START + 9.0 + LOOK < at < START + 12.0]
    after = [at for at in onsets if at > START + 12.0]
    assert max(abs(math.remainder((at - START - 12.0) * 2 + 16.5, 1.0)) for at in after) < 0.002
    assert 64 == len(onsets)


def test_tempo_is_followed_and_a_leap_to_another_place_comes_to_its_bar():
    playing = Playing(Transport(rolling=True, tempo_bpm=120.0), beats=32, phrases=3)
    playing.at(6.0, Transport(rolling=True, tempo_bpm=90.0, beat=12.0))
    playing.at(9.0, Transport(rolling=True, tempo_bpm=90.0, beat=101.0))
    onsets = playing.run()
    steps = [b - a for a, b in zip(onsets, onsets[1:], strict=False)]
    assert pytest.approx(0.5, abs=0.002) == steps[4]
    assert pytest.approx(60.0 / 90.0, abs=0.002) == steps[-1]
    for first in (onsets[32], onsets[64]):
        assert abs(math.remainder(playing.watch.beat_at(first), 4.0)) < 0.005


def test_a_waltz_has_bars_of_three():
    playing = Playing(Transport(rolling=True, tempo_bpm=120.0, beat=1.0, bar=3.0), beats=30)
    first = playing.run()[0]
    assert abs(math.remainder(playing.watch.beat_at(first), 3.0)) < 0.002


def test_without_bars_the_music_plays_at_its_own_tempo_while_it_rolls():
    playing = Playing(Transport(rolling=False), beats=16)
    playing.at(2.0, Transport(rolling=True))
    onsets = playing.run()
    assert onsets[0] >= START + 2.0
    steps = {round(b - a, 4) for a, b in zip(onsets, onsets[1:], strict=False)}
    assert {0.625} == steps
    assert "JACK, rolling, no bars" == playing.follower.said


def test_a_server_that_goes_lets_the_music_go_on_and_is_found_again(caplog):
    clock = ManualClock(START)
    watch = FakeWatch(clock, Transport(rolling=True, tempo_bpm=100.0), runs=False)
    follower = JackFollower(watch, "default")
    with caplog.at_level(logging.INFO):
        for _ in range(30):
            assert not follower.look(clock.now()).external
            clock.jump(LOOK)
        assert watch.tries <= 1 + 1.5 / TRY_SECONDS
        watch.runs = True
        clock.jump(TRY_SECONDS)
        assert follower.look(clock.now()).locked
        assert "JACK, rolling" == follower.said
        watch.runs = False
        followed = follower.look(clock.now())
    assert (False, False) == (followed.external, followed.halted)
    assert "JACK, no server" == follower.said
    assert 3 == len(caplog.messages)
    follower.close()
    assert watch.closed


class Library:
    """A libjack with one answer."""

    def __init__(self, state: int, **values: float) -> None:
        self.state, self.values = state, values

    def jack_get_time(self) -> int:
        return 5_000_000

    def jack_transport_query(self, client: int, place: ctypes.c_void_p) -> int:
        found = place._obj  # type: ignore[attr-defined]
        for name, value in self.values.items():
            setattr(found, name, value)
        return self.state


BBT = {
    "usecs": 4_990_000, "frame_rate": 48_000, "valid": 0x10, "bar": 3, "beat": 2, "tick": 960,
    "beats_per_bar": 4.0, "beat_type": 4.0, "ticks_per_beat": 1920.0, "beats_per_minute": 100.0,
}  # fmt: skip


def test_bar_beat_and_tick_are_a_place_in_quarters():
    assert Transport(True, 0.01, 100.0, 9.5, 4.0) == transport_of(Library(1, **BBT), 1)
    eighths = {**BBT, "beat_type": 8.0, "beats_per_bar": 6.0}
    assert Transport(True, 0.01, 50.0, 6.75, 3.0) == transport_of(Library(1, **eighths), 1)
    offset = {**BBT, "valid": 0x50, "bbt_offset": 28_800}
    assert pytest.approx(10.5) == transport_of(Library(1, **offset), 1).beat


@pytest.mark.parametrize("wrong", [{"valid": 0}, {"ticks_per_beat": 0.0}, {"beat_type": -1.0}])
def test_a_server_that_says_no_bars_has_no_tempo(wrong):
    assert transport_of(Library(1, **{**BBT, **wrong}), 1).tempo_bpm is None


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "name", ["beats_per_bar", "beat_type", "ticks_per_beat", "beats_per_minute"]
)
@pytest.mark.parametrize("value", [NAN, INF, -INF, -4.0, 0.0, 1e-320, 1e-30, 1e30, 1e-5, 1e300])
@settings(max_examples=20, deadline=None)
@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1))
def test_numbers_that_nobody_can_play_by_are_no_bars(name, value, whole, offset):
    if name in ("beats_per_bar", "beat_type"):
        value = ctypes.c_float(value).value
    wild = {**BBT, name: value, "valid": 0x50, "bbt_offset": offset}
    for place in ({}, {"bar": whole}, {"beat": whole}, {"tick": whole}):
        found = transport_of(Library(1, **{**wild, **place}), 1)
        assert found.rolling
        if found.tempo_bpm is None:
            continue
        assert 0 < found.tempo_bpm < INF
        assert 0.25 <= found.bar <= 64.0
        assert abs(found.beat) <= 1e9
        assert not math.isnan(value)


@pytest.mark.parametrize(
    "wrong",
    [{"beat_type": NAN}, {"beats_per_minute": NAN}, {"beats_per_bar": INF}, {"beat_type": 1e-30},
     {"ticks_per_beat": NAN}, {"ticks_per_beat": 1e-320}, {"beats_per_bar": 1000.0}],
)  # fmt: skip
def test_music_goes_on_beside_a_program_that_says_what_cannot_be(wrong):
    playing = Playing(Transport(rolling=True), beats=16)
    playing.watch.transport = lambda: transport_of(Library(1, **{**BBT, **wrong}), 1)
    steps = {round(b - a, 4) for a, b in itertools.pairwise(playing.run())}
    assert {0.625} == steps
    assert "JACK, rolling, no bars" == playing.follower.said


@pytest.mark.parametrize(("state", "rolling"), [(0, False), (1, True), (3, False)])
def test_a_transport_that_starts_does_not_roll_yet(state, rolling):
    assert rolling is transport_of(Library(state, **BBT), 1).rolling
