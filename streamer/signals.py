"""Signals of a stream: noted, and not died of, from before the first port opens to the last close.

In: SIGINT, SIGTERM and SIGHUP. Out: a wake for whoever waits, and the numbers that came. Used by
the daemon's main thread.

While a stream is opened a signal ends the program as it would any other. The first one of a stream
that plays ends it in order; a second changes nothing, so that no recording loses its tail to an
impatient Ctrl-C; a third leaves at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from streamer.clock import Wake

logger = logging.getLogger(__name__)

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

FORCED = 3
"""So many signals, and the way to silence is given up."""


class Signals:
    """A context in which signals are noted; does nothing outside the main thread.

    Args:
        force: Ends the process at once with a status.

    Attributes:
        caught: The numbers of those that were to end the stream.
    """

    def __init__(self, force: Callable[[int], object] = os._exit) -> None:
        self._force = force
        self._before: dict[int, Any] = {}
        self._wake: Wake | None = None
        self._reload: Callable[[], object] | None = None
        self.caught: list[int] = []

    def __enter__(self) -> Signals:
        """Note signals from now on."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._catch) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the handlers back as they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wake_at_end(self, wake: Wake, reload: Callable[[], object] | None) -> None:
        """Let signals end the stream in order from now on.

        Args:
            wake: Set by each.
            reload: What SIGHUP does instead of ending the stream, if anything.
        """
        self._wake, self._reload = wake, reload

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._wake is None:
            self._as_before(number, frame)
            return
        if self._reload is not None and number == getattr(signal, "SIGHUP", None):
            self._reload()
            return
        self.caught.append(number)
        self._wake.set()
        if len(self.caught) == FORCED - 1:
            logger.warning("ending in order; once more leaves at once, and a note may hang")
        elif len(self.caught) >= FORCED:
            self._force(128 + number)

    def _as_before(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal would have done without us."""
        handler = self._before.get(number)
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
