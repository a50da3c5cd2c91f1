"""Signals of a stream: noted, and not died of, from before the first port opens to the last close.

In: SIGINT, SIGTERM and SIGHUP. Out: a wake for whoever waits, and the numbers that came. Thread:
main.

While a stream is opened a signal ends the program as it would any other. The first one of a stream
that plays ends it in order; a second leaves at once when nothing sounds any more, and is enough
even where no handler runs (:mod:`streamer.service.guard`).
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from streamer.service.guardian import PATIENCE_SECONDS
from streamer.system.clock import Wake

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

FORCED = 3
"""So many signals, and the way to silence is given up."""

_SHOW_CURSOR = b"\x1b[?25h\n"


def leave(status: int) -> None:
    """End the process at once; a terminal gets its cursor back."""
    with contextlib.suppress(OSError, ValueError):
        if os.isatty(sys.__stdout__.fileno() if sys.__stdout__ else -1):
            os.write(1, _SHOW_CURSOR)
    os._exit(status)


class Signals:
    """A context in which signals are noted; does nothing outside the main thread.

    Args:
        force: Ends the process at once with a status.
        now: Seconds that only grow.

    Attributes:
        caught: The numbers of those that were to end the stream.
        give_back: Called before the process is ended at once: a terminal is made as it was.
    """

    def __init__(
        self,
        force: Callable[[int], object] = leave,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._force, self._now = force, now
        self._before: dict[int, Any] = {}
        self._tell: Callable[[], object] | None = None
        self._reload: Callable[[], object] | None = None
        self._first_at = 0.0
        self._silent = self._hurries = False
        self.caught: list[int] = []
        self.give_back: Callable[[], object] = lambda: None

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

    def wake_at_end(
        self,
        wake: Wake,
        reload: Callable[[], object] | None,
        silence: Callable[[], object] = lambda: None,
    ) -> None:
        """Let signals end the stream in order from now on.

        Args:
            wake: Set by the first.
            reload: What SIGHUP does instead of ending the stream, if anything.
            silence: Called before that, so that silence does not wait for whoever waits.
        """

        def tell() -> None:
            silence()
            wake.set()

        self._tell, self._reload = tell, reload

    def silent(self) -> None:
        """Say that nothing sounds any more: a second signal leaves at once. Any thread."""
        self._silent = True
        if self._hurries:
            self._leave()

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._tell is None:
            self._as_before(number, frame)
            return
        if self._reload is not None and number == getattr(signal, "SIGHUP", None):
            self._reload()
            return
        self.caught.append(number)
        if len(self.caught) == 1:
            self._first_at = self._now()
            # Not here: the main thread may hold the very lock that an Event takes to be set.
            _thread.start_new_thread(self._tell, ())
        elif self._now() - self._first_at > PATIENCE_SECONDS or len(self.caught) >= FORCED:
            self._hurries = True
            if self._silent or len(self.caught) >= FORCED:
                self._leave()

    def _leave(self) -> None:
        self.give_back()
        self._force(128 + self.caught[0])

    def _as_before(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal would have done without us."""
        handler = self._before.get(number)
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
