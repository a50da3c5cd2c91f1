"""Clock out: steady whatever the music does, and others are where the music is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.clockout import ClockSender
from streamer.live.timeline import Timeline

STEADY_SECONDS = 1e-6
"""Clocks are computed from absolute places; only rounding moves them (measured below 1e-9)."""

CLOCK_SECONDS = 60.0 / (120.0 * 24)


@dataclass
class Follower:
    """A machine that obeys clock and transport, as the standard says."""

    runs: bool = False
    armed: bool = False
    next_clock: int = 0
    heard: list[bytes] = field(default_factory=list)
    clocks: list[float] = field(default_factory=list)
    places: list[tuple[float, int]] = field(default_factory=list)

    def hear(self, message: bytes, at: float) -> None:
        self.heard.append(message)
        status = message[0]
        if status == 0xF8:
            self.clocks.append(at)
            self.runs, self.armed = self.runs or self.armed, False
            if self.runs:
                self.places.append((at, self.next_clock))
                self.next_clock += 1
        elif status in (0xFA, 0xFB):
            self.armed = True
            if status == 0xFA:
                self.next_clock = 0
        elif status == 0xFC:
            self.runs = self.armed = False
        elif status == 0xF2:
            assert not self.runs, "the song position is told while others stand"
            self.next_clock = 6 * (message[1] | message[2] << 7)


class Stage:
    """A timeline and its clock, played by hand."""

    def __init__(self, tempo_bpm: float = 120.0) -> None:
        self.now = 1000.0
        self.timeline = Timeline()
        self.sender = ClockSender(self.timeline, tempo_bpm, self.now)
        self.follower = Follower()

    def play(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.sender.deadline()) <= end:
            self.now = max(due, self.now)
            self.hear()
        self.now = end

    def hear(self) -> None:
        for message in self.sender.due(self.now):
            self.follower.hear(message, self.now)

    def start(self, place_ms: float, lead: float = 0.3) -> None:
        self.timeline.start(place_ms, self.sender.align(place_ms, self.now + lead))

    def hold(self) -> None:
        self.timeline.hold(self.now)
        self.hear()

    def go_on(self) -> None:
        place_ms = self.timeline.now_ms(self.now)
        self.timeline.run_from(self.sender.align(place_ms, self.now))


def test_start_comes_before_the_first_clock_of_the_song_and_that_is_beat_zero():
    stage = Stage()
    stage.play(0.2)
    stage.start(500.0)
    first_note = stage.timeline.deadline(500.0)
    stage.play(1.0)
    heard = stage.follower.heard
    start = heard.index(b"\xfa")
    assert {b"\xf8"} == set(heard[:start]) | set(heard[start + 1 :])
    assert (pytest.approx(first_note), 0) == stage.follower.places[0]


def test_a_quarter_has_24_clocks_and_the_first_note_waits_less_than_one_for_its_beat():
    stage = Stage(tempo_bpm=90.0)
    stage.play(0.1)
    stage.start(0.0)
    wait = stage.timeline.deadline(0.0) - (stage.now + 0.3)
    assert 0.0 <= wait < 60.0 / (90 * 24)
    stage.play(5.0)
    at = {clock: when for when, clock in stage.follower.places}
    assert pytest.approx(60.0 / 90.0) == at[24] - at[0]
    assert pytest.approx(60.0 / 90.0) == at[48] - at[24]


def test_clocks_go_on_while_the_music_stands_and_others_are_told_where_it_goes_on():
    stage = Stage()
    stage.start(0.0)
    stage.play(1.5)
    stage.hold()
    assert b"\xfc" == stage.follower.heard[-1]
    before = len(stage.follower.clocks)
    stage.play(2.0)
    assert pytest.approx(96, abs=1) == len(stage.follower.clocks) - before
    stage.go_on()
    stage.play(1.0)
    told = [message for message in stage.follower.heard if message[0] != 0xF8]
    assert [0xFA, 0xFC, 0xF2, 0xFB] == [message[0] for message in told]


def test_clocks_keep_the_tempo_of_the_music_when_it_changes():
    stage = Stage()
    stage.start(0.0)
    stage.play(2.0)
    stage.timeline.set_rate(1.5, stage.now)
    stage.play(2.0)
    last, before = stage.follower.clocks[-1], stage.follower.clocks[-2]
    assert pytest.approx(CLOCK_SECONDS / 1.5) == last - before
    when, clock = stage.follower.places[-1]
    assert pytest.approx(clock * CLOCK_SECONDS * 1000.0) == stage.timeline.now_ms(when)


def test_after_the_process_stood_still_no_clocks_are_bunched():
    stage = Stage()
    stage.start(0.0)
    stage.play(1.0)
    count = len(stage.follower.clocks)
    stage.now += 5.0
    stage.timeline.delay(5.0)
    stage.play(0.5)
    assert pytest.approx(24, abs=1) == len(stage.follower.clocks) - count


def test_clocks_that_are_late_while_the_music_stands_are_left_out():
    stage = Stage()
    stage.play(1.0)
    count = len(stage.follower.clocks)
    stage.now += 60.0
    stage.play(0.1)
    assert len(stage.follower.clocks) - count <= 8


def test_late_clocks_of_running_music_are_all_sent_because_others_count_them():
    stage = Stage()
    stage.start(0.0, lead=0.0)
    stage.play(1.0)
    stage.now += 0.1
    stage.play(0.9)
    when, clock = stage.follower.places[-1]
    assert pytest.approx(clock * CLOCK_SECONDS * 1000.0, abs=25) == stage.timeline.now_ms(when)


def test_a_synth_that_comes_back_is_told_where_the_song_is_without_disturbing_the_beat():
    stage = Stage()
    stage.start(0.0)
    stage.play(3.0)
    stage.follower = Follower()
    stage.sender.again()
    stage.play(1.0)
    assert 0xF2 == stage.follower.heard[0][0]
    when, clock = stage.follower.places[0]
    assert 0 == clock % 6
    assert pytest.approx(clock * CLOCK_SECONDS * 1000.0) == stage.timeline.now_ms(when)


def test_the_song_position_goes_round_and_does_not_overflow():
    stage = Stage(tempo_bpm=400.0)
    stage.start(0.0)
    stage.play(1.0)
    stage.timeline.delay(-3600.0)
    stage.sender.due(stage.now)
    stage.follower = Follower()
    stage.hold()
    stage.go_on()
    stage.play(1.0)
    position = next(message for message in stage.follower.heard if message[0] == 0xF2)
    assert all(byte < 0x80 for byte in position[1:])
    assert stage.follower.places


def test_stop_ends_a_song_that_runs_and_says_nothing_otherwise():
    stage = Stage()
    assert [] == stage.sender.stop()
    stage.start(0.0)
    stage.play(1.0)
    assert [b"\xfc"] == stage.sender.stop()


def test_lateness_and_jitter_are_measured():
    stage = Stage()
    stage.start(0.0)
    for _ in range(100):
        stage.now = stage.sender.deadline() + 0.0005
        stage.hear()
    assert pytest.approx(0.0005, rel=0.06) == stage.sender.lateness.quantile(0.5)
    assert stage.sender.jitter.quantile(0.5) < STEADY_SECONDS


def test_a_tempo_must_be_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        ClockSender(Timeline(), 0.0, 0.0)


@given(
    st.lists(
        st.tuples(st.sampled_from(("play", "hold", "go on", "again")), st.floats(0.001, 3.0)),
        max_size=20,
    ),
    st.floats(30.0, 300.0),
)
def test_clocks_are_steady_and_others_are_where_the_music_is_whatever_happens(plan, tempo_bpm):
    stage = Stage(tempo_bpm)
    clock_seconds = 60.0 / (tempo_bpm * 24)
    stage.play(0.05)
    stage.start(250.0)
    for action, seconds in plan:
        if action == "hold" and stage.timeline.running:
            stage.hold()
        elif action == "go on" and not stage.timeline.running:
            stage.go_on()
        elif action == "again" and stage.timeline.running:
            # Another machine has come in its place: one that runs not and waits for no clock.
            stage.follower.runs = stage.follower.armed = False
            stage.sender.again()
        checked = len(stage.follower.places)
        stage.play(seconds)
        for when, clock in stage.follower.places[checked:]:
            place_ms = 250.0 + clock * clock_seconds * 1000.0
            assert abs(stage.timeline.now_ms(when) - place_ms) < 1e-3
    gaps = zip(stage.follower.clocks, stage.follower.clocks[1:], strict=False)
    assert all(abs(late - early - clock_seconds) < STEADY_SECONDS for early, late in gaps)
