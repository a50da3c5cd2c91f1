"""Signals of a stream: the first ends it in order, a second leaves at once when it is silent."""

from __future__ import annotations

import os
import signal

import pytest

from streamer.service import daemon
from streamer.service import signals as signals_module
from streamer.service.daemon import play
from streamer.service.signals import SIGNALS, Signals
from streamer.settings.settings import (
    ModelSettings,
    PortSettings,
    RecordSettings,
    SchedulerSettings,
    Settings,
)
from streamer.system.clock import Wake
from tests.bundles import write_tiny_bundle
from tests.streamer.test_daemon import WatchedPort


def raise_signal(number: int) -> None:
    os.kill(os.getpid(), number)


PATIENCE_SECONDS = 20.0
"""How long a test waits for what comes within milliseconds, before it fails."""


def test_the_same_ctrl_c_twice_while_the_port_closes_cuts_no_recording(
    tmp_path, monkeypatch, caplog
):
    """As ``timeout`` sends its signal, to the process and to its group."""

    class Port(WatchedPort):
        def close(self) -> None:
            raise_signal(signal.SIGINT)
            super().close()

    caplog.set_level("INFO")
    monkeypatch.setattr(signals_module, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    port = Port(12, lambda: raise_signal(signal.SIGINT))
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    settings = Settings(
        model=ModelSettings(model=str(write_tiny_bundle(tmp_path).path), seed=1),
        scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0),
        port=PortSettings(port="null"),
        record=RecordSettings(path=tmp_path / "take.mid"),
    )
    before = signal.getsignal(signal.SIGINT)
    assert 130 == play(settings, plain=True)
    assert 1 == port.closed
    assert signal.getsignal(signal.SIGINT) is before
    said = [line for line in caplog.messages if line.startswith(str(tmp_path / "take.mid"))]
    assert 1 == len(said)
    assert " notes, 0:0" in said[0]


class Case:
    """Signals on a clock of their own, and with what status they would leave."""

    def __init__(self):
        self.left, self.now, self.wake, self.silences = [], 10.0, Wake(), []
        self.signals = Signals(force=self.left.append, now=lambda: self.now)

    def __enter__(self):
        self.signals.__enter__()
        self.signals.wake_at_end(self.wake, None, lambda: self.silences.append(True))
        return self

    def __exit__(self, *error):
        self.signals.__exit__(*error)


def test_the_first_signal_silences_and_then_wakes_whoever_waits():
    with Case() as case:
        raise_signal(signal.SIGTERM)
        assert case.wake.wait(PATIENCE_SECONDS)
    assert ([True], [signal.SIGTERM], []) == (case.silences, case.signals.caught, case.left)


def test_a_signal_that_finds_the_wake_locked_is_no_deadlock():
    """The main thread holds an Event's lock for a moment whenever it waits for it."""
    with Case() as case:
        with case.wake._cond:
            raise_signal(signal.SIGTERM)
        assert case.wake.wait(PATIENCE_SECONDS)


def test_a_second_signal_leaves_at_once_when_nothing_sounds_and_else_as_soon_as_that():
    with Case() as case:
        raise_signal(signal.SIGTERM)
        case.now += 0.5
        raise_signal(signal.SIGINT)
        assert [] == case.left
        case.signals.silent()
        assert [143] == case.left
        raise_signal(signal.SIGINT)
    assert [143, 143] == case.left


def test_the_same_signal_twice_in_a_moment_is_one():
    with Case() as case:
        case.signals.silent()
        raise_signal(signal.SIGTERM)
        case.now += 0.01
        raise_signal(signal.SIGTERM)
    assert [] == case.left


def test_a_third_signal_does_not_wait_for_silence():
    with Case() as case:
        for _ in range(3):
            raise_signal(signal.SIGINT)
    assert [130] == case.left


@pytest.fixture
def interruptible():
    """SIGINT as a terminal gives it: what runs in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_while_the_stream_is_opened_does_what_it_always_does():
    with pytest.raises(KeyboardInterrupt), Signals():
        raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            raise_signal(signal.SIGHUP)
        assert [] == signals.caught
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sighup_reads_the_settings_again_where_it_is_to():
    wake, asked = Wake(), []
    with Signals() as signals:
        signals.wake_at_end(wake, lambda: asked.append(True))
        raise_signal(signal.SIGHUP)
    assert [True] == asked
    assert not wake.is_set()
    assert signal.SIGHUP in SIGNALS
