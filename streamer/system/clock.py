"""Time: the one monotonic clock.

In: nothing but the system's clock. Out: seconds to wait for. A :class:`Clock` is handed to whatever
waits, so that every test below the daemon runs on :class:`streamer.testing.ManualClock`.
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
