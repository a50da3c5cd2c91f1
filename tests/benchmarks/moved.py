"""Whether a knob that moves all the time makes the music denser: ``python -m tests.benchmarks.moved
[BUNDLE ...]``.

A stream plays on a manual clock, once with a change each second that is to be drawn again but asks
for nothing else, and once without any. Printed are notes a second, and a quarter where there are
beats, of several seeds each; tempo differs from seed to seed, so that of tunes the second tells.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.pipeline import open_source
from streamer.service.writing import Writing
from streamer.settings.controls import LiveControls
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import ManualClock
from tests.steering import StrictPort

BUNDLES = ("piano", "tunes", "beethoven", "answer", "band")
SEEDS = range(1, 9)
SECONDS = 300.0
HARDLY = 1e-6
"""A change of temperature that is one, and that nobody hears."""

DRAWS_SECONDS = 0.02
"""What drawing takes on the manual clock."""


@dataclass(frozen=True)
class Played:
    """What was heard: notes, seconds, quarters, redraws, and what a synth could not make out."""

    notes: int
    seconds: float
    beats: float
    redraws: int
    wrong: int


def play(name: str, seed: int, every: float | None, seconds: float = SECONDS) -> Played:
    """Play for some seconds, with a change each so many seconds; None changes nothing."""
    clock, port, live = ManualClock(), StrictPort(), LiveControls()
    settings = Settings(model=ModelSettings(model=name, seed=seed))
    source, buffer = open_source(settings=settings, controls=live), RollingBuffer(3.0, 10.0)
    scheduler = Scheduler(buffer, port, clock, SchedulerSettings(realtime_priority=0))
    writing = Writing(source, buffer, clock, lambda phrase: clock.jump(DRAWS_SECONDS))

    def write() -> None:
        if writing.seconds_left() == 0.0 or buffer.has_space:
            writing.write()

    def change() -> None:
        moved = live.snapshot().temperature != 1.0
        live.update(temperature=1.0 if moved else 1.0 + HARDLY)

    live.listen(writing.change)
    write()
    clock.every(0.02, write)
    if every is not None:
        clock.every(every, change)
    clock.at(clock.now() + seconds, scheduler.stop)
    scheduler.run()
    wrong = port.twice + port.astray + buffer.underruns
    return Played(port.notes, seconds, scheduler.now_beats, writing.redraws, wrong)


def main(names: list[str]) -> int:
    """Print a line for each bundle, with changes and without."""
    for name in names or BUNDLES:
        for every in (1.0, None):
            runs = [play(name, seed, every) for seed in SEEDS]
            notes = sum(run.notes for run in runs)
            sys.stdout.write(
                f"{name:<10} {'a change a second' if every else 'no change':<17} "
                f"{notes / sum(run.seconds for run in runs):.2f} notes/s, "
                f"{notes / sum(run.beats for run in runs):.3f} a quarter, "
                f"{sum(run.redraws for run in runs)} redraws, {sum(run.wrong for run in runs)} "
                f"wrong ({len(runs)} seeds of {SECONDS:.0f} s)\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
