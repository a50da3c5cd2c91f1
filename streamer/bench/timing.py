"""How late messages leave while the engine works beside the scheduler.

In: a bundle and the scheduler's settings. Out: the report's ``scheduler``. The scheduler is the
real one, in its own thread on the real clock, with a port that swallows everything; it plays even
notes, twenty messages a second. In the thread beside it the engine draws blocks of sixteen
candidates without a pause, which is far more than a stream needs. The figures are lateness at the
send, from the scheduler's own histogram. Beside the notes it sends MIDI clock, whose jitter is how
far the time from one clock to the next was off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from streamer.bench.sections import open_sections
from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine
from streamer.engine.noise import gumbel_noise
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note, Phrase
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import MonotonicClock
from streamer.system.realtime import settle, step_back

NOTES_A_SECOND = 10
"""Each is two messages."""

CLOCK_BPM = 120.0
"""48 clocks a second beside them."""

CANDIDATES, BLOCK_NOTES = 16, 32


def measure_timing(bundle: Bundle, settings: SchedulerSettings, seconds: float) -> dict[str, Any]:
    """Play for ``seconds``; return ``lateness_ms``, ``policy``, ``clock`` and counts.

    Args:
        bundle: Whose engine works meanwhile.
        settings: Priority and lead.
        seconds: How long, above 0.
    """
    work = _work_of(bundle)
    settle()
    buffer = RollingBuffer(seconds, seconds * 2)
    buffer.put(_even_notes(seconds))
    buffer.close()
    scheduler = Scheduler(buffer, _Swallow(), MonotonicClock(), settings, send_bpm=CLOCK_BPM)
    over = threading.Event()
    busy = threading.Thread(target=_keep_busy, args=(work, over), name="bench-engine")
    playing = threading.Thread(target=scheduler.run, name="bench-scheduler")
    busy.start()
    playing.start()
    try:
        playing.join()
    finally:
        scheduler.stop()
        over.set()
        playing.join()
        busy.join()
    return {
        "lateness_ms": scheduler.lateness.to_dict(),
        "policy": scheduler.policy,
        "messages": scheduler.lateness.count,
        "seconds": seconds,
        "dropped_late": scheduler.late_dropped,
        "clock": {
            "tempo_bpm": CLOCK_BPM,
            "clocks": scheduler.clock_out.lateness.count,
            "jitter_ms": scheduler.clock_out.jitter.to_dict(),
            "lateness_ms": scheduler.clock_out.lateness.to_dict(),
        },
    }


def _even_notes(seconds: float) -> Phrase:
    """Notes that do not overlap, so that on and off alternate every 50 ms."""
    step_ms = 1000.0 / NOTES_A_SECOND
    count = max(1, int(seconds * NOTES_A_SECOND))
    notes = tuple(Note(60 + i % 12, i * step_ms, step_ms / 2, 64) for i in range(count))
    return Phrase(notes, np.zeros((count, 5), np.float32), 0.0, notes[-1].onset_ms)


def _work_of(bundle: Bundle) -> Callable[[], object]:
    """Return what the generator's thread does, once: a section, or noise and a block of notes."""
    if bundle.manifest.kind == "window":
        return open_sections(bundle, "cpu", CANDIDATES).next_phrase
    engine = Engine(bundle)
    codec = bundle.codec
    rng = np.random.Generator(np.random.SFC64(0))
    state = engine.initial_state(CANDIDATES)
    shape = (BLOCK_NOTES, CANDIDATES, codec.offsets[-1])

    def draw() -> None:
        nonlocal state
        state = engine.next_block(state, gumbel_noise(rng, shape, 1.0, codec)).state

    return draw


def _keep_busy(work: Callable[[], object], over: threading.Event) -> None:
    """Work until told to stop, as the generator's thread does."""
    step_back()
    while not over.is_set():
        work()


class _Swallow:
    """A port that is always there and does nothing."""

    name = "nowhere"
    epoch = 1

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
