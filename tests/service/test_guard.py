"""The last resort: whatever hangs, the process ends in time, with the right status, silenced."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from streamer.ports import open_port
from streamer.service import guardian, lastsilence
from streamer.service.crash import LastingTable, open_table, read_table
from streamer.service.guardian import (
    END_SECONDS,
    OVER,
    PATIENCE_SECONDS,
    SILENCE_SECONDS,
    SILENT,
    SOUNDING,
    Watch,
)
from streamer.settings.midi import PortSettings
from streamer.testing import FakePort
from tests.bundles import write_tiny_bundle

SLACK = 4
"""A machine that does other things may take this many times as long; measured alone: 4.4 s."""

BOUND_SECONDS = 5.0
"""A process that hangs has ended this long after the first signal."""

SECOND_SECONDS = 1.5
"""… and this long after the second: 0.3 s were measured, on a machine with nothing else to do."""

ENDING = (signal.SIGINT, signal.SIGTERM)
TERM = int(signal.SIGTERM)

PROCESS = """
import ctypes, sys, threading
from streamer import cli
from streamer.service import daemon
from streamer.testing import FakePort

MUTEX = ctypes.create_string_buffer(64)

def hang():
    print("hangs", flush=True)
    WAIT

class Port(FakePort):
    def send(self, message, at_ms=None):
        super().send(message, at_ms)
        if len(self.log) == 12 and WHERE == "send":
            hang()
    def close(self):
        if WHERE == "close":
            hang()

WHERE = sys.argv[2]
if WHERE == "open":
    daemon.open_source = lambda *_, **__: hang()
daemon.open_outputs = lambda *_, **__: (Port(), lambda: False)
if WHERE == "close":
    threading.Timer(2.0, lambda: print("plays", flush=True)).start()
sys.exit(cli.main(["play", "--port", "null", "--plain", "--model", sys.argv[1]]))
"""

KEEPS_INTERPRETER = "[ctypes.PyDLL(None).pthread_mutex_lock(MUTEX) for _ in range(2)]"
"""As RtMidi does in a constructor, or in a send into a full queue; no signal ends it."""

LETS_IT_GO = "threading.Event().wait()"


def begin(tmp_path, where: str, wait: str) -> subprocess.Popen[str]:
    """Start a stream that hangs somewhere, and return when it has come to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS.replace("WAIT", wait), str(bundle(tmp_path)), where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() in ("hangs\n", "plays\n")
    return process


def bundle(tmp_path):
    return write_tiny_bundle(tmp_path).path


def end(process: subprocess.Popen[str], *numbers: int) -> tuple[int, float]:
    """Send signals, half a second apart, and return the status and the seconds since the last."""
    try:
        for index, number in enumerate(numbers):
            if index:
                time.sleep(PATIENCE_SECONDS + 0.2)
            began = time.monotonic()
            process.send_signal(number)
        status = process.wait(4 * BOUND_SECONDS)
        return status, time.monotonic() - began
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("where", ["open", "send", "close"])
@pytest.mark.parametrize("wait", [KEEPS_INTERPRETER, LETS_IT_GO], ids=["held", "free"])
def test_a_library_that_never_returns_does_not_keep_the_process(tmp_path, where, wait):
    status, seconds = end(begin(tmp_path, where, wait), signal.SIGTERM)
    assert 143 == status
    assert seconds < SLACK * BOUND_SECONDS


@pytest.mark.parametrize("where", ["send", "close"])
def test_a_second_signal_ends_it_at_once_with_the_status_of_the_first(tmp_path, where):
    status, seconds = end(begin(tmp_path, where, KEEPS_INTERPRETER), signal.SIGINT, signal.SIGTERM)
    assert 130 == status
    assert seconds < SLACK * SECOND_SECONDS


def told(*bytes_and_seconds: int | float) -> Watch:
    """Return a watch that was told of bytes (whole numbers) and of time (fractions)."""
    watch = Watch(ENDING)
    for one in bytes_and_seconds:
        (watch.hear if isinstance(one, int) else watch.passed)(one)
    return watch


@pytest.mark.parametrize(
    ("course", "enough"),
    [
        ([3600.0], False),
        ([int(signal.SIGHUP), 3600.0], False),
        ([TERM, END_SECONDS - 0.1], False),
        ([TERM, END_SECONDS], True),
        ([SOUNDING, TERM, SILENCE_SECONDS - 0.1], False),
        ([SOUNDING, TERM, SILENCE_SECONDS + 0.1], True),
        ([SOUNDING, TERM, 0.1, SILENT, SILENCE_SECONDS + 0.1], False),
        ([SOUNDING, TERM, 0.1, SILENT, END_SECONDS], True),
        ([SOUNDING, TERM, 0.1, TERM, 1.0], False),
        ([SOUNDING, TERM, PATIENCE_SECONDS + 0.1, TERM], False),
        ([SOUNDING, TERM, PATIENCE_SECONDS + 0.1, TERM, PATIENCE_SECONDS], True),
        ([SOUNDING, TERM, PATIENCE_SECONDS + 0.1, TERM, 0.1, SILENT], True),
        ([SOUNDING, TERM, SILENT, PATIENCE_SECONDS + 0.1, int(signal.SIGINT)], True),
    ],
)
def test_when_it_is_enough(course, enough):
    assert enough is told(*course).enough


def test_silence_and_end_come_within_what_is_promised():
    assert SILENCE_SECONDS < END_SECONDS < BOUND_SECONDS


def test_time_in_which_the_machine_stood_still_takes_nothing_from_the_stream():
    """Both were asleep: the stream has its seconds before it when they wake."""
    ours, theirs = socket.socketpair()
    ours.send(bytes((TERM,)))
    times = iter([0.0, 0.0, 0.1, 3600.0])

    def now() -> float:
        moment = next(times, None)
        if moment is None:
            ours.close()
            return 3600.0
        return moment

    watch = Watch(ENDING)
    assert not guardian.guard(watch, theirs.fileno(), now)
    assert watch.first == TERM
    theirs.close()


def test_a_stream_that_has_ended_is_let_alone():
    for last in (bytes((TERM, SILENT, OVER)), bytes((TERM,))):
        ours, theirs = socket.socketpair()
        ours.send(last)
        ours.close()
        assert not guardian.guard(Watch(ENDING), theirs.fileno())
        theirs.close()


def test_a_process_without_a_pipe_to_end_it_by_is_killed():
    """Where the C library is another one than glibc."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[ours.fileno()]
    ) as process:
        ours.close()
        guardian.end(process.pid, theirs.fileno(), -1, 143)
        assert -signal.SIGKILL == process.wait(BOUND_SECONDS)
    theirs.close()


@pytest.fixture
def left(tmp_path, monkeypatch):
    """A folder with the table of a process that left two keys and a pedal down."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    table = open_table(tmp_path, "juno + null")
    assert isinstance(table, LastingTable)
    for message in (b"\x90\x3c\x40", b"\x91\x3e\x40", b"\xb0\x40\x7f"):
        table.before(message)
    table._bytes.close()
    os.close(table._handle)
    return tmp_path


def test_what_a_stream_left_sounding_is_silenced_by_a_fresh_process(left, monkeypatch):
    port = FakePort()
    monkeypatch.setattr(lastsilence, "open_port", lambda spec, settings: port)
    monkeypatch.setattr(lastsilence, "configure_logging", lambda level: None)
    monkeypatch.setattr(signal, "alarm", lambda seconds: None)
    lastsilence.main(
        [
            '{"specs": ["juno", "null"], "channel": 1, "client_name": "Perpetuo", "allow": [], '
            '"deny": []}'
        ]
    )
    assert [b"\x80\x3c\x00", b"\x81\x3e\x00"] == port.messages[:2]
    assert {b"\xb0\x40\x00", b"\xb0\x7b\x00", b"\xb1\x7b\x00"} <= set(port.messages)
    assert (1, True) == (port.closed, port.receiver.is_silent)
    # The next start does so once more: nobody can tell which of the two was heard.
    again = open_table(left, "juno + null")
    assert 3 == again.left_sounding
    assert read_table(left, "juno + null").keys == again.keys
    again._bytes.close()
    os.close(again._handle)


def test_where_nothing_sounds_nothing_is_opened(tmp_path):
    assert 0 == lastsilence.silence(PortSettings("null"), read_table(tmp_path, "null"))
    assert open_port is lastsilence.open_port
