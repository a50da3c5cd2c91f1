"""A stream on a manual clock whose controls change all the time, and what a synth hears of it.

``python -m tests.steering 1000000 300`` makes a million changes, 300 a second (20 where none is
said), and prints what came of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.generators.performer import Performer
from streamer.generators.returning import Returning
from streamer.generators.stats import GenerationStats
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import ends_note, is_pedal, key_of, starts_note
from streamer.music.notes import Phrase
from streamer.music.scales import SCALE_STEPS
from streamer.pipeline import Source
from streamer.service.writing import Writing
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, ManualClock

SETTINGS = SchedulerSettings(lead_seconds=0.05, realtime_priority=0)

BUNDLE = SimpleNamespace(manifest=SimpleNamespace(name="dense"))
"""What a source without a bundle is called by."""

DRAWS_SECONDS = 0.03
"""How long a phrase is drawn at most, on the manual clock."""


@dataclass
class StrictPort:
    """A synth that counts what does not go together.

    Attributes:
        down: Keys that are down.
        notes: Notes that were struck.
        twice: Notes struck on a key that was down.
        astray: Note-offs of a key that was not, while the music goes on.
    """

    name = "strict"
    epoch = 1
    down: set[tuple[int, int]] = field(default_factory=set)
    pedals: dict[int, int] = field(default_factory=dict)
    notes: int = 0
    twice: int = 0
    astray: int = 0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Take in a message."""
        del at_ms
        if starts_note(message):
            self.notes += 1
            self.twice += key_of(message) in self.down
            self.down.add(key_of(message))
        elif ends_note(message):
            self.astray += key_of(message) not in self.down
            self.down.discard(key_of(message))
        elif is_pedal(message):
            self.pedals[message[0] & 0x0F] = message[2]

    def close(self) -> None:
        """Do nothing."""


class Dense(FakeGenerator):
    """Obeys density, and counts what is asked of it; a phrase takes time to be drawn.

    Args:
        controls: Live.
        seed: Another gives other notes.
        draws: Called while a phrase is drawn.
    """

    beat_ms = bar_beats = None
    candidates = 16

    def __init__(
        self, controls: LiveControls, seed: int = 3, draws: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(seed)
        self.controls, self.draws = controls, draws
        self.stats = GenerationStats()
        self.asked: list[tuple[int | None, float]] = []

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase."""
        self._phrase_notes = notes or 16
        density = self.controls.snapshot().density
        self._step_ms = 100.0 / density
        self.asked.append((notes, density))
        self.draws()
        return super().next_phrase()

    def set_candidates(self, candidates: int) -> None:
        """Take note of how many."""
        self.drawn = candidates


def source_of(generator: Any, controls: LiveControls, *, hears: bool = False) -> Source:
    """Return a source without a bundle, whose last bars can come back.

    Args:
        generator: Draws.
        controls: Live.
        hears: Whether the generator takes in what a person plays.
    """
    returning = Returning(generator, controls, 1, generator if hears else None)
    return Source(
        bundle=cast(Bundle, BUNDLE), generator=generator, performer=Performer(), controls=controls,
        seed=1, candidates=16, listener=returning if hears else None, returning=returning,
    )  # fmt: skip


def random_change(rng: np.random.Generator) -> dict[str, Any]:
    """Return some control and a value for it."""
    low = int(rng.integers(0, 100))
    changes: tuple[dict[str, Any], ...] = (
        {"transpose": int(rng.integers(-24, 25))},
        {"low": low, "high": int(rng.integers(low + 11, 128))},
        {"velocity_scale": float(rng.uniform(0.1, 2.0))},
        {"tempo_scale": float(rng.uniform(0.25, 4.0))},
        {"scale": str(rng.choice([*SCALE_STEPS])), "root": int(rng.integers(0, 12))},
        {"scale_lock": float(rng.choice([0.0, 0.5, 1.0]))},
        {"pause": bool(rng.random() < 0.1)},
        {"density": float(rng.uniform(0.25, 4.0))},
        {"temperature": float(rng.uniform(0.1, 3.0))},
        {"again": float(rng.choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0]))},
        {"again_bars": int(rng.integers(1, 5))},
        {"vary": True},
    )
    return changes[int(rng.integers(len(changes)))]


@dataclass(frozen=True)
class Heard:
    """What came of a stream that was steered."""

    port: StrictPort
    scheduler: Scheduler
    buffer: RollingBuffer
    writing: Writing


def steer(
    changes: int,
    seed: int = 0,
    per_second: float = 20.0,
    synth: SynthSettings | None = None,
    opened: Callable[[LiveControls], Source] | None = None,
    change_of: Callable[[np.random.Generator], dict[str, Any]] = random_change,
) -> Heard:
    """Play while controls change at random; return what was heard when all is over.

    Half of the controls are obeyed as notes leave, or need drawing; a phrase is drawn in no time,
    or in some.

    Args:
        changes: How many.
        seed: Of the changes.
        per_second: How often.
        synth: What is played on.
        opened: Opens what plays; None plays :class:`Dense`.
        change_of: Draws a change.
    """
    clock, port, rng = ManualClock(), StrictPort(), np.random.default_rng(seed)
    buffer = RollingBuffer(1.0, 3.0)
    scheduler = Scheduler(buffer, port, clock, SETTINGS, synth=synth)
    live, left = LiveControls(), [changes]
    if opened is None:
        generator = Dense(live, seed, lambda: clock.jump(DRAWS_SECONDS * float(rng.random())))
        writing = Writing(source_of(generator, live), buffer, clock)
    else:
        writing = Writing(opened(live), buffer, clock)

    def write() -> None:
        if writing.seconds_left() == 0.0 or buffer.has_space:
            writing.write()

    def obey(controls: Controls) -> None:
        scheduler.steer(controls)
        writing.change(controls)
        if controls.pause is not scheduler.paused:
            (scheduler.pause if controls.pause else scheduler.resume)()

    def change() -> None:
        left[0] -= 1
        live.update(**change_of(rng))
        if rng.random() < 0.02:
            scheduler.mute(frozenset({0}) if rng.random() < 0.5 else frozenset())
        if left[0] < 0:
            scheduler.stop()

    live.listen(obey)
    write()
    clock.every(0.01, write)
    clock.every(1.0 / per_second, change)
    scheduler.run()
    return Heard(port, scheduler, buffer, writing)


def main(changes: int, per_second: float = 20.0) -> int:
    """Print what came of so many changes."""
    synth = SynthSettings(polyphony=6, repeat_gap_ms=15.0)
    wrong = 0
    for name, settings in (("plain", SynthSettings()), ("6 keys, gap 15 ms", synth)):
        began = time.perf_counter()
        heard = steer(changes, per_second=per_second, synth=settings)
        port, underruns = heard.port, heard.buffer.underruns
        sys.stdout.write(
            f"{name}: {changes} changes, {per_second:g} a second, {heard.writing.redraws} redraws, "
            f"{port.notes} notes, {len(port.down)} left down, {port.astray} note-offs astray, "
            f"{port.twice} struck while down, {underruns} underruns, "
            f"{time.perf_counter() - began:.0f} s\n"
        )
        wrong += len(port.down) + port.astray + port.twice + underruns
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *map(float, sys.argv[2:])))
