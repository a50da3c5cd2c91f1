"""A real port: JACK's dummy driver, a real receiver, a real synth."""

import array
import contextlib
import os
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

import streamer
from streamer import cli
from streamer.families.chain.codec import published_codec
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.ports import list_ports, open_port
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import MonotonicClock
from streamer.testing import FakeGenerator
from tests import bundles
from tests.jackserver import silenced

pytestmark = pytest.mark.jack

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
NOTES, CLOSINGS = 300, 20
FAST_MS = 120
"""Longer shifts than this are rare in the bundle of these tests, ms."""

RETURN_SECONDS = 10.0
AUDIBLE = 300
"""Amplitude of 16-bit samples; the loudest of these notes reach some thousands, silence 0."""


def check_pairs(messages):
    """Every note-on has its note-off before the next of its key, and at the end nothing sounds."""
    down, ons = set(), 0
    for message in messages:
        key = (message[0] & 0x0F, message[1])
        if message[0] & 0xF0 == 0x90:
            assert key not in down, f"{key} was struck while it sounded"
            down.add(key)
            ons += 1
        elif message[0] & 0xF0 == 0x80:
            down.discard(key)
    assert not down, f"left sounding: {down}"
    return ons


@contextlib.contextmanager
def playing(port, phrases=None):
    """Play to a port in a thread of its own, fast, until the block ends."""
    buffer, generator = RollingBuffer(1, 3), FakeGenerator(5, notes_per_second=60.0)
    settings = SchedulerSettings(lead_seconds=0.05, realtime_priority=0, late_note_on_ms=5000)
    scheduler = Scheduler(buffer, port, MonotonicClock(), settings)
    if phrases is not None:
        for phrase in phrases:
            buffer.put(phrase)
        buffer.close()

    def fill():
        while buffer.wait_for_space():
            with contextlib.suppress(RuntimeError):
                buffer.put(generator.next_phrase())

    threads = [threading.Thread(target=scheduler.run), threading.Thread(target=fill)]
    for thread in threads:
        thread.start()
    try:
        yield scheduler
    finally:
        if phrases is None:
            scheduler.stop()
        threads[0].join(60)
        buffer.close()
        threads[1].join(60)


def struck(messages):
    return [message for message in messages if message[0] & 0xF0 == 0x90]


def played_out(messages):
    """The silence at the end has come: CC121 after notes."""
    return bool(struck(messages)) and silenced(messages)


def test_hundreds_of_notes_arrive_in_order_and_none_is_lost(jack):
    monitor = jack.monitor()
    generator = FakeGenerator(9, notes_per_second=80.0)
    phrases = [generator.next_phrase() for _ in range(20)]
    port = open_port("mon")
    with playing(port, phrases) as scheduler:
        pass
    heard = monitor.wait_for(played_out)
    port.close()
    assert scheduler.notes_sent == 320
    assert scheduler.late_dropped == 0
    written = [(note.pitch, note.velocity) for phrase in phrases for note in phrase.notes]
    assert [(message[1], message[2]) for message in struck(heard)] == written
    assert check_pairs(heard) == 320


def test_a_virtual_port_named_perpetuo_can_be_connected_to(jack):
    monitor = jack.monitor()
    port = open_port("jack")
    try:
        jack.connect("Perpetuo:out", "mon:input")
        with playing(port):
            monitor.wait_for(lambda messages: len(struck(messages)) >= 50)
        heard = monitor.wait_for(played_out)
    finally:
        port.close()
    assert check_pairs(heard) >= 50


def test_what_is_sent_first_and_last_is_heard(jack):
    """Before that was waited for, one silence in ten was lost, and one greeting in sixty."""
    monitor, sent = jack.monitor(), []
    for _ in range(CLOSINGS):
        port = open_port("mon")
        for pitch in range(40, 52):
            sent.append(bytes((0x80, pitch, 0)))
            port.send(sent[-1])
        port.close()
    assert sent == monitor.wait_for(lambda messages: len(messages) >= len(sent))


def test_ports_lists_what_the_server_has(jack):
    jack.monitor()
    found = {(port.name, port.direction, port.system) for port in list_ports()}
    assert ("mon:input", "output", "jack") in found
    assert ("virtual", "output", "builtin") in found


def test_ports_and_check_show_a_server_that_has_no_port_of_its_own(jack, capsys):
    assert cli.main(["ports"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["jack", "output", "builtin", "builtin", "(server", f"{jack.name})"] in lines
    cli.main(["check"])
    assert f"server {jack.name}, outputs: 0, inputs: 0" in capsys.readouterr().out


def test_an_unknown_name_offers_the_nearest(jack):
    jack.monitor()
    from streamer.errors import PortError

    with pytest.raises(PortError, match=r"there is no port 'mon:inptu'; did you mean 'mon:input'"):
        open_port("mon:inptu")


def test_a_killed_server_holds_the_stream_and_its_restart_goes_on(jack):
    monitor = jack.monitor()
    port = open_port("mon")
    with playing(port) as scheduler:
        monitor.wait_for(lambda messages: len(struck(messages)) >= 30)
        jack.kill()
        wait_until(lambda: port.epoch == 0)
        monitor.close()
        jack.start()
        again = jack.monitor()
        wait_until(lambda: port.epoch > 1)
        before = scheduler.notes_sent
        again.wait_for(lambda messages: len(struck(messages)) >= 30)
        assert scheduler.notes_sent > before
    heard = again.wait_for(played_out)
    port.close()
    assert scheduler.port_losses == 1
    assert check_pairs(heard) >= 30


def wait_until(holds, seconds=RETURN_SECONDS):
    """Wait for something that another process has to do."""
    pause, tries = threading.Event(), int(seconds / 0.05)
    assert any(holds() or pause.wait(0.05) for _ in range(tries))


@pytest.fixture
def perpetuo(tmp_path, jack, monkeypatch):
    """Run ``perpetuo`` as a person would, with a small bundle that plays fast."""
    slow_arrays = bundles.tiny_arrays

    def fast_arrays(seed):
        arrays = slow_arrays(seed)
        rests = published_codec().shift.centres > FAST_MS
        arrays["head_b_1"] -= np.where(rests, 8, 0).astype(np.float32)
        return arrays

    monkeypatch.setattr(bundles, "tiny_arrays", fast_arrays)
    bundle = bundles.write_tiny_bundle(tmp_path).path
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", *words, "--model", str(bundle)],
            env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_perpetuo_play_sends_hundreds_of_notes_and_sigterm_leaves_silence(jack, perpetuo, tmp_path):
    monitor, recording = jack.monitor(), tmp_path / "take.mid"
    command = ("play", "--port", "mon", "--seed", "3", "--plain", "--record", str(recording))
    process = perpetuo(*command)
    heard = monitor.wait_for(lambda messages: len(struck(messages)) >= NOTES, seconds=90)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output
    assert "Traceback" not in output
    heard = monitor.wait_for(played_out)
    assert check_pairs(heard) >= NOTES
    from streamer.midi.midifile import read_midi

    # A key struck again at the very tick of a strike has no length, and is read as one note.
    recorded = [(int(n["pitch"]), int(n["velocity"])) for n in read_midi(recording)]
    assert len(recorded) == pytest.approx(len(struck(heard)), rel=0.02)


def test_perpetuo_play_to_an_unknown_port_is_one_line_and_status_1(jack, perpetuo):
    jack.monitor()
    process = perpetuo("play", "--port", "mon:inptu", "--plain")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = output.strip().splitlines()
    assert len(lines) == 1
    assert "did you mean 'mon:input'?" in lines[0]


@pytest.mark.fluidsynth
def test_fluidsynth_makes_a_sound_of_the_live_stream(jack, tmp_path):
    wav = tmp_path / "live.wav"
    synth = subprocess.Popen(
        [
            *("fluidsynth", "-q", "-m", "jack", "-a", "file"),
            *("-o", f"audio.file.name={wav}", "-o", "midi.jack.id=fluidsynth"),
            *("-o", "synth.gain=1.0", str(SOUNDFONT)),
        ],
        env=jack.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        jack.wait_for_port("fluidsynth:midi_00")
        port = open_port("fluidsynth")
        with playing(port) as scheduler:
            wait_until(lambda: scheduler.notes_sent >= 120)
        port.close()
    finally:
        synth.communicate(b"quit\n", timeout=30)
    assert loudest(wav) > AUDIBLE


def loudest(path):
    """Return the greatest amplitude of a 16-bit WAV."""
    with wave.open(os.fspath(path)) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    return max(map(abs, samples), default=0)
