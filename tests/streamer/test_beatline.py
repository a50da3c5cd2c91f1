"""Music with beats of its own: laid on another machine's beat, and its clock out on its own."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.generators.performer import Performer
from streamer.live.beatline import BeatLine
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.live.timeline import Timeline
from streamer.midi.clock import ClockFollower
from streamer.music.notes import Grid, Note, Phrase
from streamer.settings.controls import Controls
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakePort, ManualClock, make_phrase

SETTINGS = SchedulerSettings(lead_seconds=0.3, realtime_priority=0)
START = 1000.0

PHASE_SECONDS = 0.003
"""What the issue asks of 99 in 100 beats under 1 ms of jitter (measured: 0.33 ms)."""

RAMP_SECONDS = 0.01
"""While the tempo climbs by 2 BPM a second (measured: 3.7 ms)."""

TUNE_BPM = 96.0


def tune(beats: int = 64, bpm: float = TUNE_BPM, start_beat: int = 0, scale: float = 1.0):
    """A note on each beat, as the performer gives it."""
    beat_ms = 60_000.0 / bpm / scale
    notes = [
        Note(60 + i % 12, (start_beat + i) * beat_ms, beat_ms / 2, 64) for i in range(beats + 1)
    ]
    return replace(make_phrase(notes, start_beat * beat_ms), grid=Grid(start_beat, beat_ms))


class Machine:
    """Another machine's clock, with jitter, and what the stream makes of it."""

    def __init__(self, *phrases, bpm: float = 120.0, jitter: float = 0.0, **more) -> None:
        self.clock = ManualClock(START)
        self.port = FakePort(self.clock)
        self.buffer = RollingBuffer(4.0, 10.0)
        for phrase in phrases or [tune()]:
            self.buffer.put(phrase)
        self.buffer.close()
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, SETTINGS, **more)
        self.follower = ClockFollower()
        self.bpm, self._jitter = bpm, jitter
        self._random = np.random.Generator(np.random.SFC64(7))
        self._next = 0.0
        self.beats: list[float] = []
        """When each beat truly fell, from the first clock after a Start on."""
        self._count: int | None = None

    def after(self, seconds, action) -> None:
        self.clock.at(START + seconds, action)

    def tell(self, message: bytes) -> None:
        self.follower.receive(message, self.clock.now())
        self.look()

    def start(self) -> None:
        """Press Start: the next clock is beat 0."""
        self._count = 0
        self.tell(b"\xfa")

    def stop(self) -> None:
        self._count = None
        self.tell(b"\xfc")

    def go_on_from(self, sixteenth: int) -> None:
        """Tell the song position, and press Continue."""
        self._count = sixteenth * 6
        self.tell(bytes((0xF2, sixteenth & 0x7F, sixteenth >> 7)))
        self.tell(b"\xfb")

    def look(self) -> None:
        followed = self.follower.look(self.clock.now())
        self.scheduler.beat(followed)
        self.scheduler.follow(followed.rate(120.0), halted=followed.halted)

    def tick_from(self, when: float) -> None:
        """Send clocks for ever from ``when`` on, seconds after the start."""
        true = START + when

        def tick() -> None:
            nonlocal true
            if self._count is not None:
                if self._count % 24 == 0:
                    self.beats.append(true)
                self._count += 1
            self.tell(b"\xf8")
            true += 60.0 / (self.bpm * 24)
            plan()

        def plan() -> None:
            late = float(self._random.uniform(-self._jitter, self._jitter))
            self.clock.at(true + late, tick)

        plan()

    def look_often(self) -> None:
        self.clock.every(0.1, self.look)

    def run(self) -> list[float]:
        """Play everything and return the onsets."""
        self.scheduler.run()
        assert self.port.receiver.is_silent
        return [at for at, message in self.port.log if message[0] & 0xF0 == 0x90]


def phases(onsets: list[float], beats: list[float]) -> list[float]:
    """How many seconds each onset lies from the nearest beat."""
    return [min((at - beat for beat in beats), key=abs) for at in onsets]


def test_a_tune_starts_on_the_first_clock_after_start_and_stays_on_the_beat():
    machine = Machine(tune(64), bpm=120.0)
    machine.tick_from(0.0)
    machine.after(0.1, machine.stop)
    machine.after(3.01, machine.start)
    onsets = machine.run()
    assert pytest.approx(machine.beats[0], abs=1e-3) == onsets[0]
    assert max(map(abs, phases(onsets, machine.beats))) < 1e-3
    assert 65 == len(onsets)


def test_a_tune_that_runs_already_is_drawn_onto_the_beat_of_a_clock_that_comes():
    machine = Machine(tune(128), bpm=112.0)
    machine.look_often()
    machine.after(6.0, machine.start)
    machine.tick_from(6.03)
    onsets = machine.run()
    late = [at for at in onsets if at > START + 14.0]
    assert max(map(abs, phases(late, machine.beats))) < 1e-3
    gaps = [b - a for a, b in zip(late, late[1:], strict=False)]
    assert [pytest.approx(60.0 / 112.0, abs=1e-3)] * len(gaps) == gaps


def test_phase_is_kept_through_jitter():
    machine = Machine(tune(200), bpm=126.0, jitter=0.001)
    machine.tick_from(0.0)
    machine.after(0.0, machine.start)
    onsets = [at for at in machine.run() if at > START + 6.0]
    errors = np.abs(phases(onsets, machine.beats))
    assert np.quantile(errors, 0.99) < PHASE_SECONDS


def test_phase_is_kept_through_a_ramp_of_tempo():
    machine = Machine(tune(160), bpm=90.0, jitter=0.0005)
    machine.after(0.0, machine.start)
    machine.tick_from(0.01)

    def faster() -> None:
        machine.bpm = min(machine.bpm + 0.05, 130.0)

    machine.after(10.0, lambda: machine.clock.every(0.025, faster))
    onsets = [at for at in machine.run() if at > START + 6.0]
    errors = np.abs(phases(onsets, machine.beats))
    assert np.quantile(errors, 0.99) < RAMP_SECONDS
    settled = np.abs(phases([at for at in onsets if at > START + 40.0], machine.beats))
    assert settled.max() < PHASE_SECONDS


def test_stop_holds_a_tune_and_a_song_position_off_the_beat_is_waited_for():
    machine = Machine(tune(64), bpm=120.0)
    machine.tick_from(0.0)
    machine.after(0.0, machine.start)
    machine.after(8.2, machine.stop)
    machine.after(11.6, lambda: machine.go_on_from(6))  # one and a half beats in
    onsets = machine.run()
    assert not [at for at in onsets if START + 8.25 < at < START + 11.6]
    late = [at for at in onsets if at > START + 11.6]
    assert max(map(abs, phases(late, machine.beats))) < 1e-3


def test_a_clock_that_is_lost_gives_the_tune_back_its_own_tempo():
    machine = Machine(tune(64), bpm=120.0)
    machine.look_often()
    machine.after(0.0, machine.start)
    for clock in range(24 * 10):
        machine.after(0.01 + clock / 48.0, lambda: machine.tell(b"\xf8"))
    onsets = machine.run()
    alone = [b - a for a, b in zip(onsets, onsets[1:], strict=False) if a > START + 9.0]
    assert [pytest.approx(60.0 / TUNE_BPM)] * len(alone) == alone


def test_tempo_scale_does_not_pull_a_tune_off_the_clock():
    machine = Machine(*(tune(16, start_beat=at) for at in (0, 16, 32)), bpm=120.0)
    for at, scale in ((1.0, 1.5), (6.0, 0.5)):
        machine.after(at, partial(machine.scheduler.steer, Controls(tempo_scale=scale)))
    machine.tick_from(0.0)
    machine.after(0.0, machine.start)
    onsets = machine.run()
    late = [at for at in onsets if at > START + 3.0]
    assert max(map(abs, phases(late, machine.beats))) < 2e-3


def test_music_in_free_time_is_not_drawn_onto_the_beat():
    free = replace(tune(64), grid=None)
    machine = Machine(free, bpm=120.0)
    machine.tick_from(0.0)
    machine.after(0.0, machine.start)
    onsets = machine.run()
    gaps = [b - a for a, b in zip(onsets, onsets[1:], strict=False)]
    assert [pytest.approx(60.0 / TUNE_BPM, abs=2e-3)] * len(gaps) == gaps


def test_a_tune_that_comes_late_is_put_off_by_whole_beats():
    machine = Machine(tune(16))
    machine.buffer = RollingBuffer(4.0, 10.0)
    machine.buffer.put(tune(8))
    machine.scheduler = Scheduler(machine.buffer, machine.port, machine.clock, SETTINGS)

    def late() -> None:
        machine.buffer.put(tune(8, start_beat=9))
        machine.buffer.close()

    machine.after(9.13, late)
    onsets = machine.run()
    beats = [(at - onsets[0]) * TUNE_BPM / 60.0 for at in onsets]
    assert [pytest.approx(round(beat), abs=1e-6) for beat in beats] == beats
    assert 1 == machine.buffer.underruns
    assert beats[9] > 9


def test_the_clock_that_is_sent_lies_on_the_beats_of_a_tune_and_follows_its_tempo():
    machine = Machine(*(tune(16, start_beat=at) for at in (0, 16, 32)), send_bpm=TUNE_BPM)
    for at, scale in ((4.0, 1.4), (11.0, 0.7)):
        machine.after(at, partial(machine.scheduler.steer, Controls(tempo_scale=scale)))
    onsets = machine.run()
    sent = [(at, message[0]) for at, message in machine.port.log if message[0] >= 0xF0]
    start = next(at for at, status in sent if status == 0xFA)
    clocks = [at for at, status in sent if status == 0xF8 and at > start]
    struck = sorted(set(onsets))
    assert [pytest.approx(clocks[24 * i], abs=1e-6) for i in range(len(struck))] == struck


def test_a_pause_of_a_tune_leaves_the_sent_clock_on_its_beats():
    machine = Machine(tune(32), send_bpm=TUNE_BPM)
    machine.after(4.0, machine.scheduler.pause)
    machine.after(6.77, machine.scheduler.resume)
    onsets = machine.run()
    running, count, on_beat = False, 0, []
    for at, message in machine.port.log:
        status = message[0]
        if status == 0xFA:
            running, count = True, 0
        elif status == 0xFC:
            running = False
        elif status == 0xF2:
            count = 6 * (message[1] | message[2] << 7)
        elif status == 0xFB:
            running = True
        elif status == 0xF8 and running:
            if count % 24 == 0:
                on_beat.append(at)
            count += 1
    late = [at for at in onsets if at > START + 8.0]
    assert max(map(abs, phases(late, on_beat))) < 1e-6


@given(
    st.lists(st.tuples(st.floats(0.0, 16.0), st.floats(100.0, 2000.0)), min_size=1, max_size=20),
    st.floats(-10.0, 400.0),
)
def test_beats_and_places_are_each_others_inverse(lengths, beat):
    line = BeatLine(500.0)
    place, count = 0.0, 0.0
    for beats, beat_ms in lengths:
        line.add(place, Grid(count, beat_ms))
        place, count = place + beats * beat_ms, count + beats
    assert pytest.approx(beat, abs=1e-6) == line.beat(line.place(beat))


def test_a_rest_is_lengthened_by_whole_beats_only_where_there_are_beats():
    line = BeatLine(500.0)
    assert 130.0 == line.rest(130.0)
    line.add(0.0, Grid(0.0, 400.0))
    assert 400.0 == line.rest(130.0)
    line.add(1200.0, Grid(2.0, 400.0))
    assert 3.0 == line.beat(1200.0)


def test_without_a_clock_music_on_a_grid_runs_at_its_own_speed():
    line, timeline = BeatLine(500.0), Timeline()
    line.add(0.0, Grid(0.0, 400.0))
    timeline.start(0.0, START)
    assert 1.0 == line.rate(1.0, timeline, START + 1.0)
    assert 5.0 == line.align(0.0, 5.0)
    with pytest.raises(ValueError, match="above 0"):
        BeatLine(0.0)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_beat_must_be_a_length(wrong):
    phrase = Phrase((Note(60, 0.0, 100.0, 64),), np.zeros((1, 5), np.float32), 0.0, 1000.0)
    with pytest.raises(ValueError, match="beat_ms must be above 0"):
        Performer().perform(phrase, wrong)
