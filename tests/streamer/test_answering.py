"""A live query on the manual clock: each bar is answered one bar later, on its line.

The bundle answers with the query itself and strikes its lowest key on each line
(:func:`tests.bundles.write_echo_bundle`), so that what leaves tells which bar was heard.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamer.control.inputs import MidiControl
from streamer.families.windows.answering import Answering
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.clock import ClockFollower
from streamer.music.notes import Phrase
from streamer.pipeline import open_source
from streamer.ports.echo import LOOP_NOTES, EchoFilter
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import LIVE_QUERY, ClockSettings, InputSettings
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import FakePort, ManualClock
from tests.bundles import ECHO_MARK, write_echo_bundle

START = 1000.0
LEAD = 0.3
BPM = 120.0
BAR = 240.0 / BPM
STEP = BAR / 16
LINE = START + LEAD
"""When the first bar begins, seconds."""

EXACT = 1e-6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_echo_bundle(tmp_path_factory.mktemp("bundles")).path


class Stage:
    """Everything from the input to the port in one thread, on a clock that leaps."""

    def __init__(self, bundle: Path, silent_bars: int = 1, slow: float = 0.0, **more: object):
        self.clock = ManualClock(START)
        self.controls = LiveControls(Controls.from_values({"candidates": 1, **more}))
        hears = InputSettings(query_silent_bars=silent_bars)
        settings = Settings(
            model=ModelSettings(model=str(bundle), query=LIVE_QUERY, seed=1, redraws=0),
            input=hears,
        )
        self.source = open_source(settings=settings, controls=self.controls)
        generator = self.source.generator
        self.asked: list[tuple[float, np.ndarray]] = []
        self.answering = Answering(self.ask, generator.codec, generator.longest_steps, silent_bars)
        self.buffer = RollingBuffer(1.0, 4.0)
        self.port = FakePort(self.clock)
        echo = EchoFilter(0.25)
        self.port.sent = lambda message: echo.sent(message, self.clock.now())
        self.scheduler = Scheduler(
            self.buffer,
            self.port,
            self.clock,
            SchedulerSettings(lead_seconds=LEAD, realtime_priority=0),
            bar_beats=self.answering.bar_beats,
            watch=self.answering.see,
        )
        self.control = MidiControl(
            hears, ClockSettings(), self.controls, self.scheduler, self.clock, echo=echo,
            query=self.answering.hear,
        )  # fmt: skip
        self.controls.listen(self.scheduler.steer)
        self.slow = slow
        self.leads: list[float] = []
        self._draw()
        self.clock.every(0.005, self._draw)

    def ask(self, bar: np.ndarray) -> None:
        """Keep the bar and when it was asked, and put it to the network."""
        self.asked.append((self.clock.now(), bar))
        self.source.generator.path.ask(bar)

    def _draw(self) -> None:
        now = self.clock.now()
        if self.answering.due(now):
            self.leads.append(self.buffer.seconds_ahead())
            phrase = self.source.next_phrase()
            if self.slow and len(self.leads) > 1:
                self.clock.at(now + self.slow, lambda: self.put(phrase))
            else:
                self.put(phrase)

    def put(self, phrase: Phrase) -> None:
        self.buffer.put(phrase)

    def at(self, bars: float, action: Callable[[], object]) -> None:
        self.clock.at(LINE + bars * BAR, action)

    def send(self, *data: int) -> None:
        self.control.inbox.put(bytes(data))
        self.control.turn()

    def play(self, pitch: int, bar: int, step: float, steps: float = 2.0, channel: int = 0) -> None:
        """Plan a key: bar and sixteenth from the first line."""
        on, off = bar + step / 16, bar + (step + steps) / 16
        self.at(on, lambda: self.send(0x90 | channel, pitch, 80))
        self.at(off, lambda: self.send(0x80 | channel, pitch, 0))

    def run(self, bars: float) -> None:
        self.at(bars, self.scheduler.stop)
        self.scheduler.run()
        assert self.port.receiver.is_silent

    def heard(self, marks: bool = False) -> list[tuple[int, int, float]]:
        """Return (pitch, bar, sixteenth) of what was struck, but for the marks."""
        found = []
        for when, message in self.port.log:
            if message[0] & 0xF0 == 0x90 and (message[1] == ECHO_MARK) is marks:
                bar, rest = divmod(when - LINE + STEP / 4, BAR)
                found.append((message[1], int(bar), round(rest / STEP - 0.25, 4)))
        return found


def test_each_bar_is_answered_one_bar_later_on_its_line(bundle: Path) -> None:
    stage = Stage(bundle)
    tune = [(60, 1, 0.0), (62, 1, 5.0), (64, 2, 0.0), (65, 2, 12.0), (67, 4, 3.0), (71, 5, 15.0)]
    for pitch, bar, step in tune:
        stage.play(pitch, bar, step, steps=1.0)
    stage.run(8)
    assert stage.heard() == [(pitch, bar + 1, step) for pitch, bar, step in tune]
    assert stage.buffer.underruns == 0
    assert stage.scheduler.late_dropped == 0
    marks = stage.heard(marks=True)
    assert marks == [(ECHO_MARK, bar, 0.0) for bar in range(8)]


def test_the_music_is_written_no_further_ahead_than_half_a_sixteenth(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.run(6)
    assert max(stage.leads[1:]) <= STEP / 2 + 0.25
    assert len(stage.leads) == 7


@pytest.mark.parametrize(
    ("early", "bar", "step"), [(0.51, 1, 15.0), (0.49, 2, 0.0), (0.0, 2, 0.0), (-0.49, 2, 0.0)]
)
def test_a_key_near_the_line_is_in_the_bar_of_the_nearest_sixteenth(
    bundle: Path, early: float, bar: int, step: float
) -> None:
    stage = Stage(bundle)
    stage.play(60, 2, -early, steps=0.25)
    stage.run(5)
    assert stage.heard() == [(60, bar + 1, step)]


def test_a_key_held_over_the_line_is_answered_as_a_tie(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.play(60, 1, 12, steps=8)
    stage.run(5)
    first, second = (bar for _, bar in stage.asked if bar.any())
    assert first[12, 60 - ECHO_MARK].tolist() == [1, 1]
    assert second[0, 60 - ECHO_MARK].tolist() == [1, 0]
    assert second[:, 60 - ECHO_MARK, 0].sum() == 4


def test_in_silence_it_walks_on_and_yields_when_somebody_plays(bundle: Path) -> None:
    stage = Stage(bundle, silent_bars=2)
    stage.play(60, 1, 4)
    stage.play(62, 6, 4)
    stage.run(10)
    assert stage.heard() == [(60, 2, 4.0), (62, 7, 4.0)]
    bars = [round((when - LINE) / BAR) for when, _ in stage.asked]
    assert bars == [2, 3, 4, 7, 8, 9]
    assert stage.answering.asked == 6


def test_bits_are_a_live_knob(bundle: Path) -> None:
    stage = Stage(bundle)
    for bar in range(1, 5):
        stage.play(60 + bar, bar, 8)
    stage.at(2.5, lambda: stage.controls.update(bits=0))
    stage.at(4.5, lambda: stage.controls.update(bits=None))
    stage.run(7)
    # What was played in bars 2 and 3 met a closed channel; the others passed.
    assert stage.heard() == [(61, 2, 8.0), (64, 5, 8.0)]


def test_a_tempo_change_is_heard_within_the_bar_and_answers_keep_their_place(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.play(60, 0, 4)
    stage.at(0.5, lambda: stage.controls.update(tempo_scale=2.0))
    # From the middle of bar 0 on all goes twice as fast: bar 1 begins at 12 sixteenths, bar 2 at
    # 20, in which 62 is played at its fourth, and answered in bar 3, which begins at 28.
    stage.play(62, 1, 6, steps=0.5)
    stage.run(4)
    struck = [
        (message[1], round((when - LINE) / STEP, 3))
        for when, message in stage.port.log
        if message[0] == 0x90 and message[1] != ECHO_MARK
    ]
    assert struck == [(60, 14.0), (62, 30.0)]
    assert stage.buffer.underruns == 0


def test_an_answer_that_comes_a_little_late_keeps_the_line_and_what_is_left_of_it(
    bundle: Path,
) -> None:
    stage = Stage(bundle, slow=STEP / 2 + 0.05)
    stage.play(60, 1, 0)
    stage.play(62, 1, 4)
    stage.run(5)
    marks = [(bar, step) for _, bar, step in stage.heard(marks=True)]
    assert [bar for bar, _ in marks] == [0, 1, 2, 3, 4]
    assert all(step < 0.6 for _, step in marks[1:])
    assert (62, 2, 4.0) in stage.heard()
    assert stage.buffer.underruns == 0


def test_an_answer_that_comes_much_too_late_waits_for_the_next_line(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.at(1.9, lambda: setattr(stage, "slow", 0.9))
    stage.at(2.2, lambda: setattr(stage, "slow", 0.0))
    stage.play(60, 1, 8)
    stage.play(62, 4, 8)
    stage.run(8)
    assert stage.buffer.underruns == 1
    assert stage.heard() == [(60, 3, 8.0), (62, 5, 8.0)]
    assert [(bar, step) for _, bar, step in stage.heard(marks=True)] == [
        (bar, 0.0) for bar in (0, 1, 3, 4, 5, 6, 7)
    ]


def test_drums_floods_and_stuck_keys_leave_the_bars_where_they_are(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.play(60, 1, 4, channel=9)
    stage.at(2.1, lambda: [stage.control.inbox.put(bytes((0x90, 60 + i % 12, 1 + i % 90)))
                           for i in range(20_000)])  # fmt: skip
    stage.at(2.11, stage.control.turn)
    stage.play(71, 5, 4)
    stage.run(9)
    assert not [bar for _, bar, _ in stage.heard() if bar == 2]
    # Keys that nobody released are held for two bars, and then they are stuck.
    assert {bar for _, bar, _ in stage.heard()} == {3, 4, 5, 6}
    assert (71, 6, 4.0) in stage.heard()
    assert [bar for _, bar, _ in stage.heard(marks=True)] == list(range(9))


def test_all_notes_off_of_the_player_ends_what_is_held(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.at(1.25, lambda: stage.send(0x90, 60, 80))
    stage.at(1.5, lambda: stage.send(0xB0, 123, 0))
    stage.play(62, 2, 4)
    stage.run(5)
    assert (62, 3, 4.0) in stage.heard()
    ends = [when for when, message in stage.port.log if message[:2] == bytes((0x80, 60))]
    assert ends[0] - LINE == pytest.approx((2 + 8 / 16) * BAR, abs=0.01)


def test_what_a_person_plays_in_unison_with_the_answer_is_no_echo(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.play(60, 1, 4)
    # The answer's own bytes, at the very time at which they leave.
    stage.at(2.25 + 0.01, lambda: stage.send(0x90, 60, stage.port.log[-1][1][2]))
    stage.at(2.25 + 0.05, lambda: stage.send(0x80, 60, 0))
    stage.run(5)
    assert [bar for pitch, bar, _ in stage.heard() if pitch == 60] == [2, 3]


def test_where_all_that_is_sent_comes_back_nothing_answers_itself_for_ever(bundle: Path) -> None:
    stage = Stage(bundle)
    sent = stage.port.send

    def loop(message: bytes, at_ms: float | None = None) -> None:
        sent(message, at_ms)
        if message[0] & 0xF0 in (0x80, 0x90):
            stage.clock.at(stage.clock.now() + 0.002, lambda: stage.send(*message))

    stage.port.send = loop
    for step in range(0, 16, 2):
        stage.play(60 + step // 2, 1, step, steps=1)
    stage.run(12)
    late = [bar for pitch, bar, _ in stage.heard() if bar > 6 and pitch != ECHO_MARK]
    assert not late
    assert stage.control.echoes > LOOP_NOTES


def test_a_pause_holds_the_bar_and_what_is_played_meanwhile_begins_nothing(bundle: Path) -> None:
    stage = Stage(bundle)
    stage.play(60, 1, 4)
    stage.at(1.5, stage.scheduler.pause)
    stage.at(1.75, lambda: stage.send(0x90, 65, 80))
    stage.at(3.5, stage.scheduler.resume)
    stage.run(7)
    # Two bars went by: what was played in the second half of bar 1 is two bars later.
    assert stage.heard() == [(60, 4, 4.0)]
    assert stage.buffer.underruns == 0


class Master:
    """Another machine's clock."""

    def __init__(self, stage: Stage, bpm: float) -> None:
        self.stage, self.follower, self.running = stage, ClockFollower(), True
        self.bpm, self.beats, self._count = bpm, list[float](), 0
        stage.clock.at(stage.clock.now(), self.tick)

    def tick(self) -> None:
        now = self.stage.clock.now()
        if self._count % 24 == 0 and self.running:
            self.beats.append(now)
        self._count += self.running
        self.follower.receive(b"\xf8", now)
        self.tell()
        self.stage.clock.at(now + 60.0 / (self.bpm * 24), self.tick)

    def press(self, message: bytes) -> None:
        self.running = message != b"\xfc"
        if message == b"\xfa":
            self._count, self.beats = 0, []
        self.follower.receive(message, self.stage.clock.now())
        self.tell()

    def tell(self) -> None:
        followed = self.follower.look(self.stage.clock.now())
        self.stage.scheduler.beat(followed)
        self.stage.scheduler.follow(followed.rate(120.0), halted=followed.halted)

    def marks(self, since: float) -> list[float]:
        """Return where in the master's bars, in quarters, the marks fell."""
        seconds = 60.0 / self.bpm
        return [
            (when - self.beats[0]) / seconds % 4.0
            for when, message in self.stage.port.log
            if message[0] == 0x90 and message[1] == ECHO_MARK and when > since
        ]


def near_line(places: list[float], within: float = 0.02) -> bool:
    return bool(places) and all(min(place, 4 - place) < within for place in places)


@pytest.mark.parametrize("bpm", [100.0, 133.0])
def test_with_a_followed_clock_bars_begin_on_the_other_machines_lines(
    bundle: Path, bpm: float
) -> None:
    stage = Stage(bundle)
    master = Master(stage, bpm)
    stage.clock.at(START + 1.9, lambda: master.press(b"\xfa"))
    bar = 240.0 / bpm

    def play() -> None:
        line = master.beats[0] + 8 * bar
        stage.clock.at(line + 6 / 16 * bar, lambda: stage.send(0x90, 60, 80))
        stage.clock.at(line + 8 / 16 * bar, lambda: stage.send(0x80, 60, 80))

    stage.clock.at(START + 1.9 + 7 * bar, play)
    stage.run(16)
    assert near_line(master.marks(START + 1.9 + 5 * bar))
    struck = [when for when, m in stage.port.log if m[0] == 0x90 and m[1] == 60]
    assert [(when - master.beats[0]) / bar for when in struck] == [
        pytest.approx(9 + 6 / 16, abs=0.005)
    ]


def test_a_stop_of_the_clock_holds_and_a_start_goes_on_in_bars(bundle: Path) -> None:
    stage = Stage(bundle)
    master = Master(stage, 120.0)
    stage.clock.at(START + 0.5, lambda: master.press(b"\xfa"))
    stage.at(6.3, lambda: master.press(b"\xfc"))
    stage.at(6.4, lambda: stage.send(0x90, 60, 80))
    stage.at(7.55, lambda: master.press(b"\xfa"))
    stage.run(16)
    stopped = [when for when, message in stage.port.log if message[0] == 0x90]
    assert not [when for when in stopped if LINE + 6.31 * BAR < when < LINE + 7.55 * BAR]
    assert near_line(master.marks(LINE + 9.5 * BAR))


def test_a_start_without_a_stop_moves_the_bars_to_the_new_lines(bundle: Path) -> None:
    stage = Stage(bundle)
    master = Master(stage, 120.0)
    stage.clock.at(START + 0.5, lambda: master.press(b"\xfa"))
    stage.at(6.3, lambda: master.press(b"\xfa"))
    stage.run(14)
    assert near_line(master.marks(LINE + 9.5 * BAR))
    assert stage.buffer.underruns == 0
