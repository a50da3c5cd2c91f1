"""The daemon: stages wired, started and stopped in order, silent however they end.

Threads run for real here, and nobody sleeps: the clock leaps, and what ends a stream is an event.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError, EngineError, PortError, StreamerError
from streamer.families.chain.source import step_settings
from streamer.generators.performer import Performer
from streamer.generators.stats import GenerationStats
from streamer.midi.messages import starts_note
from streamer.midi.midifile import read_midi
from streamer.music.notes import Grid, Note, Phrase
from streamer.offline.playout import LeapingClock
from streamer.pipeline import Source, open_source
from streamer.ports.owner import MidiOwner
from streamer.service import daemon
from streamer.service import stream as stream_module
from streamer.service.daemon import play
from streamer.service.governor import CandidateGovernor
from streamer.service.stream import StreamThreads
from streamer.service.writing import FIRST_PHRASE_NOTES
from streamer.settings.controls import LiveControls
from streamer.settings.settings import (
    ModelSettings,
    PortSettings,
    RecordSettings,
    SchedulerSettings,
    Settings,
)
from streamer.system.interrupt import Interrupt
from streamer.testing import FakeGenerator, FakePort, make_phrase
from tests.bundles import write_tiny_bundle
from tests.waiting import comes

PATIENCE_SECONDS = 20.0
"""How long a test waits for an event that comes within milliseconds, before it fails."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny untrained bundle."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def settings(bundle: Bundle) -> Settings:
    """To nowhere, without real-time priority."""
    return Settings(
        model=ModelSettings(model=str(bundle.path), seed=1),
        scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0),
        port=PortSettings(port="null"),
    )


class Arpeggios(FakeGenerator):
    """The fake generator of the scheduler's tests, grown to the whole protocol."""

    def __init__(self, fail_after: int | None = None) -> None:
        super().__init__()
        self.stats = GenerationStats()
        self.asked: list[int | None] = []
        self.candidates: list[int] = []
        self._fail_after = fail_after

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """The next phrase, or a failure."""
        if self._fail_after == len(self.asked):
            raise self.error
        self.asked.append(notes)
        phrase = super().next_phrase()
        self.stats.count_committed(phrase)
        return phrase

    beat_ms: float | None = None
    error: Exception = StreamerError("the model fell over; pick it up")

    def set_candidates(self, candidates: int) -> None:
        """Write it down."""
        self.candidates.append(candidates)

    def prime(self, notes: object) -> None:
        """Do nothing."""


class WatchedPort(FakePort):
    """A port that does something at its n-th message."""

    def __init__(self, at: int, action: Callable[[], object]) -> None:
        super().__init__()
        self._left, self._action = at, action

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send, and count."""
        super().send(message, at_ms)
        self._left -= 1
        if self._left == 0:
            self._action()


class Tempi(Arpeggios):
    """Eight notes on the beat, and then eight at another tempo; the pitch tells which."""

    lengths_ms = (300.0, 600.0, 450.0, 1000.0)

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """The next phrase."""
        number = len(self.asked)
        self.asked.append(notes)
        self.beat_ms = self.lengths_ms[number % len(self.lengths_ms)]
        start_ms, self._now_ms = self._now_ms, self._now_ms + 8 * self.beat_ms
        struck = [Note(40 + number, start_ms + n * self.beat_ms, 50.0, 80) for n in range(8)]
        grid = Grid(8.0 * number, self.beat_ms)
        return replace(make_phrase(struck, start_ms), end_ms=self._now_ms, grid=grid)


def make_stream(
    bundle: Bundle,
    settings: Settings,
    port: FakePort,
    generator: Arpeggios | None = None,
    interrupt: Interrupt | None = None,
) -> tuple[StreamThreads, LiveControls]:
    """A stream over a clock that leaps."""
    controls = LiveControls()
    source = Source(
        bundle=bundle,
        generator=generator or Arpeggios(),
        performer=Performer(),
        controls=controls,
        seed=1,
        candidates=16,
        interrupt=interrupt or Interrupt(),
    )
    return StreamThreads(source, port, settings, LeapingClock()), controls


def test_stream_plays_until_it_is_stopped_and_leaves_silence(
    bundle: Bundle, settings: Settings
) -> None:
    """Hundreds of messages, then not a note and no pedal."""
    heard = threading.Event()
    port = WatchedPort(300, heard.set)
    stream, _ = make_stream(bundle, settings, port)
    stream.start()
    assert heard.wait(PATIENCE_SECONDS)
    stream.stop()
    assert port.receiver.is_silent
    assert stream.figures().sounding == ()
    assert stream.figures().notes_sent > 50
    stream.stop()


def test_first_phrase_is_short_and_drawn_seldom(bundle: Bundle, settings: Settings) -> None:
    """So that the first note sounds soon even on a slow machine."""
    generator = Arpeggios()
    settings = replace(settings, model=replace(settings.model, exact=False))
    stream, controls = make_stream(bundle, settings, FakePort(), generator)
    controls.update(pause=True)  # else the clock leaps past what a busy machine is slow to draw
    stream.start()
    assert comes(lambda: len(generator.asked) > 1)
    stream.stop()
    assert [FIRST_PHRASE_NOTES, None] == generator.asked[:2]
    assert generator.candidates[0] == 4


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StreamerError("the model fell over; pick it up"), "^the model fell over; pick it up$"),
        (ZeroDivisionError("by zero"), r"^the generator failed \(ZeroDivisionError: by zero\)"),
    ],
)
def test_failing_generator_ends_the_stream_with_silence_and_one_line(
    bundle: Bundle, settings: Settings, error: Exception, line: str
) -> None:
    """A defect of ours is one line too, with the trace in the debug log."""
    port, generator = FakePort(), Arpeggios(fail_after=3)
    generator.error = error
    stream, _ = make_stream(bundle, settings, port, generator)
    stream.start()
    assert stream.ended.wait(PATIENCE_SECONDS)
    with pytest.raises(StreamerError, match=line):
        stream.stop()
    assert port.receiver.is_silent


class Ponderous(Arpeggios):
    """A generator that draws its second phrase for ever, or until it is interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.ponders, self.interrupted = threading.Event(), threading.Event()

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """The first one at once."""
        if self.asked:
            self.ponders.set()
            self.interrupted.wait(PATIENCE_SECONDS)
            raise EngineError("exiting due to terminate flag being set to true")
        return super().next_phrase(notes)


@pytest.mark.parametrize("obeys", [True, False])
def test_a_phrase_that_is_drawn_for_long_is_given_up_at_the_end_and_is_no_failure(
    bundle: Bundle,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    obeys: bool,
) -> None:
    """Status 0 and a silent port, not a line about a port that were blocked."""
    monkeypatch.setattr(stream_module, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(stream_module, "END_SECONDS", 0.05)
    port, generator, interrupt = FakePort(), Ponderous(), Interrupt()
    if obeys:
        interrupt.end_runs = generator.interrupted.set  # type: ignore[method-assign]
    stream, _ = make_stream(bundle, settings, port, generator, interrupt)
    stream.start()
    assert generator.ponders.wait(PATIENCE_SECONDS)
    stream.stop()
    generator.interrupted.set()
    assert port.receiver.is_silent
    assert ("does not end" in caplog.text) is not obeys


def test_failing_port_ends_the_stream_with_its_own_line(bundle: Bundle, settings: Settings) -> None:
    """What can still be silenced is."""
    port = FakePort()
    port.fail_at = 40
    stream, _ = make_stream(bundle, settings, port)
    stream.start()
    assert stream.ended.wait(PATIENCE_SECONDS)
    with pytest.raises(PortError, match="as it was told to"):
        stream.stop()
    assert port.receiver.is_silent


def test_pause_is_obeyed_at_once_and_taken_back(bundle: Bundle, settings: Settings) -> None:
    """Through the controls, from any thread; a stream may also start paused."""
    port = FakePort()
    stream, controls = make_stream(bundle, settings, port)
    controls.update(pause=True)
    stream.start()
    assert stream.figures().paused
    controls.update(pause=False, density=2.0)
    assert not stream.figures().paused
    controls.update(pause=True)
    stream.stop()
    assert port.receiver.is_silent


def test_play_ends_when_its_time_is_over(settings: Settings, tmp_path: Path) -> None:
    """Status 0, and the recording holds what was played. (A fifth of a second, for real.)"""
    path = tmp_path / "take.mid"
    recorded = replace(settings, record=RecordSettings(path), port=PortSettings("null", channel=5))
    assert play(recorded, seconds=0.4, plain=True) == 0
    notes = read_midi(path)
    assert len(notes) > 0
    assert {4} == {*notes["channel"].tolist()}


def test_memory_is_kept_flat_before_a_thread_or_a_model_has_any(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards is too late: a heap that was made for a thread stays."""
    told = list[str]()
    real_open, real_thread = daemon.open_source, threading.Thread.start
    monkeypatch.setattr(daemon, "keep_flat", lambda: told.append("memory"))
    monkeypatch.setattr(
        daemon, "open_source", lambda **given: (told.append("model"), real_open(**given))[1]
    )
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (told.append("thread"), real_thread(self))[1]
    )
    assert play(settings, seconds=0.1, plain=True) == 0
    assert told[0] == "memory"
    assert {"model", "thread"} <= {*told[1:]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_play_with_its_status_and_silence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Handlers are put back as they were."""
    before = signal.getsignal(number)
    port = WatchedPort(8, lambda: os.kill(os.getpid(), number))
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    assert play(settings, plain=True) == 128 + number
    assert port.receiver.is_silent
    assert port.closed == 1
    assert signal.getsignal(number) is before


def test_failure_in_play_closes_the_port_and_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line makes status 1 and one line of it."""
    port = FakePort()
    port.fail_at = 5
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    with pytest.raises(PortError, match="as it was told to"):
        play(settings, plain=True)
    assert port.closed == 1


def test_unknown_model_closes_what_was_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left open when the start fails half-way."""
    port = FakePort()
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    wrong = replace(settings, model=ModelSettings(model="no-such-model"))
    with pytest.raises(BundleError, match="no bundle is called 'no-such-model'"):
        play(wrong, plain=True)
    assert port.closed == 1


def test_settings_of_a_person_win_over_the_bundles_defaults(bundle: Bundle) -> None:
    """The tiny bundle asks for 4 candidates of 32 notes at temperature 1."""
    plain = step_settings(bundle, Settings())
    assert (4, 32, (1.0,) * 5) == (plain.candidates, plain.phrase_notes, plain.temperature)
    chosen = ModelSettings(candidates=2, phrase_notes=8, temperature=(1, 2, 3, 4, 0.5))
    own = step_settings(bundle, Settings(model=chosen))
    assert (2, 8, (1.0, 2.0, 3.0, 4.0, 0.5)) == (own.candidates, own.phrase_notes, own.temperature)


def test_bundle_with_illegal_defaults_is_refused(tmp_path: Path) -> None:
    """With the bundle's name."""
    broken = write_tiny_bundle(tmp_path, defaults={"temperature": -1.0})
    settings = Settings(model=ModelSettings(model=str(broken.path)))
    with pytest.raises(BundleError, match="bundle tiny: its defaults cannot be used"):
        open_source(settings=settings)


def test_bundle_of_another_kind_than_its_family_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Before anything of it is opened."""
    with pytest.raises(
        BundleError, match="family chain is of kind step, not window; export the bun"
    ):
        write_tiny_bundle(tmp_path, kind="window")


def test_fast_machine_rises_to_all_candidates() -> None:
    """By doubling, from the few of the first phrase."""
    governor = CandidateGovernor(16)
    found = [governor.candidates]
    found += [governor.after(0.03, 3.0, 10.0, 4.0) for _ in range(4)]
    assert [4, 8, 16, 16, 16] == found


def test_slow_machine_falls_to_what_it_can_afford() -> None:
    """A second for each candidate of a three-second phrase leaves no room for two."""
    governor = CandidateGovernor(16, first=16)
    for _ in range(8):
        governor.after(1.0 * governor.candidates, 3.0, 10.0, 4.0)
    assert governor.candidates == 1


def test_low_buffer_lowers_the_candidates_until_it_is_full_again() -> None:
    """A tenth of the share is left when there is no music ahead."""
    governor = CandidateGovernor(16, first=16)
    governor.after(0.6, 3.0, 10.0, 4.0)
    assert governor.candidates == 16
    assert governor.after(0.6, 3.0, 0.0, 4.0) == 2
    for _ in range(6):
        governor.after(0.0375 * governor.candidates, 3.0, 10.0, 4.0)
    assert governor.candidates == 16


def test_maximum_of_candidates_can_be_moved_live() -> None:
    """Down at once, up by doubling."""
    governor = CandidateGovernor(16, first=16)
    governor.set_maximum(3)
    assert governor.candidates == 3
    governor.set_maximum(32)
    assert [6, 12, 24, 32] == [governor.after(0.01, 3.0, 10.0, 4.0) for _ in range(4)]


def test_governor_refuses_no_candidates() -> None:
    """One is the least."""
    with pytest.raises(ValueError, match="must be 1 or more, not 0 and 4"):
        CandidateGovernor(0)
    with pytest.raises(ValueError, match="maximum must be 1 or more, not 0"):
        CandidateGovernor(1).set_maximum(0)


def test_the_stream_is_silent_before_anything_else_is_closed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An input that hung while it was closed left keys down for ever."""
    order = list[str]()

    def note(what: str) -> Callable[[], None]:
        return lambda: order.append(f"{what} {'silent' if port.receiver.is_silent else 'SOUNDS'}")

    class View:
        def show(self, read: Callable[[], object]) -> None:
            pass

        def close(self) -> None:
            note("view")()

    @contextmanager
    def hanging(*_: object, **__: object) -> Iterator[None]:
        yield None
        note("controller")()

    owner = MidiOwner([], threaded=False)
    monkeypatch.setattr(owner, "close", note("owner"))
    port = WatchedPort(40, lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(port, "close", note("port"))
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    monkeypatch.setattr(daemon, "input_owner", lambda settings: owner)
    monkeypatch.setattr(daemon, "controller", hanging)
    monkeypatch.setattr("streamer.service.showing.make_view", lambda *_: View())
    assert play(settings, plain=True) == 143
    assert ["view silent", "controller silent", "port silent", "owner silent"] == order


def test_tempo_and_beat_are_those_of_what_sounds_and_not_of_what_is_written(bundle, settings):
    heard: list[tuple[float, float]] = []
    wanted = [round(60_000.0 / Tempi.lengths_ms[n // 8 % 4], 3) for n in range(40)]

    class Asking(FakePort):
        def send(self, message: bytes, at_ms: float | None = None) -> None:
            super().send(message, at_ms)
            if starts_note(message) and len(heard) < len(wanted):
                figures = stream.figures()
                heard.append((round(figures.bpm or 0.0, 3), round(figures.beat or 0.0, 3)))
                if len(heard) == len(wanted):
                    done.set()

    done = threading.Event()
    stream, _ = make_stream(bundle, settings, Asking(), Tempi())
    stream.start()
    assert done.wait(PATIENCE_SECONDS)
    stream.stop()
    assert wanted == [bpm for bpm, _ in heard]
    beats = [beat for _, beat in heard]
    assert (sorted(beats), {0.0}) == (beats, {beat % 1.0 for beat in beats})
