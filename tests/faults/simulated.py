"""Faults on the manual clock, where an hour costs nothing: thousands of tries.

Each function takes a folder, which is not used, and a number of tries, of which it makes a hundred
times as many.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from streamer.errors import PortError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.ports.base import PortLost
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock
from tests.faults.stage import Row

TIMES = 100
START, SECONDS, HOUR = 1000.0, 20.0, 3600.0
BUNCH_SECONDS = 0.3
"""Music of :data:`START` to its end holds no more notes within such a time than it was given."""


class Play:
    """Twenty seconds of music on the manual clock, filled as it goes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock, self.buffer = ManualClock(START), RollingBuffer(4, 10)
        self.port, self.generator = FakePort(self.clock), FakeGenerator(seed)
        settings = SchedulerSettings(realtime_priority=0)
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, settings)
        self.generator.top_up(self.buffer)
        self.clock.every(0.5, lambda: self.generator.top_up(self.buffer))

    def run(self, hours: float = 0.0) -> str:
        """Play to the end; return what is wrong with what was heard, or nothing."""
        self.clock.at(START + SECONDS + hours * HOUR, self.scheduler.stop)
        self.scheduler.run()
        return self.verdict()

    def verdict(self) -> str:
        """Return what is wrong with what was heard, or nothing."""
        if not self.port.receiver.is_silent:
            return f"left sounding: {self.port.receiver.struck}"
        ons = [at for at, message in self.port.log if message[0] == 0x90]
        most = max((sum(a <= b < a + BUNCH_SECONDS for b in ons) for a in ons), default=0)
        if most > 16 * BUNCH_SECONDS * 10:
            return f"{most} notes within {BUNCH_SECONDS} s"
        return "" if self.scheduler.notes_sent else "nothing was played"


def hour_gap(folder: Path, tries: int) -> Row:
    """The clock is an hour ahead from one moment to the next."""
    row, dropped = Row("the monotonic clock leaps an hour (manual clock)"), 0
    for seed in range(tries * TIMES):
        play = Play(seed)
        at = START + play.chance.uniform(0.0, SECONDS)
        play.clock.at(at, lambda play=play: play.clock.jump(HOUR))
        row.count(play.run(1.0))
        dropped += play.scheduler.late_dropped
    row.lost = f"the hour; {dropped} notes too late in all tries"
    return row


def machine_sleeps(folder: Path, tries: int) -> Row:
    """The machine sleeps for hours, and its clock with it."""
    row = Row("the machine sleeps for two hours (manual clock)")
    for seed in range(tries * TIMES):
        play = Play(seed)
        at = START + play.chance.uniform(0.0, SECONDS)
        play.clock.at(at, lambda play=play: play.clock.suspend(2 * HOUR))
        row.count(play.run())
    row.lost = "what sounded is released at the awakening; no note after it"
    return row


def port_flaps(folder: Path, tries: int) -> Row:
    """The port goes and comes back again and again, noticed or not."""
    row = Row("the port goes and comes ten times, noticed or not (fake port)")
    for seed in range(tries * TIMES):
        play = Play(seed)
        for _ in range(10):
            at = START + play.chance.uniform(0.0, SECONDS - 1.0)
            play.clock.at(at, play.chance.choice((play.port.vanish, play.port.vanish_unnoticed)))
            play.clock.at(at + play.chance.uniform(0.0, 1.0), play.port.come_back)
        row.count(play.run())
    row.lost = "the time without it"
    return row


def any_send_fails(folder: Path, tries: int) -> Row:
    """Any one send raises, before or after it was delivered."""
    row = Row("any one send raises, lost or for good (fake port)")
    for seed in range(tries * TIMES):
        play = Play(seed)
        play.port.fail_at = play.chance.randrange(400)
        play.port.fail_after_delivery = play.chance.random() < 0.5
        play.port.error = play.chance.choice((PortLost("gone"), PortError("over"), OSError("?")))
        try:
            wrong = play.run()
        except (PortError, OSError):
            wrong = "" if play.port.receiver.is_silent else "left sounding"
        row.count(wrong)
    row.lost = "one message, or the run, which ends silent"
    return row


FAULTS: dict[str, Callable[[Path, int], Row]] = {
    function.__name__: function
    for function in (hour_gap, machine_sleeps, port_flaps, any_send_fails)
}
