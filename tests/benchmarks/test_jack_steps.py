"""From a knob to the first message that obeys it, through JACK: 1,000 steps of CC."""

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.control.bindings import Bindings, value_of
from streamer.control.controller import controller
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note
from streamer.ports import make_owner, open_port
from streamer.settings.controls import LiveControls
from streamer.settings.midi import InputSettings
from streamer.settings.settings import SchedulerSettings, Settings
from streamer.system.clock import MonotonicClock
from streamer.testing import make_phrase
from tests.jackserver import JackServer

pytestmark = [pytest.mark.benchmark, pytest.mark.jack]

STEPS = int(os.environ.get("PERPETUO_STEPS", "1000"))
NOTE_MS, KNOB, PATIENCE_SECONDS = 8.0, 20, 2.0
PERIOD_MS = 256 / 48.0


def fill(buffer: RollingBuffer) -> None:
    """Keep the buffer full of one key, struck again and again."""
    at_ms = 0.0
    while buffer.wait_for_space():
        notes = [Note(60, at_ms + i * NOTE_MS, NOTE_MS / 2, 64) for i in range(64)]
        phrase = replace(make_phrase(notes, at_ms), end_ms=at_ms + 64 * NOTE_MS)
        at_ms = phrase.end_ms
        try:
            buffer.put(phrase)
        except RuntimeError:
            return


def test_a_step_of_a_knob_is_in_the_next_note(tmp_path: Path, monkeypatch) -> None:
    """Prints the quantiles; the wall clock of a busy machine is no matter of pass or fail."""
    rtmidi = pytest.importorskip("rtmidi")
    server = JackServer(tmp_path)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    server.start()
    try:
        took = np.array(steps(server, rtmidi, np.random.default_rng(1))) * 1000.0
    finally:
        server.stop()
    quantiles = ", ".join(f"p{q} {np.percentile(took, q):.1f} ms" for q in (50, 95, 99, 100))
    notes = f"a note each {NOTE_MS:g} ms, period {PERIOD_MS:.1f} ms"
    sys.stdout.write(f"\n{len(took)} steps: {quantiles}; {notes}\n")
    assert len(took) == STEPS


def steps(server: JackServer, rtmidi, rng: np.random.Generator) -> list[float]:
    """Return the seconds from each step to a note that obeys it."""
    monitor = server.monitor()
    live, clock, buffer = LiveControls(), MonotonicClock(), RollingBuffer(1.0, 3.0)
    settings = Settings(input=InputSettings(port="virtual"))
    owner, port = make_owner(settings.port), open_port("mon")
    play = SchedulerSettings(lead_seconds=0.05, realtime_priority=0, late_note_on_ms=2000)
    scheduler = Scheduler(buffer, port, clock, play)
    live.listen(scheduler.steer)
    threads = [
        threading.Thread(target=scheduler.run),
        threading.Thread(target=fill, args=(buffer,)),
    ]
    knob = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Knob")
    found = []
    try:
        with controller(settings, live, scheduler, clock, owner) as control:
            bindings: Bindings = control.bindings
            bindings.learn("transpose")
            for position in (1.0, 64.0):
                bindings.moved(KNOB, position)
            knob.open_virtual_port("out")
            server.connect("Knob:out", "Perpetuo in:in")
            for thread in threads:
                thread.start()
            monitor.wait_for(lambda messages: len(messages) > 50)
            position = 64
            for _ in range(STEPS):
                position = (position + int(rng.integers(10, 118))) % 128
                found.append(step(monitor, knob, position))
                threading.Event().wait(float(rng.uniform(0.0, 0.02)))
    finally:
        scheduler.stop()
        buffer.close()
        for thread in threads:
            thread.join(10)
        knob.delete()
        port.close()
        owner.close()
    return found


def step(monitor, knob, position: int) -> float:
    """Turn the knob; return the seconds until a note of its key is heard."""
    key = 60 + value_of("transpose", position)
    before = len(monitor.wait_for(lambda messages: True))
    sent = time.monotonic()
    knob.send_message(bytes((0xB0, KNOB, position)))

    def obeys(message: bytes) -> bool:
        return message[0] == 0x90 and message[1] == key

    heard = monitor.wait_for(lambda m: any(map(obeys, m[before:])), PATIENCE_SECONDS)
    at = next(i for i in range(before, len(heard)) if obeys(heard[i]))
    return monitor.times[at] - sent
