"""Tap tempo: taps say how fast the music plays and where its beat falls, and none is lost."""

from __future__ import annotations

import logging

import pytest

from streamer.control.bindings import Bindings
from streamer.control.inputs import MidiControl
from streamer.control.knobs import knob_named
from streamer.control.taptempo import REFUSED, TapTempo
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.clock import LEAST_RATE, MOST_RATE, Followed
from streamer.offline.playout import LeapingClock
from streamer.service.stream import StreamThreads
from streamer.settings.controls import PRESSED, Controls, LiveControls, control_specs
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.settings.settings import SchedulerSettings, Settings
from streamer.settings.tempo import TempoControls
from streamer.testing import FakePort, ManualClock
from tests.steering import Dense, source_of
from tests.streamer.test_beatline import SETTINGS, START, tune
from tests.streamer.test_inputs import FakeStage

OWN_BPM = 96.0

PHASE_SECONDS = 0.002
"""How far beats lie from the last tap's at the end (measured: 1.7 ms at 60 BPM)."""


class FakeTempo:
    """Takes note of where a beat is put."""

    def __init__(self) -> None:
        self.follows = False
        self.put: list[tuple[float, float]] = []

    def put_beat(self, at: float, tempo_bpm: float) -> None:
        self.put.append((at, tempo_bpm))


class Tapping:
    """A person who taps, and what is made of it."""

    def __init__(self) -> None:
        self.clock, self.tempo, self.live = ManualClock(START), FakeTempo(), LiveControls()
        self.live.listen(TapTempo(self.live, self.tempo, self.clock, lambda: OWN_BPM).obey)

    def tap(self, *gaps: float) -> float:
        """Tap at once and after each gap, in seconds; return the speed that comes of it."""
        self.live.update(tap=True)
        for gap in gaps:
            self.clock.jump(gap)
            self.live.update(tap=True)
        return self.live.snapshot().tempo_scale


@pytest.fixture
def tapping() -> Tapping:
    return Tapping()


@pytest.mark.parametrize(
    ("gaps", "bpm"),
    [
        ([0.5], 120.0),
        ([0.5] * 7, 120.0),
        ([0.5, 0.5, 0.9, 0.5], 120.0),  # one that slipped
        ([1.0] * 20 + [0.5] * 7, 120.0),  # the last eight count
        ([0.4, 0.6], 120.0),
        ([2.0], 30.0),
        ([0.2, 0.2], 300.0),
        ([0.05], 300.0),
        ([0.7, 2.1, 0.5], 120.0),  # a gap begins anew
    ],
)
def test_taps_say_the_tempo(tapping, gaps, bpm):
    assert pytest.approx(bpm / OWN_BPM, rel=0.001) == tapping.tap(*gaps)
    at, tempo_bpm = tapping.tempo.put[-1]
    assert (tapping.clock.now(), pytest.approx(bpm)) == (at, tempo_bpm)


def test_one_tap_alone_and_one_after_a_gap_change_nothing(tapping):
    assert 1.0 == tapping.tap(2.1, 2.1)
    assert [] == tapping.tempo.put


def test_a_tempo_beyond_the_range_goes_to_its_end_and_is_told(tapping, caplog):
    tapping = Tapping()
    tapping.live = LiveControls()
    tapping.live.listen(TapTempo(tapping.live, tapping.tempo, tapping.clock, lambda: 160.0).obey)
    with caplog.at_level(logging.INFO):
        assert 0.25 == tapping.tap(2.0)
    assert ["tapped 30 BPM; the music goes no further than 40"] == caplog.messages


def test_the_range_is_that_of_the_control():
    legal = control_specs()["tempo_scale"].range
    assert (legal.low, legal.high) == (LEAST_RATE, MOST_RATE)


def test_every_press_counts_and_lets_go_and_nothing_else_is_one(tapping):
    seen = []
    tapping.live.listen(lambda controls: seen.append(controls.of(TempoControls).tap))
    tapping.live.update(tap=True)
    assert not tapping.live.snapshot().of(TempoControls).tap
    tapping.clock.jump(0.25)
    tapping.live.update(density=2.0)
    tapping.clock.jump(0.25)
    tapping.live.update(tap=True, density=1.0)
    assert pytest.approx(120.0 / OWN_BPM) == tapping.live.snapshot().tempo_scale
    assert not seen[-1]


def test_a_tap_is_refused_once_in_a_line_while_another_machine_is_followed(tapping, caplog):
    tapping.tempo.follows = True
    assert 1.0 == tapping.tap(0.5, 0.5, 0.5)
    assert [REFUSED] == caplog.messages
    assert not tapping.live.snapshot().of(TempoControls).tap
    tapping.tempo.follows = False
    assert pytest.approx(120.0 / OWN_BPM) == tapping.tap(0.5)


def test_a_pad_that_was_learnt_taps_with_each_stroke(tapping):
    bindings = Bindings()
    control = MidiControl(
        InputSettings(), ClockSettings(), tapping.live, FakeStage(), tapping.clock,
        bindings=bindings,
    )  # fmt: skip
    bindings.bind("tap", knob_named("CC20"))
    for _ in range(4):
        for data in (127, 0):
            control.inbox.put(bytes((0xB0, 20, data)))
            control.turn()
        tapping.clock.jump(0.4)
    assert 3 == len(tapping.tempo.put)


def test_what_a_settings_file_has_pressed_is_no_press():
    live = LiveControls(Controls.from_values(dict.fromkeys(PRESSED, True)))
    quick = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
    stream = StreamThreads(
        source_of(Dense(live), live), FakePort(), Settings(scheduler=quick), LeapingClock()
    )
    stream.start()
    try:
        assert not any(live.snapshot().value(name) for name in PRESSED)
    finally:
        stream.stop()


class Playing:
    """A tune that plays while a person taps."""

    def __init__(self, bpm: float, **more) -> None:
        self.clock = ManualClock(START)
        self.port, self.live = FakePort(self.clock), LiveControls()
        buffer = RollingBuffer(4.0, 10.0)
        buffer.put(tune(beats=96, bpm=OWN_BPM))
        buffer.close()
        self.scheduler = Scheduler(buffer, self.port, self.clock, SETTINGS, **more)
        taps = TapTempo(self.live, self.scheduler, self.clock, lambda: OWN_BPM)
        self.live.listen(self.scheduler.steer)
        self.live.listen(taps.obey)
        self.taps = [START + 10.123 + n * 60.0 / bpm for n in range(4)]
        for at in self.taps:
            self.clock.at(at, lambda: self.live.update(tap=True))

    def run(self, status: int) -> list[float]:
        self.scheduler.run()
        assert self.port.receiver.is_silent
        return [at for at, message in self.port.log if message[0] == status]

    def off(self, at: float, beat_seconds: float) -> float:
        """Return how far a moment lies from the nearest beat of the last tap's, seconds."""
        beats = (at - self.taps[-1]) / beat_seconds
        return abs(beats - round(beats)) * beat_seconds


@pytest.mark.parametrize("bpm", [60.0, 96.0, 100.0, 133.0, 240.0])
def test_the_beat_falls_on_the_last_tap_without_a_gap_or_a_lost_note(bpm):
    playing, beat = Playing(bpm), 60.0 / bpm
    onsets = playing.run(0x90)
    assert 97 == len(onsets)
    after = [at for at in onsets if at > playing.taps[-1] + 10 * beat]
    assert len(after) > 20
    assert max(playing.off(at, beat) for at in after) < PHASE_SECONDS
    # From beat to beat a tenth more or less at most, and the way from one tempo to the other.
    drawn = [at for at in onsets if at > playing.taps[1]]
    steps = [b - a for a, b in zip(drawn, drawn[1:], strict=False)]
    assert min(steps) > beat / 1.12
    assert max(steps[1:]) < beat / 0.88


def test_the_clock_that_is_sent_follows_and_lies_on_the_taps():
    playing = Playing(120.0, send_bpm=OWN_BPM)
    clocks = playing.run(0xF8)
    late = [at for at in clocks if at > playing.taps[-1] + 6.0]
    steps = [b - a for a, b in zip(late, late[1:], strict=False)]
    assert pytest.approx(0.5 / 24, rel=0.01) == sum(steps[:240]) / 240
    assert min(playing.off(at, 0.5) for at in late) < PHASE_SECONDS


def test_a_speed_that_is_moved_by_hand_ends_the_way_to_the_taps():
    playing = Playing(120.0)
    playing.clock.at(playing.taps[-1] + 0.1, lambda: playing.live.update(tempo_scale=2.0))
    onsets = [at for at in playing.run(0x90) if at > playing.taps[-1] + 1.0]
    steps = [b - a for a, b in zip(onsets, onsets[1:], strict=False)]
    assert all(pytest.approx(60.0 / OWN_BPM / 2.0) == step for step in steps)


def test_a_followed_beat_is_not_drawn_to_taps():
    playing = Playing(120.0)
    playing.scheduler.beat(Followed(external=True, locked=True, tempo_bpm=OWN_BPM, at=START))
    onsets = playing.run(0x90)
    steps = {round(b - a, 3) for a, b in zip(onsets, onsets[1:], strict=False)}
    assert {0.625} == steps
