"""Signals of a stream: the first ends it in order, a second cuts nothing, a third is obeyed."""

from __future__ import annotations

import os
import signal

import pytest

from streamer import daemon
from streamer.clock import Wake
from streamer.daemon import play
from streamer.settings import (
    ModelSettings,
    PortSettings,
    RecordSettings,
    SchedulerSettings,
    Settings,
)
from streamer.signals import SIGNALS, Signals
from tests.bundles import write_tiny_bundle
from tests.streamer.test_daemon import WatchedPort


def raise_signal(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_second_ctrl_c_while_the_port_closes_cuts_no_recording(tmp_path, monkeypatch, caplog):
    class Port(WatchedPort):
        def close(self) -> None:
            raise_signal(signal.SIGINT)
            super().close()

    caplog.set_level("INFO")
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
    assert "once more leaves at once" in caplog.text


def test_the_third_signal_leaves_at_once():
    wake, left = Wake(), []
    with Signals(force=left.append) as signals:
        signals.wake_at_end(wake, None)
        for _ in range(2):
            raise_signal(signal.SIGTERM)
        assert wake.is_set()
        assert [] == left
        raise_signal(signal.SIGINT)
    assert [130] == left
    assert [signal.SIGTERM, signal.SIGTERM, signal.SIGINT] == signals.caught


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
