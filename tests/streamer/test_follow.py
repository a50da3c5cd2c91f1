"""A source of beats that hangs or fails: the music plays, a person is told, and it is tried again.

Run on the system's clock, because threads are what is tested.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from streamer.control import follow
from streamer.control.follow import Following
from streamer.midi.clock import Followed
from streamer.system.clock import MonotonicClock
from streamer.testing import ManualClock
from tests.waiting import comes

HELD, FREE = (1.0, True), (1.0, False)


class Stage:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, bool]] = []
        self.beats: list[Followed] = []

    def panic(self) -> None:
        pass

    def beat(self, followed: Followed) -> None:
        self.beats.append(followed)

    def follow(self, rate: float, *, halted: bool) -> None:
        self.told.append((round(rate, 3), halted))


class Source:
    """A transport that is stopped; it hangs while ``answers`` is not set, and fails as told."""

    said = "JACK, stopped"

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        self.failure: Exception | None = None
        self.looks = self.closed = 0

    def look(self, now: float) -> Followed:
        self.looks += 1
        self.asked.set()
        self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return Followed(external=True, locked=True, halted=True, at=now)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(follow, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(follow, "TRY_SECONDS", 0.02)
    monkeypatch.setattr(follow, "JOIN_SECONDS", 0.1)


@pytest.fixture
def source() -> Iterator[Source]:
    one = Source()
    yield one
    one.answers.set()


def test_a_source_that_hangs_from_the_start_holds_no_music(source, caplog):
    stage = Stage()
    source.answers.clear()
    following = Following(source, stage, MonotonicClock(), 120.0, 0.05)
    with caplog.at_level(logging.INFO), following:
        assert comes(lambda: FREE in stage.told)
        assert [HELD, FREE] == stage.told
        assert comes(lambda: following.said == "JACK, no answer")
        assert ["JACK does not answer; playing by the own clock until it does"] == caplog.messages
        source.answers.set()
        # On a slow machine it may be held for another hang; it is halted as soon as it answers.
        assert comes(lambda: stage.told[-1] == HELD)
        assert comes(lambda: following.said == "JACK, stopped")


def test_a_source_that_hangs_later_lets_music_go_that_it_has_halted(source, caplog):
    stage = Stage()
    with Following(source, stage, MonotonicClock(), 120.0):
        assert comes(lambda: HELD in stage.told)
        source.answers.clear()
        assert comes(lambda: stage.told[-1] == FREE)
        source.answers.set()
        assert comes(lambda: stage.told[-1] == HELD)
    assert "JACK does not answer" in caplog.text


def test_a_source_that_answers_after_the_end_is_closed_again(source):
    source.answers.clear()
    with Following(source, Stage(), MonotonicClock(), 120.0):
        assert source.asked.wait(60.0)
    assert 1 == source.closed
    source.answers.set()
    assert comes(lambda: source.closed == 2)


def test_a_source_that_fails_is_told_once_and_tried_again_and_holds_no_music(source, caplog):
    stage = Stage()
    source.failure = ZeroDivisionError("float division by zero")
    with Following(source, stage, MonotonicClock(), 120.0, 60.0):
        assert comes(lambda: source.looks > 3)
        assert FREE in stage.told
        assert not stage.beats[-1].external
        assert [
            "JACK cannot be followed (ZeroDivisionError: float division by zero); playing by the "
            "own clock, and trying again"
        ] == [line for line in caplog.messages if "cannot" in line]
        source.failure = None
        assert comes(lambda: stage.told[-1] == HELD)
    assert source.closed


def test_a_source_that_rests_between_two_looks_is_not_taken_to_hang(source, caplog):
    clock = ManualClock(100.0)
    following = Following(source, Stage(), clock, 120.0)
    following.turn()
    clock.jump(60.0)
    following.watch()
    assert "JACK, stopped" == following.said
    assert "does not answer" not in caplog.text
