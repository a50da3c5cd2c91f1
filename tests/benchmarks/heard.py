"""How soon a change is heard that needs drawing: ``python -m tests.benchmarks.heard [BUNDLE ...]``.

A real stream plays in real time to a port that only counts; now and then two controls change.
Printed are quantiles over the changes: until the first phrase under it was drawn and put in place,
until the place from which on everything obeys, and until the first note that is drawn under it. The
machine's load is printed beside them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from streamer.live.tap import Held, Tap
from streamer.music.notes import Phrase
from streamer.pipeline import open_source
from streamer.service.stream import StreamThreads
from streamer.settings.controls import LiveControls
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.system.clock import MonotonicClock
from tests.steering import StrictPort

BUNDLES = ("piano", "piano-competition", "tunes", "beethoven", "answer", "band")
CHANGES = 60
LEAST_SECONDS, MORE_SECONDS = 2.0, 2.0


@dataclass
class Watched(Held[Phrase]):
    """The phrases of a stream, and what of them takes the place of others.

    Attributes:
        place_ms: The present in ms of the stream.
        changed: When a control changed, seconds, and where in the stream; None once it was obeyed.
    """

    place_ms: Callable[[], float]
    changed: tuple[float, float] | None = None
    drawn: list[float] = field(default_factory=list)
    obeyed: list[float] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    _end_ms: float = 0.0

    def add(self, item: Phrase) -> None:
        """Take note of a phrase."""
        again, self._end_ms = item.start_ms < self._end_ms, item.end_ms
        if self.changed is None or not again:
            return
        (at, from_ms), self.changed = self.changed, None
        first_ms = item.notes[0].onset_ms if item.notes else item.end_ms
        self.drawn.append(time.monotonic() - at)
        self.obeyed.append((item.start_ms - from_ms) / 1000.0)
        self.heard.append((first_ms - from_ms) / 1000.0)


def measure(name: str, changes: int = CHANGES) -> Watched:
    """Return seconds for each change."""
    rng, live, port = np.random.default_rng(1), LiveControls(), StrictPort()
    scheduler = SchedulerSettings(realtime_priority=0)
    settings = Settings(model=ModelSettings(model=name, seed=1), scheduler=scheduler)
    source, tap = open_source(settings=settings, controls=live), Tap()
    stream = StreamThreads(source, port, settings, MonotonicClock(), tap=tap)
    watched = tap.phrases = Watched(lambda: stream.scheduler.now_ms)
    stream.start()
    time.sleep(8.0)
    for _ in range(changes):
        watched.changed = time.monotonic(), watched.place_ms()
        live.update(temperature=float(rng.uniform(0.7, 1.3)), density=float(rng.uniform(0.7, 1.4)))
        time.sleep(LEAST_SECONDS + MORE_SECONDS * float(rng.random()))
    underruns = stream.figures().underruns
    stream.stop()
    if port.down or port.astray or port.twice or underruns:
        sys.stdout.write(
            f"{name}: {len(port.down)} left down, {port.astray} note-offs astray, {port.twice} "
            f"struck while down, {underruns} underruns\n"
        )
    return watched


def main(names: list[str]) -> int:
    """Print a line for each bundle and figure."""
    for name in names or BUNDLES:
        watched = measure(name)
        for what in ("drawn", "obeyed", "heard"):
            seconds = getattr(watched, what)
            p50, p95, most = np.quantile(seconds, (0.5, 0.95, 1.0)) * 1000.0
            sys.stdout.write(
                f"{name:<17} {what:<7} p50 {p50:.0f}, p95 {p95:.0f}, max {most:.0f} ms "
                f"({len(seconds)} of {CHANGES} changes, load {os.getloadavg()[0]:.1f})\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
