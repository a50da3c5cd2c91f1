"""The tempo of a stream, as Link is led by it and as a person sees it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from streamer.errors import ConfigError
from streamer.service import beats
from streamer.service.screen import clock_text
from streamer.service.tempo import StreamTempo
from streamer.settings.controls import LiveControls
from streamer.settings.midi import ClockSettings
from tests.streamer.test_stats import figures


def scheduler(**more):
    known = {
        "beat_ms": 500.0, "phrases_begun": 3, "pace": 1.0, "now_beats": 9.0, "follows": False,
        "held": False, "early_seconds": 0.0,
    }  # fmt: skip
    return SimpleNamespace(**{**known, **more})


def tempo(controls=None, mode="link", own_ms=400.0, **more) -> StreamTempo:
    source = SimpleNamespace(generator=SimpleNamespace(beat_ms=own_ms))
    settings = ClockSettings(mode=mode, tempo_bpm=100.0)
    return StreamTempo(scheduler(**more), lambda: source, controls or LiveControls(), settings)


def test_what_will_sound_first_has_the_tempo_until_something_sounds():
    assert 120.0 == tempo().own_bpm
    assert 150.0 == tempo(phrases_begun=0, beat_ms=None).own_bpm
    assert 100.0 == tempo(beat_ms=None).own_bpm  # free time: that of the settings


def test_a_tempo_that_was_there_is_kept_as_a_speed_that_can_be_moved():
    controls = LiveControls()
    one = tempo(controls)
    one.keep(90.0)
    assert (0.75, 90.0) == (controls.snapshot().tempo_scale, one.bpm)
    one.keep(10.0)
    assert 0.25 == controls.snapshot().tempo_scale


def test_there_is_no_place_in_free_time_or_while_the_music_stands():
    assert 9.0 == tempo().place
    assert pytest.approx(8.9) == tempo(early_seconds=0.05).place
    assert tempo(pace=0.0).place is None
    assert tempo(beat_ms=None).place is None
    assert tempo(phrases_begun=0).place is None


def test_free_time_shows_a_tempo_only_while_it_is_given_one():
    assert {"bpm": None} == tempo(beat_ms=None).figures()
    assert {"bpm": 150.0} == tempo(beat_ms=None, follows=True, pace=1.5).figures()


@pytest.mark.parametrize(
    ("clock", "says", "shown"),
    [
        ("internal", "", "its own, 120 BPM"),
        ("send", "", "sends, 120 BPM"),
        ("follow", "", "follows, 120 BPM"),
        ("link", "Link, 2 others", "Link, 2 others, 120 BPM"),
        ("jack", "JACK, rolling", "JACK, rolling, 120 BPM"),
    ],
)
def test_the_terminal_says_whose_beat_it_is(clock, says, shown):
    assert shown == clock_text(figures(clock=clock, clock_says=says, bpm=120.0))


class Source:
    """A source of beats that is asked for."""

    said = "Link, 1 other"

    def __init__(self) -> None:
        self.closed = False

    def look(self, now):
        from streamer.midi.clock import Followed

        return Followed(external=True, locked=True, tempo_bpm=90.0, at=now)

    def close(self) -> None:
        self.closed = True


def test_a_stream_obeys_and_says_its_source_while_it_plays_and_lets_it_go(monkeypatch):
    from streamer.system.clock import MonotonicClock
    from tests.waiting import comes

    source, told = Source(), []
    monkeypatch.setattr(beats, "link_follower", lambda *rest: source)
    one = tempo()
    stage = SimpleNamespace(
        beat=lambda followed: told.append(followed.tempo_bpm),
        follow=lambda rate, halted: told.append((round(rate, 2), halted)),
    )
    stream = SimpleNamespace(scheduler=stage, tempo=one)
    settings = ClockSettings(mode="link", tempo_bpm=100.0)
    with beats.another_beat(settings, stream, MonotonicClock(), "Perpetuo"):
        assert comes(lambda: (0.9, False) in told)
        assert "Link, 1 other" == one.source()
    assert (1.0, True) == told[0]  # it waits for a session to begin with
    assert source.closed


@pytest.mark.parametrize("mode", ["internal", "send", "follow"])
def test_nothing_is_opened_where_no_other_beat_is_wanted(mode, monkeypatch):
    opened, threads = [], threading.active_count()
    monkeypatch.setattr(beats, "link_follower", lambda *rest: opened.append("link"))
    monkeypatch.setattr(
        "streamer.control.transport.jack_follower", lambda name: opened.append("jack")
    )
    stream = SimpleNamespace(scheduler=None, tempo=tempo())
    said, settings = stream.tempo.source(), ClockSettings(mode=mode)
    beats.refuse_lacking(settings)
    with beats.another_beat(settings, stream, None, "Perpetuo"):
        assert (said, threads) == (stream.tempo.source(), threading.active_count())
    assert [] == opened


def test_jack_without_its_library_is_told_in_a_line(monkeypatch):
    monkeypatch.setattr("streamer.control.transport.system_libjack", lambda: None)
    with pytest.raises(ConfigError, match="libjack, which is not here: apt install"):
        beats.refuse_lacking(ClockSettings(mode="jack"))
