"""A flood at the input: it is closed and opened all the same, and a stop is a stop."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import streamer
from streamer.ports import make_owner
from streamer.ports.listening import open_input
from streamer.settings.midi import PortSettings
from tests.bundles import write_tiny_bundle
from tests.jackserver import silenced
from tests.live.test_jack import check_pairs, struck

pytestmark = pytest.mark.jack

CLOSINGS, STOPS = 20, 3
RATE = 12_000
"""Messages a second."""

BOUND_SECONDS = 5.0
"""A stop is over within this, whatever comes in."""

PATIENCE_SECONDS = 60.0

FLOOD = f"""
import sys, time, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Flood")
out.open_virtual_port("out")
print("floods", flush=True)
began, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - began) * {RATE})
    for sent in range(sent + 1, due + 1):
        out.send_message(b"\\xf8" if sent % 2 else bytes((0xB0, 1, sent % 128)))
    time.sleep(0.002)
"""

CLOSE = f"""
import threading, time
from streamer.settings.midi import PortSettings
from streamer.ports import make_owner
from streamer.ports.listening import open_input

owner = make_owner(PortSettings())
for number in range({CLOSINGS}):
    came = threading.Event()
    port = open_input("Flood", "Perpetuo", owner, lambda *message: came.set())
    assert port.hears and came.wait(10.0), "the flood is not heard"
    time.sleep(0.01 * (number % 5))
    port.close()
    print("closed", flush=True)
owner.close()
"""


@pytest.fixture
def start(jack):
    """Start Python programs in the server's environment; they are killed at the end."""
    processes = []

    def run(*words):
        process = subprocess.Popen(
            [sys.executable, "-u", *words],
            env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def flood(start):
    """A program that sends as much as it may, ``Flood:out``."""
    process = start("-c", FLOOD)
    assert process.stdout.readline() == "floods\n"
    return process


@pytest.mark.usefixtures("flood")
def test_an_input_is_closed_in_a_flood_again_and_again(start):
    """In a process of its own: what is tested here is that it ends."""
    output, _ = start("-c", CLOSE).communicate(timeout=PATIENCE_SECONDS)
    assert ["closed"] * CLOSINGS == output.splitlines()


@pytest.mark.usefixtures("flood", "jack")
def test_a_flood_is_heard_as_it_was_sent():
    """In order, none missing, at times that are those of JACK's cycles and not of our looks."""
    owner, heard, enough = make_owner(PortSettings()), [], threading.Event()

    def hear(data, at):
        heard.append((data, at))
        if len(heard) > RATE:
            enough.set()

    port = open_input("Flood", "Perpetuo", owner, hear)
    assert enough.wait(PATIENCE_SECONDS)
    port.close()
    owner.close()
    knobs = [data[2] for data, _ in heard if data[0] == 0xB0]
    steps = {(b - a) % 128 for a, b in zip(knobs, knobs[1:], strict=False)}
    assert {2} == steps
    times = [at for _, at in heard]
    assert times == sorted(times)


@pytest.mark.usefixtures("flood")
@pytest.mark.parametrize("after", [None, 0.0, 0.3], ids=["playing", "at once", "opening"])
def test_a_stop_in_a_flood_is_over_soon_and_silent(start, jack, tmp_path, after):
    monitor = jack.monitor()
    bundle = write_tiny_bundle(tmp_path).path
    config = tmp_path / "perpetuo.toml"
    config.write_text("[controls]\ndensity = 4.0\ntempo_scale = 4.0\n")
    first = ""
    for _ in range(STOPS):
        heard = len(monitor.wait_for(lambda _: True))
        process = start(
            "-m", "streamer", "play", "--port", "mon", "--input", "Flood", "--plain",
            "--config", str(config), "--model", str(bundle),
        )  # fmt: skip
        if after is None:
            monitor.wait_for(
                lambda messages, heard=heard: len(struck(messages[heard:])) > 20, PATIENCE_SECONDS
            )
        else:
            first = process.stdout.readline()
            time.sleep(after)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        took = time.monotonic() - began
        assert (143, "") == (process.returncode, said(output)), (first, output)
        assert took < BOUND_SECONDS
    # Where it was stopped at once nothing may have sounded, and nothing comes.
    check_pairs(monitor.listen(silenced, PATIENCE_SECONDS if after is None else 5))


def said(output):
    """Return what a stop should not say; that a flood was too much for a busy machine, it may."""
    bad = ("Traceback", "hangs", "lost", "does not end")
    lines = (line for line in output.splitlines() if "messages at the input were lost" not in line)
    return "\n".join(line for line in lines if any(word in line for word in bad))
