"""What a playing process costs: memory, processor, and how soon it sounds.

In: settings and a bundle. Out: the report's ``process``. A child process does what ``perpetuo play
--port null`` does, with the daemon's own stages, but its port notes when the first note-on comes.
It measures itself, and writes what it found as its last line.

- ``help_s``: how long ``perpetuo play --help`` takes, a child of its own: what a person's start
  waits for before the settings are read.
- ``start_to_first_note_s``: from the moment the child was started, interpreter and all.
- ``cpu_percent``: of one core, while the stream runs steadily; the first seconds, in which the
  buffer fills, are left out. ``notes_per_second`` says how busy the music was meanwhile.
- ``rss_mb``: at the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from streamer.errors import StreamerError
from streamer.midi.messages import starts_note
from streamer.settings.settings import Settings

STEADY_SECONDS = 3.0
"""After the first note; the buffer is full by then."""

CANDIDATES = 16
HELPS = 3
"""How often the help is asked for."""

ROOT = Path(__file__).parents[2]
_MARK = "perpetuo-bench "


def measure_process(settings: Settings, path: Path, seconds: float) -> dict[str, Any]:
    """Play the bundle in a child process for :data:`STEADY_SECONDS` and ``seconds`` more.

    Args:
        settings: Where the network runs.
        path: The bundle.
        seconds: How long the steady stream is watched, above 0.

    Raises:
        StreamerError: The child failed.
    """
    total = STEADY_SECONDS + seconds
    command = [sys.executable, "-m", "streamer.bench.process", str(path.resolve()), str(total)]
    began = time.monotonic()
    done = subprocess.run(
        [*command, settings.model.provider],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=total + 60,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise StreamerError(f"the playing process could not be measured: {last}")
    found: dict[str, Any] = json.loads(lines[-1][len(_MARK) :])
    first = found.pop("first_note")
    if first is None:
        raise StreamerError(f"no note came within {total:g} s; is the machine this slow?")
    figures = {
        "help_s": round(_help_seconds(), 3),
        "start_to_first_note_s": round(first - began, 3),
    }
    return {**figures, **found}


def _help_seconds() -> float:
    """Return the least of some times that the command takes to say what it can do."""
    command = [sys.executable, "-m", "streamer", "play", "--help"]
    times = []
    for _ in range(HELPS):
        began = time.monotonic()
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=60)
        times.append(time.monotonic() - began)
    return min(times)


class _TimedNull:
    """The null port, and when notes came to it; the scheduler's thread alone."""

    name = "null"
    epoch = 1

    def __init__(self) -> None:
        self.first_note: float | None = None
        self.steady: tuple[float, float] | None = None
        self.notes = 0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Count note-ons; the clock is read at the first, and until the stream is steady."""
        if not starts_note(message):
            return
        if self.first_note is None:
            self.first_note = time.monotonic()
        if self.steady is not None:
            self.notes += 1
        elif time.monotonic() - self.first_note >= STEADY_SECONDS:
            self.steady = (time.monotonic(), time.process_time())

    def close(self) -> None:
        """Do nothing."""

    def figures(self) -> dict[str, Any]:
        """Return what was measured, at the end."""
        wall, cpu = self.steady or (time.monotonic(), time.process_time())
        elapsed = max(time.monotonic() - wall, 1e-9)
        return {
            "first_note": self.first_note,
            "cpu_percent": round(100 * (time.process_time() - cpu) / elapsed, 2),
            "notes_per_second": round(self.notes / elapsed, 2),
            "candidates": CANDIDATES,
            "rss_mb": round(resident_bytes() / 1e6, 1),
        }


def resident_bytes() -> int:
    """Return the resident memory of this process; its peak where the system tells no more."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _main(arguments: list[str]) -> None:
    """Play for some seconds, as the verb does, with a port that keeps the time."""
    from streamer.pipeline import open_source
    from streamer.service.stream import StreamThreads
    from streamer.settings.reading import load_settings
    from streamer.system.allocator import keep_flat
    from streamer.system.clock import MonotonicClock, Wake
    from streamer.system.realtime import settle

    path, seconds, provider = arguments
    keep_flat()
    wanted = {"model.model": path, "model.seed": 1, "model.candidates": CANDIDATES}
    # The machine's own settings might record, or talk to the network.
    settings = load_settings(Path(os.devnull), {**wanted, "model.provider": provider})
    port, clock = _TimedNull(), MonotonicClock()
    source = open_source(settings=settings)
    stream = StreamThreads(source, port, settings, clock)
    settle()
    stream.start()
    try:
        clock.wait_until(clock.now() + float(seconds), Wake())
        figures = port.figures()
    finally:
        stream.stop()
    sys.stdout.write(f"{_MARK}{json.dumps(figures)}\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
