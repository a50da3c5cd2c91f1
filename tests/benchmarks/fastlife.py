"""``perpetuo`` on a clock that runs faster: ``PERPETUO_SPEED=20 python -m`` this module, ``play``.

All of a real life, threads and all, in a fraction of its time: what grows with the music shows
soon. What goes by the system's own time (looks at the ports, writes to the disk) is not hastened.
"""

from __future__ import annotations

import os
import sys
import time

from streamer import cli
from streamer.service import daemon
from streamer.system.clock import MonotonicClock, Wake


class FastClock:
    """A :class:`streamer.system.clock.Clock` whose seconds are short.

    Args:
        speed: How many of them pass in one of the system's.
    """

    def __init__(self, speed: float) -> None:
        self._speed, self._real, self._start = speed, MonotonicClock(), time.monotonic()

    def now(self) -> float:
        """See :class:`streamer.system.clock.Clock`."""
        return self._start + (self._real.now() - self._start) * self._speed

    def suspended(self) -> float:
        """See :class:`streamer.system.clock.Clock`."""
        return 0.0

    def wait_until(self, deadline: float, wake: Wake, spin_seconds: float = 0.0) -> bool:
        """See :class:`streamer.system.clock.Clock`."""
        real = self._start + (deadline - self._start) / self._speed
        return self._real.wait_until(real, wake, spin_seconds / self._speed)


def main() -> int:
    """Run the command on the fast clock."""
    speed = float(os.environ["PERPETUO_SPEED"])
    daemon.MonotonicClock = lambda: FastClock(speed)  # type: ignore[assignment,misc]
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
