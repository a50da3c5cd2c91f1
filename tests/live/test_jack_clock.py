"""Clock and controller on a real port: the whole command, JACK's dummy driver, other programs."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import streamer
from tests.bundles import write_tiny_bundle
from tests.jackserver import ON_JACK_ALONE

pytestmark = pytest.mark.jack

CLOCK, START, STOP = b"\xf8", b"\xfa", b"\xfc"
QUARTERS, TEMPO_BPM = 32, 150.0
SPEED = 4.0
PATIENCE_SECONDS = 60.0

TEMPO_SHARE = 0.03
"""Between two processes on a busy machine; measured 0.05 %. A clock too many a quarter is 4 %."""


@pytest.fixture
def perpetuo(tmp_path, jack):
    """Run ``perpetuo play`` to the monitor, with a small bundle that plays as fast as it may."""
    bundle = write_tiny_bundle(tmp_path).path
    config = tmp_path / "perpetuo.toml"
    processes = []

    def play(*words, settings=""):
        fast = f"[controls]\ndensity = 4.0\ntempo_scale = {SPEED}\n"
        config.write_text(fast + settings)
        command = ("play", "--port", "mon", "--plain", "--seed", "3", "--config", str(config))
        process = subprocess.Popen(
            [sys.executable, "-c", ON_JACK_ALONE, *command, *words, "--model", str(bundle)],
            env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield play
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def master(jack):
    """A program that sends to the input that perpetuo opens for others."""
    import rtmidi

    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Master")
    out.open_virtual_port("out")
    yield lambda: (jack.connect("Master:out", "Perpetuo in:in"), out)[1]
    out.delete()


def struck(messages):
    return [message for message in messages if message[0] & 0xF0 == 0x90]


def clocks_of_the_song(messages):
    """Return how many clocks came since Start."""
    return messages[messages.index(START) :].count(CLOCK) if START in messages else 0


def test_the_clock_has_24_ticks_a_quarter_and_start_goes_before_the_first_note(jack, perpetuo):
    monitor = jack.monitor()
    process = perpetuo("--clock", "send", settings=f"[clock]\ntempo_bpm = {TEMPO_BPM}\n")
    monitor.wait_for(clocks_of_the_song, PATIENCE_SECONDS)
    began = time.monotonic()
    wanted = clocks_of_the_song(monitor.wait_for(lambda _: True)) + 24 * QUARTERS
    heard = monitor.wait_for(lambda m: clocks_of_the_song(m) >= wanted, PATIENCE_SECONDS)
    took_seconds = time.monotonic() - began
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143, output
    heard = monitor.wait_for(lambda messages: STOP in messages)
    # The clock that is sent follows the speed of playing.
    wanted_seconds = QUARTERS * 60.0 / TEMPO_BPM / SPEED
    assert pytest.approx(wanted_seconds, rel=TEMPO_SHARE) == took_seconds
    start, first_clock = heard.index(START), heard.index(CLOCK, heard.index(START))
    assert start < first_clock < heard.index(struck(heard)[0])
    assert (1, 1) == (heard.count(START), heard.count(STOP))
    assert "Traceback" not in output


def test_a_controller_silences_and_holds_the_stream(jack, perpetuo, master):
    monitor = jack.monitor()
    perpetuo("--input", "virtual")
    monitor.wait_for(lambda messages: len(struck(messages)) >= 10, PATIENCE_SECONDS)
    desk = master()
    desk.send_message(b"\xb0\x78\x00")
    heard = monitor.wait_for(lambda messages: b"\xb0\x78\x00" in messages)
    assert b"\xb0\x78\x00" in heard
    check_halts(monitor, desk)


def check_halts(monitor, desk):
    """A Stop ends the notes, a Continue lets them go on."""
    desk.send_message(STOP)
    before = len(monitor.wait_for(lambda _: True))
    held = monitor.wait_for(lambda m: b"\xb0\x79\x00" in m[before:])
    count = len(struck(held))
    threading.Event().wait(1.0)
    assert count == len(struck(monitor.wait_for(lambda _: True)))
    desk.send_message(b"\xfb")
    again = monitor.wait_for(lambda m: len(struck(m)) >= count + 5, PATIENCE_SECONDS)
    assert len(struck(again)) >= count + 5


def test_a_followed_clock_halts_the_stream_and_lets_it_go_on(jack, perpetuo, master):
    monitor = jack.monitor()
    perpetuo("--input", "virtual", "--clock", "follow")
    monitor.wait_for(lambda messages: len(struck(messages)) >= 10, PATIENCE_SECONDS)
    desk, over = master(), threading.Event()

    def tick():
        while not over.wait(60.0 / (120.0 * 24)):
            desk.send_message(CLOCK)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        check_halts(monitor, desk)
    finally:
        over.set()
        thread.join()
