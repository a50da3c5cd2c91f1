"""Where the music is in beats, for threads other than the scheduler's.

In: what the scheduler says at each of its turns. Out: a :class:`Pulse`, from which any thread tells
the beat at a time and the time of a beat. For whoever has to play along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """One moment of the music; it holds until the next one is given.

    Attributes:
        at: Seconds of the clock.
        beat: Place in the music at ``at``, in quarters.
        per_second: Quarters a second; 0 while the music is held.
        line: Place at which the last phrase that was taken ends, in quarters.
        phrases: How many phrases were taken.
    """

    at: float
    beat: float
    per_second: float
    line: float
    phrases: int

    @property
    def running(self) -> bool:
        """Whether time passes in the music."""
        return self.per_second > 0

    def beat_at(self, now: float) -> float:
        """Return the place in the music at ``now`` in seconds, in quarters."""
        return self.beat + (now - self.at) * self.per_second

    def time_of(self, beat: float) -> float:
        """Return when a place in quarters is reached, in seconds; infinity while held."""
        return self.at + (beat - self.beat) / self.per_second if self.running else math.inf
