"""Time: the one monotonic clock, and the line on which the music lies.

In: nothing but the system's clock. Out: seconds to wait for, milliseconds of music. A
:class:`Clock` is handed to whatever waits, so that every test below the daemon runs on
:class:`streamer.testing.ManualClock`. A :class:`Timeline` is the scheduler's alone.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

Wake = threading.Event
"""What ends a wait early; any thread sets it, the waiter clears it."""


class Clock(Protocol):
    """Seconds that only grow, and a way to wait for them."""

    def now(self) -> float:
        """Return the present, in seconds from an arbitrary start. Any thread."""
        ...

    def suspended(self) -> float:
        """Return the seconds that the machine has slept, which :meth:`now` does not count."""
        ...

    def wait_until(self, deadline: float, wake: Wake, spin_seconds: float = 0.0) -> bool:
        """Wait for the deadline or for ``wake``, whichever is first.

        Args:
            deadline: Absolute, in the seconds of :meth:`now`; infinity waits for ``wake`` alone.
            wake: Ends the wait early. It is not cleared.
            spin_seconds: The last part of the wait, in which the thread asks the clock over and
                over instead of sleeping; ``wake`` is not looked at meanwhile.

        Returns:
            Whether ``wake`` ended the wait.
        """
        ...


class MonotonicClock:
    """The system's CLOCK_MONOTONIC: changes of the date do not touch it, suspend halts it."""

    def now(self) -> float:
        """Return the seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def suspended(self) -> float:
        """Return how far CLOCK_BOOTTIME is ahead; 0.0 where there is none."""
        if not hasattr(time, "CLOCK_BOOTTIME"):
            return 0.0
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()

    def wait_until(self, deadline: float, wake: Wake, spin_seconds: float = 0.0) -> bool:
        """Sleep until ``spin_seconds`` before the deadline, then spin; see :class:`Clock`."""
        now = time.monotonic
        while True:
            remaining = deadline - spin_seconds - now()
            if remaining <= 0:
                break
            if wake.wait(min(remaining, threading.TIMEOUT_MAX)):
                return True
        while now() < deadline:
            pass
        return False


class Timeline:
    """Milliseconds of played music <-> seconds of the clock; used by one thread.

    It runs at ``rate`` from an anchor, and can be held. While it is held no time passes in the
    music, so that whatever comes after lies at the present and not in the past.
    """

    def __init__(self) -> None:
        self._anchor_ms = 0.0
        self._anchor_s: float | None = None
        self._rate = 1.0

    @property
    def running(self) -> bool:
        """Whether time passes."""
        return self._anchor_s is not None

    @property
    def rate(self) -> float:
        """How many times as fast the music runs."""
        return self._rate

    def start(self, at_ms: float, when: float) -> None:
        """Let the place ``at_ms`` in the music fall on ``when``, in seconds of the clock."""
        self._anchor_ms, self._anchor_s = at_ms, when

    def run_from(self, when: float) -> None:
        """Go on from where the music was held, at ``when`` in seconds of the clock."""
        self._anchor_s = when

    def hold(self, now: float) -> None:
        """Stop the music's time at ``now``; nothing happens where it stands already."""
        if self._anchor_s is not None:
            # A line that was to start later than now has not begun, and stays where it is.
            self._anchor_ms = max(self._anchor_ms, self.now_ms(now))
            self._anchor_s = None

    def set_rate(self, rate: float, now: float) -> None:
        """Let the music run ``rate`` times as fast from ``now`` on.

        Raises:
            ValueError: ``rate`` is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        if self._anchor_s is not None and now > self._anchor_s:
            self._anchor_ms, self._anchor_s = self.now_ms(now), now
        self._rate = rate

    def delay(self, seconds: float) -> None:
        """Put off all that is still to come by so much."""
        if self._anchor_s is not None:
            self._anchor_s += seconds

    def now_ms(self, now: float) -> float:
        """Return the place in the music, in ms; before the start it is below the anchor."""
        if self._anchor_s is None:
            return self._anchor_ms
        return self._anchor_ms + (now - self._anchor_s) * 1000.0 * self._rate

    def deadline(self, at_ms: float) -> float:
        """Return when a place in the music is reached, in seconds; infinity while held."""
        if self._anchor_s is None:
            return float("inf")
        return self._anchor_s + (at_ms - self._anchor_ms) / (1000.0 * self._rate)
