"""A thousand hours on the manual clock: buffer, scheduler and governor, none of them ever new.

    python -m tests.benchmarks.simulated --hours 1000 --out simulated.json
    python -m tests.benchmarks.simulated --hours 6 --model piano --out simulated-piano.json

Time leaps from deadline to deadline. Without ``--model`` phrases come from the fake generator, each
after the time that its candidates would take; with it, from the real engine, and they are
recorded too. Memory, the lengths of all queues and the counters are written down as it goes.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Phrase
from streamer.ports.rotation import RotatingSink
from streamer.service.governor import CandidateGovernor
from streamer.settings.reading import load_settings
from streamer.settings.settings import SchedulerSettings, Settings
from streamer.system.allocator import keep_flat
from streamer.testing import FakeGenerator, ManualClock, Receiver
from tests.benchmarks.soak import slope, write

CANDIDATE_SECONDS = 0.02
"""What a phrase of one candidate costs here, as on a small machine."""

IDLE_SECONDS, FLUSH_SECONDS = 0.25, 1.0
CANDIDATES = 16


class Synth:
    """A port that keeps no log: a thousand hours would not fit."""

    name, epoch = "synth", 1

    def __init__(self, recording: RotatingSink | None) -> None:
        self.receiver, self.messages, self._recording = Receiver(), 0, recording
        self.again = 0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Hear a message, and count keys that are struck while they sound."""
        self.messages += 1
        self.receiver.hear(message)
        if message[0] & 0xF0 == 0x90:
            self.again += self.receiver.struck[message[0] & 0x0F, message[1]] > 1
        if self._recording is not None:
            self._recording.send(message, at_ms)

    def close(self) -> None:
        """Nothing is open."""


class Writer:
    """The generator's thread, as plans of the manual clock."""

    def __init__(
        self,
        clock: ManualClock,
        buffer: RollingBuffer,
        draw: Callable[[int], Phrase],
        cost: float | None,
    ) -> None:
        self._clock, self._buffer, self._draw, self._cost = clock, buffer, draw, cost
        self.governor = CandidateGovernor(CANDIDATES)
        self.notes = 0

    def begin(self) -> None:
        """Draw a phrase where there is room for it, else look again in a moment."""
        clock, buffer = self._clock, self._buffer
        if buffer.closed:
            return
        if buffer.seconds_ahead() >= buffer.high_seconds:
            clock.at(clock.now() + IDLE_SECONDS, self.begin)
            return
        began = time.perf_counter()
        phrase = self._draw(self.governor.candidates)
        took = time.perf_counter() - began
        if self._cost is not None:
            took = self._cost * self.governor.candidates
        clock.at(clock.now() + took, lambda: self._finish(phrase, took))

    def _finish(self, phrase: Phrase, took: float) -> None:
        buffer = self._buffer
        if buffer.closed:
            return
        buffer.put(phrase)
        self.notes += len(phrase.notes)
        self.governor.after(took, phrase.seconds, buffer.seconds_ahead(), buffer.low_seconds)
        self.begin()


def memory_kib() -> dict[str, float]:
    """Return the memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kib = {
        line.split(":")[0]: line.split()[1] for line in status if line.startswith(("VmRSS", "RssA"))
    }
    return {"rss_kib": float(kib["VmRSS"]), "anonymous_kib": float(kib["RssAnon"])}


def source(model: str | None, seed: int) -> tuple[Callable[[int], Phrase], float | None]:
    """Return what draws a phrase of K candidates, and what that costs where it is feigned."""
    if model is None:
        fake = FakeGenerator(seed)
        return lambda _: fake.next_phrase(), CANDIDATE_SECONDS
    from streamer.pipeline import open_source

    settings = load_settings(None, {"model.model": model, "model.seed": seed})
    real = open_source(settings=settings)

    def draw(candidates: int) -> Phrase:
        real.generator.set_candidates(candidates)
        return real.next_phrase()

    return draw, None


def simulate(hours: float, model: str | None, out: Path, samples: int = 200) -> dict[str, Any]:
    """Play ``hours`` and return the report."""
    clock, defaults = ManualClock(1e6), Settings()
    buffer = RollingBuffer(defaults.buffer.low_seconds, defaults.buffer.high_seconds)
    report: dict[str, Any] = {"asked_hours": hours, "model": model or "fake engine"}
    taken: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="perpetuo-simulated-", dir="/dev/shm") as folder:
        numbers = itertools.count()
        recording = None
        if model is not None:
            recording = RotatingSink(
                Path(folder), 3600.0, 10**9, lambda: f"{next(numbers):08d}-000000"
            )
            clock.every(FLUSH_SECONDS, recording.flush)
        synth = Synth(recording)
        scheduler = Scheduler(buffer, synth, clock, SchedulerSettings(realtime_priority=0))
        writer = Writer(clock, buffer, *source(model, 7))
        began, start = time.monotonic(), clock.now()

        def look() -> None:
            gc.collect()
            taken.append(
                {
                    "hours": (clock.now() - start) / 3600.0,
                    **memory_kib(),
                    "objects": float(len(gc.get_objects())),
                    "phrases_waiting": float(len(buffer)),
                    "events_waiting": float(len(scheduler._queue)),
                    "keys_owned": float(len(scheduler._out.owners)),
                    "underruns": float(buffer.underruns),
                    "lateness_ms": scheduler.lateness.max_seconds * 1000.0,
                    "notes": float(scheduler.notes_sent),
                }
            )
            write(out, {**report, **facts(taken), "real_seconds": time.monotonic() - began})

        clock.every(hours * 3600.0 / samples, look)
        clock.at(start + hours * 3600.0 + 1.0, scheduler.stop)
        writer.begin()
        scheduler.run()
        buffer.close()
        if recording is not None:
            recording.close()
            report["recordings"] = len(list(Path(folder).iterdir()))
            report["recorded_notes"] = sum(_struck(path) for path in Path(folder).iterdir())
        report |= facts(taken) | {
            "real_seconds": time.monotonic() - began,
            "messages": synth.messages,
            "notes_written": writer.notes,
            "notes_sent": scheduler.notes_sent,
            "late_dropped": scheduler.late_dropped,
            "stalls": scheduler.stalls,
            "struck_while_down": synth.again,
            "silent_at_the_end": synth.receiver.is_silent,
        }
    write(out, report)
    return report


def facts(taken: list[dict[str, float]]) -> dict[str, Any]:
    """Return what the samples say: slopes of memory per simulated hour, greatest of the rest."""
    settled = taken[len(taken) // 20 :]
    times = [sample["hours"] * 3600.0 for sample in settled]
    found: dict[str, Any] = {"hours": taken[-1]["hours"], "samples": len(taken)}
    for name in ("rss_kib", "anonymous_kib", "objects"):
        values = [sample[name] for sample in settled]
        found[name] = {"first": values[0], "last": values[-1], **slope(times, values)}
    for name in ("phrases_waiting", "events_waiting", "keys_owned", "underruns", "lateness_ms"):
        found[name] = max(sample[name] for sample in taken)
    return found


def _struck(path: Path) -> int:
    import mido

    return sum(m.type == "note_on" and m.velocity > 0 for m in mido.MidiFile(path).tracks[0])


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument("--model", help="bundle, by name or path (default: the fake engine)")
    parser.add_argument("--out", type=Path, default=Path("simulated.json"))
    args = parser.parse_args()
    keep_flat()
    simulate(args.hours, args.model, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
