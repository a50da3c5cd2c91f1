"""The keyboard of a terminal, key by key, and the terminal left as it was, whatever happens.

In: the bytes of stdin. Out: keys by name (``space``, ``left``, ``a``), to whoever is told of them.
Only while this process is in the foreground of its terminal; Ctrl-C, Ctrl-Z and Ctrl-backslash stay
signals. Of Ctrl-Z a note is taken, and the process is stopped at the next look. Before that the
terminal is given back, and taken again when it goes on; :mod:`streamer.service.guardian` gives it
back where nothing here can.

Threads: one that reads; entering and leaving belong to the main thread, which the signal needs.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from streamer.service.guardian import raw

LOOK_SECONDS = 0.5
"""How often it is looked whether the terminal is ours."""

JOIN_SECONDS = 1.0
MOST_BYTES = 256

_ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
_NAMES = {0x20: "space", 0x0D: "enter", 0x0A: "enter", 0x1B: "escape", 0x7F: "back", 0x08: "back"}


def keys(data: bytes) -> Iterator[str]:
    """Yield the names of the keys that some bytes of a terminal are; what is none is left out."""
    at = 0
    while at < len(data):
        if data[at : at + 1] == b"\x1b" and data[at + 1 : at + 2] in (b"[", b"O"):
            end = at + 2
            while end < len(data) and not 0x40 <= data[end] <= 0x7E:
                end += 1
            if name := _ARROWS.get(data[end : end + 1]):
                yield name
            at = end + 1
            continue
        byte = data[at]
        at += 1
        if byte in _NAMES:
            yield _NAMES[byte]
        elif 0x21 <= byte <= 0x7E:
            yield chr(byte)


def is_ours(descriptor: int) -> bool:
    """Whether a descriptor is a terminal and this process is in its foreground."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, AttributeError):  # no terminal of ours; or no such thing on this system
        return False


def in_background(descriptor: int) -> bool:
    """Whether a terminal is in the hands of another program; False where nobody can say."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except (OSError, AttributeError):  # another's terminal, or none; or no such thing here
        return False


def can_read_keys() -> bool:
    """Whether stdin is a terminal whose keys can be read one by one."""
    try:
        import termios  # noqa: F401 - not on every system
    except ImportError:
        return False
    return sys.stdin is not None and sys.stdin.isatty()


class Keyboard:
    """A context in which keys are heard.

    Args:
        press: Told of each key, in the thread that reads.
        hold: Called before the process is stopped (Ctrl-Z), in the main thread.
        go_on: Called when it goes on.
        descriptor: The terminal; stdin.
        stop: Stops the process; returns when it goes on.
    """

    def __init__(
        self,
        press: Callable[[str], object],
        hold: Callable[[], object] = lambda: None,
        go_on: Callable[[], object] = lambda: None,
        descriptor: int = 0,
        stop: Callable[[], object] = lambda: signal.raise_signal(signal.SIGTSTP),
    ) -> None:
        self._press, self._hold, self._go_on, self._stop = press, hold, go_on, stop
        self._to_stop = False
        self._terminal = descriptor
        self._saved: list[Any] | None = None
        self._wake = os.pipe()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._before: Any = None
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)

    def __enter__(self) -> Keyboard:
        """Take the terminal, and begin to read."""
        import termios

        with contextlib.suppress(termios.error):
            self._saved = termios.tcgetattr(self._terminal)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTSTP, self._note)
        self._take()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back as it was; a second time does nothing."""
        if self._closed.is_set():
            return
        with self._lock:
            self._closed.set()
        self.give_back()
        if self._before is not None:
            signal.signal(signal.SIGTSTP, self._before)
        os.write(self._wake[1], b".")
        self._thread.join(JOIN_SECONDS)
        if not self._thread.is_alive():
            for end in self._wake:
                os.close(end)

    def give_back(self) -> None:
        """Let the terminal be as it was, where it is ours to change."""
        self._set(self._saved)

    def _take(self) -> None:
        """Let keys come one by one and unshown, unless they do."""
        import termios

        if self._saved is None or self._closed.is_set() or not is_ours(self._terminal):
            return
        with contextlib.suppress(termios.error):
            if termios.tcgetattr(self._terminal)[3] & (termios.ICANON | termios.ECHO):
                self._set(raw(self._saved))

    def _set(self, attributes: list[Any] | None) -> None:
        import termios

        if attributes is None or not is_ours(self._terminal):
            return
        # In the background this would stop the process; it may have gone there a moment ago.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._terminal, termios.TCSANOW, attributes)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone
            while not self._closed.is_set():
                with self._lock:
                    self._take()
                mine = [self._terminal] if is_ours(self._terminal) else []
                ready, _, _ = select.select([*mine, self._wake[0]], [], [], LOOK_SECONDS)
                if self._terminal not in ready or not is_ours(self._terminal):
                    continue
                data = os.read(self._terminal, MOST_BYTES)
                if not data:
                    return
                for key in keys(data):
                    self._press(key)

    def _note(self, number: int, frame: object) -> None:
        """Take note of Ctrl-Z, and nothing else: the main thread may hold any lock there is."""
        self._to_stop = True

    def look(self) -> None:
        """Stop as Ctrl-Z asked, if it did; the main thread, a few times a second.

        It is done in silence and with the terminal given back, and undone when the process goes on.
        """
        if not self._to_stop:
            return
        self._hold()
        with self._lock:  # nobody takes the terminal meanwhile
            self.give_back()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            self._to_stop = False
            self._stop()
            signal.signal(signal.SIGTSTP, self._note)
            self._take()
        self._go_on()
