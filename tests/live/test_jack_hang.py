"""A stream that hangs with the interpreter held is ended, and its notes are ended for it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import streamer
from tests.bundles import write_tiny_bundle
from tests.streams import struck, unpaired

pytestmark = pytest.mark.jack

BOUND_SECONDS, SILENT_SECONDS = 10.0, 30.0
"""Within which the process ends (5 s by promise; a busy machine lets the watch itself wait), and
what it left down is released after that."""

PATIENCE_SECONDS = 60.0

HANGS = """
import ctypes, sys
from streamer import cli
from streamer.ports.clients import Sender

MUTEX, send, struck = ctypes.create_string_buffer(64), Sender.send, []

def hang_after_a_while(self, message):
    send(self, message)
    struck.append(message[0] & 0xF0 == 0x90)
    if sum(struck) > 30 and struck[-1]:
        [ctypes.PyDLL(None).pthread_mutex_lock(MUTEX) for _ in range(2)]

Sender.send = hang_after_a_while
sys.exit(cli.main(sys.argv[1:]))
"""


def test_what_a_hung_stream_leaves_down_is_released_by_a_fresh_process(jack, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monitor = jack.monitor()
    config = tmp_path / "perpetuo.toml"
    config.write_text("[controls]\ndensity = 4.0\ntempo_scale = 4.0\n")
    bundle = write_tiny_bundle(tmp_path).path
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", HANGS, "play", "--port", "mon", "--plain", "--seed", "3"),
            *("--config", str(config), "--model", str(bundle)),
        ],
        env={
            **jack.env,
            "RUNTIME_DIRECTORY": str(tmp_path / "run"),
            "PYTHONPATH": str(Path(streamer.__file__).parents[1]),
        },
    )
    try:
        heard = monitor.wait_for(lambda messages: len(struck(messages)) > 30, PATIENCE_SECONDS)
        assert unpaired(heard)[2] > 0, "nothing sounds at the hang"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(2 * BOUND_SECONDS) == 143
        assert time.monotonic() - began < BOUND_SECONDS
    finally:
        process.kill()
        process.wait()
    heard = monitor.wait_for(lambda messages: not unpaired(messages)[2], SILENT_SECONDS)
    assert 0 == unpaired(heard)[2]
