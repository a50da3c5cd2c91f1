"""What the service manager hears beside a stream, and the line that a person reads."""

import faulthandler

import pytest

from streamer.generators.stats import GenerationStats
from streamer.service.figures import StreamFigures
from streamer.service.supervisor import STATUS_SECONDS, Supervisor, status_line
from streamer.testing import ManualClock


def figures(**changes):
    plain = {
        "model": "piano",
        "seed": 1,
        "port": "Digital Piano",
        "waiting_for_port": False,
        "paused": False,
        "policy": "SCHED_OTHER",
        "notes_sent": 12,
        "late_dropped": 0,
        "sounding": (),
        "pedal": False,
        "buffer_seconds": 5.0,
        "underruns": 0,
        "candidates": 8,
        "lateness_ms": {},
        "generation": GenerationStats().to_dict(),
    }
    return StreamFigures(**(plain | changes))


class FakeNotifier:
    """Writes down what it is told."""

    listens = True

    def __init__(self):
        self.told = []

    def ready(self, status=""):
        self.told.append(("ready", status))

    def status(self, text):
        self.told.append(("status", text))

    def alive(self):
        self.told.append(("alive",))

    def reloading(self):
        self.told.append(("reloading",))

    def stopping(self, status=""):
        self.told.append(("stopping", status))


class Stage:
    """A supervisor whose thread never runs: the test looks in its place."""

    def __init__(self, watchdog_seconds=None):
        self.clock, self.notifier = ManualClock(), FakeNotifier()
        self.figures, self.hung_at = figures(), None
        self.supervisor = Supervisor(
            self.notifier,
            lambda: self.clock.now() if self.hung_at is None else self.hung_at,
            lambda: self.figures,
            self.clock,
            watchdog_seconds,
        )

    def look(self, seconds):
        self.clock.jump(seconds)
        self.supervisor.look()
        told, self.notifier.told = self.notifier.told, []
        return told


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Playing to Digital Piano with piano: 12 notes, 0 underruns"),
        (
            {"notes_sent": 1, "underruns": 1, "paused": True},
            "Paused to Digital Piano with piano: 1 note, 1 underrun",
        ),
        (
            {"waiting_for_port": True, "port_losses": 2},
            "Waiting for port Digital Piano with piano: 12 notes, 0 underruns, port lost 2 times",
        ),
    ],
)
def test_status_says_what_a_person_wants_to_know(changes, line):
    assert line == status_line(figures(**changes))


def test_status_is_renewed_now_and_then_and_only_when_it_has_changed():
    stage = Stage()
    assert [("status", status_line(stage.figures))] == stage.look(STATUS_SECONDS)
    assert [] == stage.look(STATUS_SECONDS)
    stage.figures = figures(notes_sent=20)
    assert [] == stage.look(STATUS_SECONDS / 2)
    assert [("status", status_line(stage.figures))] == stage.look(STATUS_SECONDS / 2)


def test_signs_of_life_end_with_the_heartbeat():
    stage = Stage(watchdog_seconds=3.0)
    assert [("alive",)] == stage.look(1.0)
    stage.hung_at = stage.clock.now()
    assert [("alive",)] == stage.look(1.0)
    assert [] == stage.look(1.0)


def test_without_a_wish_for_signs_of_life_none_is_given():
    assert ("alive",) not in Stage().look(60.0)


def test_reload_begins_and_ends_with_a_word():
    stage = Stage()
    stage.supervisor.reloading()
    stage.supervisor.reloaded()
    assert [("reloading",), ("ready", status_line(stage.figures))] == stage.notifier.told


def test_a_stream_is_ready_when_it_runs_and_stopping_before_it_ends():
    """The thread runs for real here, on a clock that ends its wait at once."""
    stage = Stage()
    enabled = faulthandler.is_enabled()
    stage.clock.wait_until = lambda deadline, wake: wake.wait()
    with stage.supervisor:
        assert [("ready", status_line(stage.figures))] == stage.notifier.told
        assert faulthandler.is_enabled()
    assert ("stopping", "Stopping") == stage.notifier.told[-1]
    if not enabled:
        faulthandler.disable()


def test_a_stream_that_fails_says_why_it_stops():
    stage = Stage()
    stage.notifier.listens = False
    with pytest.raises(RuntimeError), stage.supervisor:
        raise RuntimeError("the port is on fire")
    assert [("stopping", "Stopping: the port is on fire")] == stage.notifier.told
