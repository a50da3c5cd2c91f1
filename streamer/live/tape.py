"""Where in a recording each message lies: places in the music -> ms as heard.

In: places in ms of the music as it is written, and how fast a person lets it run. Out: ms for ports
that write down what they get, which rest while the music rests. Thread: the scheduler's.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MOST_REACHES = 64
"""Changes of speed that are remembered; messages lie around the last of them."""


class _Reach(NamedTuple):
    """From here on the music runs at one speed.

    Attributes:
        start_ms: Place in the music.
        heard_ms: The same place as heard.
        speed: How many times as fast as written it runs.
    """

    start_ms: float
    heard_ms: float
    speed: float


class Tape:
    """Places in the music as they are heard; one thread. At speed 1 both are the same."""

    def __init__(self) -> None:
        self._reaches = deque([_Reach(0.0, 0.0, 1.0)], maxlen=MOST_REACHES)

    def run_at(self, speed: float, place_ms: float) -> None:
        """Let the music run at a speed, above 0, from a place on; the same speed changes nothing.

        Args:
            speed: How many times as fast as written.
            place_ms: Not before that of the last change.
        """
        last = self._reaches[-1]
        if speed == last.speed:
            return
        start_ms = max(place_ms, last.start_ms)
        heard_ms = self.heard_ms(start_ms)
        if start_ms == last.start_ms:
            self._reaches.pop()
        self._reaches.append(_Reach(start_ms, heard_ms, speed))

    def heard_ms(self, place_ms: float) -> float:
        """Return where a place in the music lies as heard, ms."""
        reach = next(
            (r for r in reversed(self._reaches) if r.start_ms <= place_ms), self._reaches[0]
        )
        return reach.heard_ms + (place_ms - reach.start_ms) / reach.speed
