"""A stream on a manual clock in which one bundle follows another, and what a synth hears of it.

``python -m tests.switching`` lets the bundles that ship follow one another, four times, and prints
the silence between them; then lets tiny bundles of every family follow one another a hundred times,
and prints the memory that is held.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import is_program, starts_note
from streamer.music.notes import Phrase
from streamer.pipeline import Source, open_source
from streamer.service.desk import memory_mb
from streamer.service.succession import Succession
from streamer.service.writing import Writing
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import ManualClock
from tests.everybundle import FAMILIES, MAKERS
from tests.steering import StrictPort

SCHEDULER = SchedulerSettings(lead_seconds=0.05, realtime_priority=0)


def tiny_bundles(folder: Path, family: str, count: int = 2) -> list[Bundle]:
    """Return some tiny bundles of a family, with other weights each."""
    return [MAKERS[FAMILIES[family]](folder, f"{family}-{n}", n) for n in range(count)]


@dataclass
class Watched(StrictPort):
    """A strict synth that also notes when each message came.

    Attributes:
        clock: Time.
        log: Seconds and message.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    log: list[tuple[float, bytes]] = field(default_factory=list)

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Take in a message."""
        self.log.append((self.clock.now(), message))
        super().send(message, at_ms)

    def times(self, kind: Callable[[bytes], bool]) -> list[float]:
        """Return when messages of a kind came."""
        return [at for at, message in self.log if kind(message)]


class Switched:
    """A stream whose source can be followed by another, on a manual clock.

    Args:
        bundle: The first.
        clock: ``send_bpm`` of the scheduler; None sends none.
        seed: Of every source.
        live: The live controls.
    """

    def __init__(
        self,
        bundle: Bundle,
        send_bpm: float | None = None,
        seed: int = 1,
        live: LiveControls | None = None,
    ) -> None:
        self.clock, self.live, self.seed = ManualClock(), live or LiveControls(), seed
        self.port = Watched(clock=self.clock)
        self.buffer = RollingBuffer(1.0, 4.0)
        self.written: list[Phrase] = []
        self.opened: list[tuple[float, str]] = []
        self.openings: dict[int | None, float] = {}
        self.succession = Succession(self.open(bundle))
        first = self.succession.heard
        beat_ms = first.generator.beat_ms
        if send_bpm is not None and beat_ms is not None:
            send_bpm = 60_000.0 / beat_ms
        self.scheduler = Scheduler(
            self.buffer, self.port, self.clock, SCHEDULER, send_bpm=send_bpm,
            greeting=first.greeting, opening=self._open,
        )  # fmt: skip
        self.succession.attach(self.scheduler)
        self.writing = Writing(
            first, self.buffer, self.clock, self.written.append, opens=self.succession.expect
        )
        self.live.listen(self._obey)
        self._obey(self.live.snapshot())
        self.beats: list[float] = []

    def open(self, bundle: Bundle, **model: Any) -> Source:
        """Return a source of a bundle that shares the controls."""
        asked = ModelSettings(model=bundle.manifest.name, seed=self.seed, **model)
        return open_source(bundle, Settings(model=asked), self.live)

    def follow(self, bundle: Bundle) -> None:
        """Let a bundle take over."""
        self.writing.take_over(self.open(bundle))

    def play(self, seconds: float) -> None:
        """Play for so long, and end in silence."""
        self._write()
        self.clock.every(0.01, self._write)
        self.clock.every(0.05, lambda: self.beats.append(self.scheduler.now_beats))
        self.clock.at(self.clock.now() + seconds, self.scheduler.stop)
        self.scheduler.run()

    def _write(self) -> None:
        due = self.writing.seconds_left() == 0.0 or self.buffer.has_space
        if due or self.writing.coming is not None:
            self.writing.write()

    def _obey(self, controls: Controls) -> None:
        self.scheduler.steer(controls)
        self.writing.change(controls)
        self.succession.obey(controls)

    def _open(self, number: int) -> list[bytes]:
        told = self.succession.open(number)
        self.openings[number] = self.clock.now()
        self.opened.append((self.clock.now(), self.succession.heard.bundle.manifest.name))
        return told

    def programs(self) -> list[tuple[float, int, int]]:
        """Return when each channel was given which program."""
        return [(at, m[0] & 0x0F, m[1]) for at, m in self.port.log if is_program(m)]

    def onsets(self) -> list[float]:
        """Return when notes were struck, seconds."""
        return self.port.times(starts_note)


CHAIN = ("piano", "tunes", "band", "beethoven", "answer", "piano")


def silences(seeds: int = 4) -> int:
    """Print how long nothing is struck between the bundles that ship; return what went wrong."""
    bundles = {name: load_bundle(name) for name in CHAIN}
    gaps: dict[tuple[str, str], list[tuple[float, float]]] = {}
    wrong = 0
    for seed in range(1, seeds + 1):
        stream, seconds = Switched(bundles[CHAIN[0]], 120.0, seed), 15.0 + 0.7 * seed
        start = stream.clock.now()
        for place, name in enumerate(CHAIN[1:], 1):
            at = start + place * seconds
            stream.clock.at(at, partial(stream.follow, bundles[name]))
        stream.play(len(CHAIN) * seconds)
        onsets, port = np.array(stream.onsets()), stream.port
        for place, (at, name) in enumerate(stream.opened, 1):
            new, old = onsets[onsets >= at - 1e-9].min(), onsets[onsets < at - 1e-9].max()
            wait = at - (start + place * seconds)
            gaps.setdefault((CHAIN[place - 1], name), []).append((wait, new - old))
        back = int((np.diff(stream.beats) < -1e-9).sum())
        wrong += len(port.down) + port.twice + port.astray + stream.buffer.underruns + back
    for (old, new), found in gaps.items():
        waits, rests = zip(*found, strict=True)
        sys.stdout.write(
            f"{old} -> {new}: heard {min(waits):.1f}..{max(waits):.1f} s after the wish, "
            f"{min(rests):.2f}..{max(rests):.2f} s from the last note to the first\n"
        )
    sys.stdout.write(f"{wrong} notes left down, struck twice, astray, underruns, beats back\n")
    return wrong


def memory(times: int = 100) -> None:
    """Print the memory that is held while tiny bundles follow one another."""
    with tempfile.TemporaryDirectory() as folder:
        found = [one for family in FAMILIES for one in tiny_bundles(Path(folder), family)]
        stream, turn = Switched(found[0]), itertools.cycle(found[1:] + found[:1])

        def look() -> None:
            for held in (stream.port.log, stream.written, stream.beats):
                held.clear()  # type: ignore[attr-defined]
            sys.stdout.write(f"{len(stream.opened)} times: {memory_mb()} MB\n")

        stream.clock.every(6.0, lambda: stream.follow(next(turn)))
        stream.clock.every(60.0, look)
        stream.play(6.0 * times + 1.0)


if __name__ == "__main__":
    status = min(silences(), 1)
    memory()
    sys.exit(status)
