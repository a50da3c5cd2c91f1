"""When MIDI messages came, though they are fetched a little later.

In: the seconds between a message and the one before it, as the MIDI system measured them, and the
moment at which it was fetched. Out: the moment at which it came. One thread at a time.
"""

from __future__ import annotations

DRIFT = 1e-4
"""How much faster than the process's clock the MIDI system's may run, seconds a second."""

STRAY_SECONDS = 0.25
"""A message that seems to have waited for longer was not timed: some before it were lost, say."""


class Arrivals:
    """A line of the MIDI system's time in the process's own.

    The shortest wait of all says where it lies: a message is never fetched before it came. So the
    times are as steady as the MIDI system's, however unsteadily the messages are fetched.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self._zero = float("inf")
        self._fetched = self._came = float("-inf")

    def at(self, since_last: float, now: float) -> float:
        """Return when a message came, in seconds; never later than ``now``, nor before the last.

        Args:
            since_last: Seconds between it and the message before; 0 for the first.
            now: When it was fetched.
        """
        self._sum += since_last
        latest = now - self._sum
        self._zero = min(self._zero + DRIFT * (now - self._fetched), latest)
        if latest - self._zero > STRAY_SECONDS:
            self._zero = latest
        self._fetched = now
        self._came = min(max(self._came, self._zero + self._sum), now)
        return self._came
