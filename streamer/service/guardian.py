"""The process beside the stream that ends it when it does not end itself.

In, on the socket that is handed to it: the number of each signal that the stream's process gets, as
the kernel hands it over, whatever Python does there; and what the stream says of itself. Out: the
end of that process, with the status that belongs to the signal, and then its silence, if it had not
come to that.

    python guardian.py PARENT SOCKET EXIT_PIPE TERMINAL ENDING_SIGNALS LAST_WORD...

TERMINAL is a descriptor of the terminal whose keys the stream reads, or -1: one that is left raw by
a stream that did not end well is made as it was.

A script of its own, started by :mod:`streamer.service.guard`; it imports nothing of the product,
and of Python only what takes no time, so that it starts in milliseconds and stays small.
"""

from __future__ import annotations

# Built in: `signal`, `contextlib` and `typing` would be a third of what this process takes.
import _signal  # type: ignore[import-not-found]
import os
import select
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

SHOW_CURSOR = b"\x1b[?25h"

SOUNDING, SILENT, OVER = 0x80, 0x81, 0x82
"""What the stream says of itself: it begins to sound; nothing sounds any more; it has ended, and is
not to be ended."""

SILENCE_SECONDS = 1.5
"""After a signal the stream may take so long to be silent; then another process sees to it."""

END_SECONDS = 4.0
"""… and so long to end, if it is."""

PATIENCE_SECONDS = 0.3
"""A signal so soon after the first is the same once more, as ``timeout`` and terminals send it; and
a second one gives a stream that still sounds so long."""

SLICE_SECONDS = 0.1
"""How often it is looked whether it is enough."""

LEAP_SECONDS = 0.5
"""More than this is not counted of any one wait: a machine that stood still took nobody's time."""

DEATH_SECONDS = 0.5


class Watch:
    """Decides when it is enough; time is what :meth:`passed` is told of.

    Args:
        ending: The signals that end the stream.

    Attributes:
        first: The first of them that came, or None.
        silent: Whether nothing sounds yet, or any more.
        over: Whether the stream has ended well.
    """

    def __init__(self, ending: Sequence[int]) -> None:
        self._ending = frozenset(ending)
        self._age = 0.0
        self._second_at = float("inf")
        self.first: int | None = None
        self.silent, self.over = True, False

    def hear(self, byte: int) -> None:
        """Take in a signal's number, or what the stream says."""
        if byte == OVER:
            self.over = True
        elif byte in (SOUNDING, SILENT):
            self.silent = byte == SILENT
        elif byte in self._ending:
            if self.first is None:
                self.first = byte
            elif self._age > PATIENCE_SECONDS:
                self._second_at = min(self._second_at, self._age)

    @property
    def hurried(self) -> bool:
        """Whether a second signal came."""
        return self._second_at < float("inf")

    def passed(self, seconds: float) -> None:
        """Let time pass since the first signal."""
        self._age += seconds

    @property
    def enough(self) -> bool:
        """Whether the stream is to be ended now."""
        if self.first is None:
            return False
        at_most = END_SECONDS if self.silent else SILENCE_SECONDS
        after_second = 0.0 if self.silent else PATIENCE_SECONDS
        return self._age >= min(at_most, self._second_at + after_second)


def guard(watch: Watch, control: int, now: Callable[[], float] = time.monotonic) -> bool:
    """Watch until the stream has ended, or it is enough; return whether it is."""
    while not watch.enough:
        began = now()
        ready, _, _ = select.select(
            [control], [], [], None if watch.first is None else SLICE_SECONDS
        )
        if watch.first is not None:
            watch.passed(min(now() - began, LEAP_SECONDS))
        if not ready:
            continue
        data = os.read(control, 64)
        if not data:
            return False
        for byte in data:
            watch.hear(byte)
        if watch.over:
            return False
    return True


def end(parent: int, control: int, exit_pipe: int, status: int) -> None:
    """End a process: by what it has laid ready for this, or else by force."""
    if exit_pipe >= 0:
        os.write(exit_pipe, struct.pack("P", status))
        if _is_gone(control):
            return
    os.kill(parent, _signal.SIGKILL)
    _is_gone(control)


def _is_gone(control: int) -> bool:
    """Wait whether the other end closes; what it still says is not heard."""
    until = time.monotonic() + DEATH_SECONDS
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([control], [], [], left)
        if ready and not os.read(control, 64):
            return True
    return False


class Terminal:
    """A terminal as it is now, to be made so again.

    Args:
        descriptor: Below 0 stands for none.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._saved = descriptor, None
        if descriptor >= 0:
            try:
                self._saved = attributes(descriptor)
            except (ImportError, OSError):
                return

    def restore(self) -> None:
        """Make it as it was, if it is as the stream makes it: not if a shell has taken it."""
        if self._saved is None:
            return
        import termios

        try:
            if attributes(self._descriptor) == raw(self._saved):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)
                os.write(self._descriptor, SHOW_CURSOR)
        except (OSError, termios.error):
            return


def attributes(descriptor: int) -> list[Any] | None:
    """Return the attributes of a terminal; None where it is none."""
    import termios

    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None


def raw(before: list[Any]) -> list[Any]:
    """Return the attributes of a terminal whose keys come one by one and unshown.

    Args:
        before: As :func:`attributes` has them.
    """
    import termios

    cc = list(before[6])
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [*before[:3], before[3] & ~(termios.ICANON | termios.ECHO), *before[4:6], cc]


def main(words: Sequence[str]) -> None:
    """Guard, end, and send silence."""
    parent, control, exit_pipe, descriptor = map(int, words[:4])
    terminal = Terminal(descriptor)
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        # A service manager sends them to all; this process ends with the other.
        _signal.signal(number, _signal.SIG_IGN)
    watch = Watch([int(word) for word in words[4].split(",")])
    if not guard(watch, control):
        if not watch.over:
            terminal.restore()
        return
    terminal.restore()
    sys.stderr.write("perpetuo play: something hangs, and the process is ended\n")
    sys.stderr.flush()
    owed = not watch.silent and bool(words[5:])
    if owed and not watch.hurried:
        # While it lives: it holds up nobody but itself, and JACK would look for a dead one first.
        os.posix_spawn(words[5], [*words[5:]], os.environ)
        owed, watch.silent = False, True
        if not guard(watch, control):
            return
    end(parent, control, exit_pipe, 128 + (watch.first or 0))
    if owed:
        os.execv(words[5], [*words[5:]])


if __name__ == "__main__":
    main(sys.argv[1:])
