"""The soft synth of ``--port synth``: the real FluidSynth, heard by way of a file."""

import array
import threading
import wave

import pytest

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.ports import SynthPort
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import MonotonicClock
from streamer.testing import FakeGenerator

pytestmark = pytest.mark.fluidsynth

AUDIBLE = 300
"""Amplitude of 16-bit samples; the loudest of these notes reach some thousands, silence 0."""

WRITE_SECONDS, TRIES = 0.1, 300


def loudest(path):
    """Return the greatest amplitude of what FluidSynth has written so far: raw 16-bit samples."""
    data = path.read_bytes() if path.exists() else b""
    samples = array.array("h", data[44 : 44 + (max(len(data) - 44, 0) // 2) * 2])
    return max(map(abs, samples), default=0)


def test_the_synth_port_is_heard_and_ends_when_it_is_closed(tmp_path):
    wav = tmp_path / "synth.wav"
    port = SynthPort(options=("-a", "file", "-o", f"audio.file.name={wav}"))
    buffer, generator = RollingBuffer(30, 60), FakeGenerator(1, notes_per_second=40.0)
    buffer.put(generator.next_phrase())
    buffer.close()
    settings = SchedulerSettings(realtime_priority=0, late_note_on_ms=5000)
    scheduler = Scheduler(buffer, port, MonotonicClock(), settings)
    scheduler.run()
    pause = threading.Event()
    heard = any(loudest(wav) > AUDIBLE or pause.wait(WRITE_SECONDS) for _ in range(TRIES))
    port.close()
    assert heard
    assert scheduler.notes_sent == 16
    with wave.open(str(wav)) as file:
        assert file.getframerate() == 44100
