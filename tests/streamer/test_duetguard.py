"""A duet that cannot be played: it is refused, or off in one line, and never a silent stream."""

from __future__ import annotations

import os
import re
import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from streamer.errors import BundleError, ConfigError
from streamer.midi.midifile import read_midi
from streamer.offline.playout import LeapingClock
from streamer.service import daemon
from streamer.service.daemon import play
from streamer.service.duetguard import DuetGuard, objection
from streamer.service.embedded import Stream
from streamer.service.saved import FILE_NAME, Keeper
from streamer.service.stream import StreamThreads
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import InputSettings
from streamer.settings.settings import (
    ModelSettings,
    PortSettings,
    RecordSettings,
    SchedulerSettings,
    ServiceSettings,
    Settings,
)
from streamer.testing import FakePort
from tests.bundles import write_tiny_bundle
from tests.steering import Dense, source_of
from tests.streamer.test_controller import KNOBS, Room
from tests.waiting import comes

BUNDLE = SimpleNamespace(manifest=SimpleNamespace(name="piano"))


def source(*, hears=True, accompanies=False, turns=None):
    listener = SimpleNamespace(accompanies=accompanies) if hears else None
    return SimpleNamespace(bundle=BUNDLE, listener=listener, turns=turns)


@pytest.mark.parametrize(
    ("mode", "plays", "more", "line"),
    [
        ("off", source(hears=False), {"hears": False}, ""),
        ("trade", source(), {}, ""),
        ("continue", source(), {}, ""),
        ("shadow", source(hears=False), {}, ""),
        ("accompany", source(accompanies=True), {}, ""),
        ("accompany", source(), {}, "piano goes on from what it hears and accompanies nobody"),
        ("accompany", source(hears=False), {}, "accompanies nobody"),
        ("trade", source(hears=False), {}, "takes in nothing that is played; set duet to off"),
        ("shadow", source(), {"hears": False}, "no input is heard.*--input auto"),
        ("trade", source(turns=object()), {}, "plays no duet; start again without --query"),
        ("no duet", source(), {"hears": False}, ""),
        (7, source(), {"hears": False}, ""),
    ],
)
def test_what_speaks_against_a_duet_is_one_line(mode, plays, more, line):
    found = objection(mode, plays, **more)
    assert "\n" not in found
    assert (found == "") is (line == "")
    assert re.search(line, found)


def test_a_duet_that_cannot_be_is_off_again_in_one_line(caplog):
    live = LiveControls()
    guard = DuetGuard(live, source)
    live.listen(guard.turns_back)
    live.update(duet="trade")
    assert ("trade", []) == (live.snapshot().value("duet"), caplog.messages)
    live.update(duet="accompany", density=0.5)
    assert ("off", 0.5) == (live.snapshot().value("duet"), live.snapshot().density)
    assert 1 == len(caplog.messages)
    assert "duet = accompany is off again: bundle piano" in caplog.text


def test_one_that_was_possible_stays_while_a_bundle_plays_that_cannot_play_it(caplog):
    live, plays = LiveControls(), [source(accompanies=True)]
    guard = DuetGuard(live, lambda: plays[0])
    live.listen(guard.turns_back)
    live.update(duet="accompany")
    plays[0] = source()
    live.update(density=0.5)
    assert ("accompany", []) == (live.snapshot().value("duet"), caplog.messages)


@pytest.mark.parametrize("mode", ["shadow", "trade", "continue", "accompany"])
def test_a_stream_without_an_input_plays_on_whatever_duet_is_set(mode):
    live, port = LiveControls(), FakePort()
    settings = Settings(scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0))
    playing = source_of(Dense(live), live)
    stream = StreamThreads(playing, port, settings, LeapingClock(), hears=False)
    stream.start()
    live.update(duet=mode)
    assert "off" == live.snapshot().value("duet")
    notes = stream.scheduler.notes_sent
    assert comes(lambda: stream.scheduler.notes_sent > notes + 20)
    stream.stop()
    assert port.receiver.is_silent


def test_a_stream_inside_another_program_hears_nobody_and_plays(tmp_path, caplog):
    bundle = write_tiny_bundle(tmp_path)
    settings = Settings(
        controls=Controls.from_values({"duet": "trade"}),
        scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0),
    )
    with Stream(bundle, FakePort(), settings=settings, clock=LeapingClock()) as stream:
        assert comes(lambda: stream.figures().notes_sent > 20)
        assert "off" == stream.controls.snapshot().value("duet")
    assert "no input is heard" in caplog.text


def kept(folder, model, **controls):
    """Leave what a service has kept whose controls were moved."""
    plain = Controls()
    live = LiveControls(plain.with_changes(controls))
    Keeper(folder / FILE_NAME, plain, live, bundle=model).write()


@pytest.fixture
def service(tmp_path, monkeypatch):
    """Settings of a service with a piano, to nowhere, recorded; what it keeps is in a folder."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    bundle = str(write_tiny_bundle(tmp_path / "bundle").path)
    return Settings(
        model=ModelSettings(model=bundle, seed=1),
        scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0),
        port=PortSettings(port="null"),
        record=RecordSettings(tmp_path / "take.mid"),
        service=ServiceSettings(keep_controls=True),
    )


@pytest.fixture
def until(monkeypatch):
    """Returns how a service plays until something holds of its stream, which is returned."""

    def run(settings, holds):
        streams = []

        class Watched(StreamThreads):
            """Ends the service, as a person does, when it has come so far."""

            def start(self):
                streams.append(self)
                super().start()
                watcher.start()

        def watch():
            comes(lambda: holds(streams[0]))
            os.kill(os.getpid(), signal.SIGTERM)

        watcher = threading.Thread(target=watch, daemon=True)
        monkeypatch.setattr(daemon, "StreamThreads", Watched)
        assert 128 + signal.SIGTERM == play(settings, plain=True)
        return streams[0]

    return run


@pytest.mark.parametrize(
    ("mode", "wanted", "line"),
    [
        ("accompany", "nano", "accompanies nobody"),
        ("accompany", "off", "no input is heard"),
        ("trade", "off", "no input is heard"),
        ("shadow", "off", "no input is heard"),
    ],
)
def test_a_duet_that_was_kept_and_cannot_be_played_never_keeps_a_service_from_starting(
    service, tmp_path, monkeypatch, caplog, until, mode, wanted, line
):
    kept(tmp_path, service.model.model, duet=mode, density=1.5)
    room = Room(KNOBS)
    if wanted != "off":
        monkeypatch.setattr(daemon, "input_owner", lambda settings: room.owner)
    settings = replace(service, input=InputSettings(port=wanted))
    until(settings, lambda stream: stream.scheduler.notes_sent)
    assert 1 == sum("is off again" in message for message in caplog.messages)
    assert line in caplog.text
    assert len(read_midi(service.record.path)) > 0


def test_a_duet_that_was_kept_and_can_be_played_goes_on(
    service, tmp_path, monkeypatch, caplog, until
):
    kept(tmp_path, service.model.model, duet="trade")
    room = Room(KNOBS)
    monkeypatch.setattr(daemon, "input_owner", lambda settings: room.owner)
    settings = replace(service, input=InputSettings(port="nano"))
    stream = until(settings, lambda stream: stream.waits and stream.guard.hears)
    assert "trade" == stream.source.controls.snapshot().value("duet")
    assert stream.waits
    assert "off again" not in caplog.text
    assert not service.record.path.exists(), "the person begins"


def test_a_duet_that_is_configured_and_cannot_be_played_is_refused(service, monkeypatch):
    room = Room(KNOBS)
    asked = replace(service, controls=Controls.from_values({"duet": "accompany"}))
    with pytest.raises(ConfigError, match="no input is heard"):
        play(replace(asked, input=InputSettings(port="off")), plain=True)
    monkeypatch.setattr(daemon, "input_owner", lambda settings: room.owner)
    with pytest.raises(BundleError, match=r"tiny.*accompanies nobody"):
        play(replace(asked, input=InputSettings(port="nano")), plain=True)
