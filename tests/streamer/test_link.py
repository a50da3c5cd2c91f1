"""Ableton Link: followed while others are there, led while nobody is, and never seized."""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.control.follow import Following, Obedience
from streamer.control.link import LinkFollower, library, open_session
from streamer.errors import ConfigError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.clock import Followed
from streamer.settings.midi import ClockSettings
from streamer.testing import FakePort, ManualClock
from tests.streamer.test_beatline import SETTINGS, START, tune

RAW_AHEAD = -12.5
"""Link counts by another clock of the system than ours, seconds."""

OWN_BPM = 96.0


@dataclass
class Timeline:
    """What programs that share a session have in common."""

    bpm: float = 120.0
    beat: float = 0.0
    at: int = 0
    playing: bool = False

    def beat_at(self, micros: int) -> float:
        return self.beat + (micros - self.at) * self.bpm / 60e6


class State:
    """A snapshot, as LinkPython gives one."""

    def __init__(self, line: Timeline) -> None:
        self.line = Timeline(line.bpm, line.beat, line.at, line.playing)

    def tempo(self) -> float:
        return self.line.bpm

    def beatAtTime(self, micros: int, quantum: float) -> float:
        return self.line.beat_at(micros)

    def isPlaying(self) -> bool:
        return self.line.playing

    def setTempo(self, bpm: float, micros: int) -> None:
        beat = self.line.beat_at(micros)
        self.line.bpm, self.line.beat, self.line.at = 60e6 / round(60e6 / bpm), beat, micros

    def forceBeatAtTime(self, beat: float, micros: int, quantum: float) -> None:
        self.line.beat, self.line.at = beat, micros

    def setIsPlaying(self, playing: bool, micros: int) -> None:
        self.line.playing = playing


@dataclass
class FakeSession:
    """A session whose others are played by the test."""

    clock: ManualClock
    line: Timeline = field(default_factory=Timeline)
    others: int = 0
    commits: int = 0
    closed: bool = False

    def micros(self) -> int:
        return round((self.clock.now() + RAW_AHEAD) * 1e6)

    def peers(self) -> int:
        return self.others

    def state(self) -> State:
        return State(self.line)

    def commit(self, state: State) -> None:
        assert not self.others, "the tempo of others was touched"
        self.commits += 1
        self.line = state.line

    def close(self) -> None:
        self.closed = True

    def join(self, bpm: float, beat: float, others: int = 1) -> None:
        """Find a session that was there before: its timeline is everybody's."""
        self.others = others
        self.line = Timeline(bpm, beat, self.micros(), self.line.playing)


@dataclass
class FakeMusic:
    bpm: float = OWN_BPM
    place: float | None = None
    held: bool = False
    kept: list[float] = field(default_factory=list)

    def keep(self, bpm: float) -> None:
        self.kept.append(bpm)
        self.bpm = bpm


class Network:
    """A follower, and the session it looks at."""

    def __init__(self, **more) -> None:
        self.clock, self.music = ManualClock(START), FakeMusic()
        self.session = FakeSession(self.clock)
        settings = ClockSettings(mode="link", **more)
        self.follower = LinkFollower(self.session, self.music, self.clock, settings)

    def look(self, after: float = 0.05) -> Followed:
        self.clock.jump(after)
        return self.follower.look(self.clock.now())


@pytest.fixture
def network() -> Network:
    return Network()


def test_alone_the_session_is_kept_to_the_tempo_and_the_beat_of_the_stream(network):
    network.music.place = 7.25
    assert not network.look().external
    assert pytest.approx(OWN_BPM, abs=0.001) == network.session.line.bpm
    beat = network.session.line.beat_at(network.session.micros())
    assert pytest.approx(7.25) == beat
    assert "Link, alone" == network.follower.said
    for _ in range(20):  # and nothing is committed that is so already
        network.music.place += 0.05 * OWN_BPM / 60.0
        network.look()
    assert 1 == network.session.commits
    network.music.bpm = 100.0
    network.look()
    assert pytest.approx(100.0, abs=0.001) == network.session.line.bpm


def test_others_give_tempo_and_beat_and_the_bar(network):
    network.look()
    network.session.join(133.0, 2.5, others=2)
    followed = network.look(0.0)
    assert (True, True, False, 133.0, 4.0) == (
        followed.external, followed.locked, followed.halted, followed.tempo_bpm, followed.bar,
    )  # fmt: skip
    assert pytest.approx(2.5 + 133.0 / 60.0) == followed.beat_at(network.clock.now() + 1.0)
    assert "Link, 2 others" == network.follower.said
    assert 1 == network.session.commits


def test_a_tempo_that_somebody_sets_who_is_not_seen_yet_is_left_alone(network):
    network.look()
    network.session.line = Timeline(150.0, 0.0, network.session.micros())
    for _ in range(15):
        network.look()
        assert 150.0 == network.session.line.bpm
    network.session.others = 1
    assert 150.0 == network.look().tempo_bpm


def test_when_the_last_one_leaves_the_music_goes_on_at_the_tempo_that_was_there(network):
    network.session.join(110.0, 0.0)
    network.look()
    network.session.others = 0
    assert not network.look().external
    assert [110.0] == network.music.kept
    network.look()
    assert pytest.approx(110.0, abs=0.001) == network.session.line.bpm


@pytest.mark.parametrize(
    ("bpm", "beat"), [(math.nan, 0.0), (math.inf, 0.0), (0.0, 0.0), (100.0, math.nan)]
)
def test_a_session_whose_tempo_is_no_number_is_not_played_by(network, bpm, beat):
    network.session.join(bpm, beat)
    followed = network.look()
    assert (True, False, 1.0) == (followed.external, followed.locked, followed.rate(120.0))
    network.session.join(OWN_BPM, 0.0, others=0)
    network.look()
    assert [] == network.music.kept


def test_start_and_stop_are_obeyed_only_where_they_are_wanted():
    for wanted in (False, True):
        network = Network(link_start_stop=wanted)
        network.session.join(120.0, 0.0)
        assert wanted is network.look().halted
        network.session.line.playing = True
        assert not network.look().halted


def test_alone_the_session_plays_while_the_stream_does():
    network = Network(link_start_stop=True)
    assert not network.look().halted
    assert network.session.line.playing
    network.music.held = True
    network.look()
    assert not network.session.line.playing


COMINGS = st.lists(
    st.tuples(st.integers(0, 2), st.floats(40.0, 240.0), st.floats(0.0, 3.0)), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(COMINGS)
def test_a_tempo_of_others_is_never_touched(comings):
    network = Network(link_start_stop=True)
    for others, bpm, seconds in comings:
        if others:
            network.session.join(bpm, 0.0, others)
        network.session.others = others
        until = network.clock.now() + seconds
        while network.clock.now() < until:
            followed = network.look()
            if others:
                assert bpm == network.session.line.bpm == followed.tempo_bpm
    assert all(math.isfinite(bpm) for bpm in network.music.kept)


class Playing:
    """A tune that plays in a session."""

    def __init__(self, *phrases) -> None:
        self.clock, self.music = ManualClock(START), FakeMusic()
        self.session = FakeSession(self.clock)
        self.port = FakePort(self.clock)
        buffer = RollingBuffer(4.0, 10.0)
        for phrase in phrases:
            buffer.put(phrase)
        buffer.close()
        self.scheduler = Scheduler(buffer, self.port, self.clock, SETTINGS)
        source = LinkFollower(self.session, self.music, self.clock, ClockSettings(mode="link"))
        self.obedience = Obedience(source, self.scheduler, 120.0)

    def at(self, seconds, action) -> None:
        self.clock.at(START + seconds, action)

    def run(self) -> list[tuple[float, float]]:
        """Play everything; return where in the session's bars each onset fell, and its length."""
        self.obedience.turn(self.clock.now())
        self.clock.every(0.05, lambda: self.obedience.turn(self.clock.now()))
        self.scheduler.run()
        assert self.port.receiver.is_silent
        return [at for at, message in self.port.log if message[0] == 0x90]

    def place(self, at: float) -> float:
        """Return the place in the session's bar, -2..2 beats."""
        return math.remainder(self.session.line.beat_at(round((at + RAW_AHEAD) * 1e6)), 4.0)


def test_a_tune_begins_on_the_bar_of_a_session_that_is_there():
    playing = Playing(tune(beats=32))
    playing.session.join(133.0, 1.3)
    onsets = playing.run()
    assert onsets[0] - START <= 0.3 + 4 * 60.0 / 133.0
    places = [playing.place(at) - n for n, at in enumerate(onsets)]
    assert max(abs(math.remainder(place, 4.0)) for place in places) * 60.0 / 133.0 < 0.001


def test_a_tune_that_plays_comes_to_the_beat_and_the_next_phrase_to_the_bar():
    playing = Playing(*(tune(beats=31, start_beat=n * 32) for n in range(3)))
    playing.at(3.0, lambda: playing.session.join(120.0, 1.6))
    onsets = playing.run()
    assert 96 == len(onsets)
    late = [at for at in onsets if at > START + 10.0]
    assert max(abs(math.remainder(playing.place(at), 1.0)) for at in late) * 0.5 < 0.001
    assert abs(playing.place(onsets[32])) * 0.5 < 0.001
    assert abs(playing.place(onsets[64])) * 0.5 < 0.001


def test_a_change_of_tempo_in_the_session_is_followed():
    playing = Playing(tune(beats=63))
    playing.session.join(120.0, 0.0)

    def change() -> None:
        state = playing.session.state()
        state.setTempo(90.0, playing.session.micros())
        playing.session.line = state.line

    playing.at(8.0, change)
    onsets = playing.run()
    steps = [b - a for a, b in zip(onsets, onsets[1:], strict=False)]
    assert pytest.approx(0.5, abs=0.002) == steps[4]
    assert pytest.approx(60.0 / 90.0, abs=0.002) == steps[-1]
    late = [at for at in onsets if at > START + 16.0]
    assert max(abs(math.remainder(playing.place(at), 1.0)) for at in late) < 0.003


class WaitingStage:
    def __init__(self) -> None:
        self.told: list[tuple[float, bool]] = []

    def beat(self, followed: Followed) -> None:
        pass

    def follow(self, rate: float, *, halted: bool) -> None:
        self.told.append((round(rate, 3), halted))

    def panic(self) -> None:
        pass


@pytest.mark.parametrize("found", [True, False])
def test_music_waits_a_moment_for_a_session_to_begin_with(network, found):
    stage = WaitingStage()
    following = Following(network.follower, stage, network.clock, 120.0, 1.5)
    stage.follow(1.0, halted=True)
    following.turn()
    assert [(1.0, True)] == stage.told
    network.clock.jump(0.7 if found else 1.6)
    if found:
        network.session.join(90.0, 0.0)
    following.turn()
    assert ((0.75, False) if found else (1.0, False)) == stage.told[-1]


def test_a_library_that_is_not_there_is_told_in_a_line_with_its_remedy(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "link":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError) as found:
        library()
    assert "\n" not in str(found.value)
    assert "LinkPython-extern" in str(found.value)
    assert "[link]" in str(found.value)


def test_a_real_session_is_led_and_left():
    pytest.importorskip("link", reason="needs LinkPython-extern (pip install LinkPython-extern)")
    session = open_session(97.0, start_stop=True, joins=False)
    try:
        state = session.state()
        assert pytest.approx(97.0, abs=0.01) == state.tempo()
        state.setTempo(111.0, session.micros())
        state.forceBeatAtTime(3.25, session.micros(), 4.0)
        session.commit(state)
        assert pytest.approx(111.0, abs=0.01) == session.state().tempo()
        assert 0 <= session.state().beatAtTime(session.micros(), 4.0) - 3.25 < 60.0
        assert 0 == session.peers()
    finally:
        session.close()
