"""A send that blocks: the watchdog hears of it, and a stop still ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.ports.base import PortLost
from streamer.ports.clients import HANG_SECONDS
from streamer.service import daemon, stream
from streamer.service.supervisor import Supervisor
from streamer.settings.settings import ModelSettings, PortSettings, SchedulerSettings, Settings
from streamer.testing import FakeGenerator, FakePort, ManualClock
from tests.bundles import write_tiny_bundle
from tests.service.test_supervisor import FakeNotifier, figures
from tests.streamer.test_ports import ON, SYNTH, Bench

PATIENCE_SECONDS = 20.0
"""How long a test waits for an event that comes within milliseconds, before it fails."""

BOUND_SECONDS = 5.0
"""A stop is to end the process within this; systemd gives it TimeoutStopSec."""


class StuckPort(FakePort):
    """A port that takes ``messages`` messages, and then holds the sender up until it is let go."""

    def __init__(self, messages: int, clock: ManualClock | None = None) -> None:
        super().__init__(clock)
        self._left = messages
        self.stuck, self.let_go = threading.Event(), threading.Event()

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        super().send(message, at_ms)
        self._left -= 1
        if self._left == 0:
            self.stuck.set()
            self.let_go.wait(PATIENCE_SECONDS)


def test_the_watchdog_is_fed_no_more_when_a_send_blocks_and_again_when_it_is_let_go():
    clock = ManualClock()
    port = StuckPort(40, clock)
    buffer, generator = RollingBuffer(4.0, 10.0), FakeGenerator()
    for _ in range(4):
        buffer.put(generator.next_phrase())
    buffer.close()
    scheduler = Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0))
    notifier = FakeNotifier()
    supervisor = Supervisor(
        notifier, lambda: scheduler.last_advance, figures, clock, watchdog_seconds=10.0
    )
    thread = threading.Thread(target=scheduler.run, daemon=True)
    thread.start()
    assert port.stuck.wait(PATIENCE_SECONDS)
    supervisor.look()
    assert [("alive",)] == notifier.told
    for _ in range(3):
        clock.jump(5.1)
        supervisor.look()
    assert [("alive",)] == [told for told in notifier.told if told == ("alive",)]
    port.let_go.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert port.receiver.is_silent
    supervisor.look()
    assert ("alive",) == notifier.told[-1]


def test_sigterm_during_a_send_that_blocks_ends_the_stream_and_says_why(
    tmp_path, monkeypatch, caplog
):
    class Port(StuckPort):
        def send(self, message, at_ms=None) -> None:
            if self._left == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            super().send(message, at_ms)

    port = Port(12)
    monkeypatch.setattr(daemon, "open_outputs", lambda *_, **__: (port, lambda: False))
    monkeypatch.setattr(stream, "JOIN_SECONDS", 0.1)
    settings = Settings(
        model=ModelSettings(model=str(write_tiny_bundle(tmp_path).path), seed=1),
        scheduler=SchedulerSettings(lead_seconds=0.0, realtime_priority=0),
        port=PortSettings(port="null"),
    )
    began = time.monotonic()
    assert 143 == daemon.play(settings, plain=True)
    assert time.monotonic() - began < BOUND_SECONDS
    assert "the scheduler did not end within 0.1 s; port fake may be blocked" in caplog.text
    assert 1 == port.closed
    port.let_go.set()


PROCESS = """
import sys, threading
from streamer import cli
from streamer.service import daemon, stream
from streamer.testing import FakePort

class Stuck(FakePort):
    def send(self, message, at_ms=None):
        print("stuck", flush=True)
        threading.Event().wait()

stream.JOIN_SECONDS = 0.2
daemon.open_outputs = lambda *_, **__: (Stuck(), lambda: False)
sys.exit(cli.main(["play", "--port", "null", "--plain", "--model", sys.argv[1]]))
"""


def test_a_process_whose_send_blocks_for_ever_ends_at_sigterm(tmp_path):
    model = str(write_tiny_bundle(tmp_path).path)
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, model],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "stuck\n" == process.stdout.readline()
        process.terminate()
        _, errors = process.communicate(timeout=BOUND_SECONDS)
    finally:
        process.kill()
    assert 143 == process.returncode
    assert "the scheduler did not end within 0.2 s" in errors
    assert "Traceback" not in errors


def test_a_midi_port_in_which_a_message_hangs_is_closed_and_watched_without_waiting():
    bench = Bench(SYNTH)
    port = bench.open("juno")
    hangs, let_go = threading.Event(), threading.Event()
    client = next(client for client in bench.system.clients if client.target == SYNTH)

    def hang(message) -> None:
        hangs.set()
        let_go.wait(PATIENCE_SECONDS)

    client.send_message = hang
    thread = threading.Thread(target=port.send, args=(ON,), daemon=True)
    thread.start()
    assert hangs.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    bench.owner.look_now()
    assert time.monotonic() - began < HANG_SECONDS
    port.close()
    assert time.monotonic() - began < 4 * HANG_SECONDS
    with pytest.raises(PortLost):
        port.send(ON)
    let_go.set()
    thread.join(PATIENCE_SECONDS)
