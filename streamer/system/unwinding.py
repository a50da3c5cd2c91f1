"""SIGINT and SIGTERM of a command: it unwinds, and ends in time whatever stands in the way.

In: the two signals. Out: an exception in the main thread, so that files are closed and notes are
ended. Within an import it waits for the import's end: libraries turn an exception there into
another. Where no exception can end the process it is left at once, with the status that a shell
expects: at a second signal, where a finaliser swallowed the exception, and where the main thread
has not ended within :data:`MOST_SECONDS`, because it does not come back from a library.

A verb that ends in order by itself (``play``, ``train``) puts handlers of its own in the place of
these, and answers for its end.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

MOST_SECONDS = 1.0
"""How long the main thread may take to end after a signal."""

LOOK_SECONDS = 0.005
"""How often it is looked whether an import has ended."""

_IMPORTING = "<frozen importlib"


class Terminated(BaseException):
    """SIGTERM arrived; unwinds the stack so that files are closed and notes are ended."""


class Unwinding:
    """A context in which signals unwind the main thread; does nothing in any other thread.

    Args:
        leave: Ends the process at once with a status; for tests.
    """

    def __init__(self, leave: Callable[[int], object] = os._exit) -> None:
        self._leave = leave
        self._before: dict[int, Any] = {}
        self._hook = sys.unraisablehook
        self._first = self._deferred = 0
        self._wakes: socket.socket | None = None
        self._wakes_before = -1
        self._main = threading.main_thread().ident or 0

    def __enter__(self) -> Unwinding:
        """Unwind from now on; a signal that is ignored stays so."""
        if threading.current_thread() is not threading.main_thread():
            return self
        self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        self._watch()
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.getsignal(number)
                signal.signal(number, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put everything back as it was."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if threading.current_thread() is threading.main_thread():
            sys.unraisablehook = self._hook
        if self._wakes is not None:
            signal.set_wakeup_fd(self._wakes_before)
            self._wakes.close()
            self._wakes = None

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._first:
            self._leave(128 + number)
        if _is_importing(frame):
            self._deferred = number
            with contextlib.suppress(OSError):  # who else learns of signals may have our place
                if self._wakes is not None:
                    self._wakes.send(bytes([number]))
            return
        self._first = number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Terminated

    def _unraisable(self, what: Any) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt | Terminated):
            self._leave(128 + self._first)
        else:
            self._hook(what)

    def _watch(self) -> None:
        """Learn of signals even where the main thread does not come back to Python."""
        # Sockets and no pipe: Windows cannot wait for one.
        reads, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        wakes = self._wakes.fileno()
        self._wakes_before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        threading.Thread(target=self._bound, args=(reads,), name="signals", daemon=True).start()

    def _bound(self, reads: socket.socket) -> None:
        """End the process where the main thread does not; a thread of its own."""
        number, until = 0, 0.0
        while True:
            wait: float | None = None
            if number:
                left = max(0.0, until - time.monotonic())
                wait = left if self._first else min(left, LOOK_SECONDS)
            elif self._deferred:
                wait = LOOK_SECONDS
            if select.select([reads], [], [], wait)[0]:
                came = reads.recv(64)
                if not came:
                    break
                ours = [one for one in came if signal.getsignal(one) == self._catch]
                if ours and not number:
                    number, until = ours[0], time.monotonic() + MOST_SECONDS
            if number and time.monotonic() >= until:
                self._leave(128 + number)
                break
            if self._deferred and not _is_importing(sys._current_frames().get(self._main)):
                deferred, self._deferred = self._deferred, 0
                if hasattr(signal, "pthread_kill"):
                    signal.pthread_kill(self._main, deferred)
                else:
                    _thread.interrupt_main(signal.Signals(deferred))
        reads.close()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
