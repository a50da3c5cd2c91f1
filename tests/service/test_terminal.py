"""The live view on a real terminal (a pty): keys steer, and the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle

PATIENCE_SECONDS = 30.0

pytestmark = pytest.mark.timeout(90)

Attributes = list[object]


class Terminal:
    """``perpetuo play`` on a terminal of its own.

    Attributes:
        said: All that it has written.
    """

    def __init__(self, *arguments: str) -> None:
        self.said = b""
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._keeper, self._terminal = theirs, ours  # so that its state outlives the program
        command = [sys.executable, "-m", "streamer", "play", "--port", "null", *arguments]
        told, self._tell = os.pipe()
        self._told, tells = os.pipe()
        self._shell = os.fork()
        if self._shell == 0:
            os.close(ours)
            for end in (self._tell, self._told):
                os.close(end)
            environ = {**os.environ, "TERM": "xterm"}
            _shell(theirs, told, tells, command, environ)
        os.close(told)
        os.close(tells)
        self.pid = self._number()

    def _number(self) -> int:
        return int(struct.unpack("i", os.read(self._told, 4))[0])

    def go_on(self) -> None:
        """Do as ``fg`` does."""
        os.write(self._tell, b".")

    def stopped(self) -> bool:
        """Wait until the shell says how it is, and return whether it is stopped."""
        return os.WIFSTOPPED(self._number())

    def press(self, keys: str | bytes) -> None:
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def until(self, holds: Callable[[bytes], object]) -> bytes:
        """Read until what was said since the last time holds something, and return that."""
        fresh, end = b"", time.monotonic() + PATIENCE_SECONDS
        while not holds(fresh):
            assert time.monotonic() < end, fresh[-3000:].decode(errors="replace")
            ready, _, _ = select.select([self._terminal], [], [], 0.1)
            if ready:
                fresh += os.read(self._terminal, 65536)
        self.said += fresh
        return fresh

    def shows(self, text: str) -> bytes:
        return self.until(lambda fresh: text.encode() in fresh)

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self._keeper)[3] & termios.ICANON

    def ended(self) -> int:
        """Wait for the end, and return the status as a shell has it, below 0 for a signal."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            ready, _, _ = select.select([self._terminal], [], [], 0.05)
            if ready:
                self.said += os.read(self._terminal, 65536)
            if select.select([self._told], [], [], 0)[0]:
                status = os.waitstatus_to_exitcode(self._number())
                os.waitpid(self._shell, 0)
                return status
        os.kill(self.pid, signal.SIGKILL)
        pytest.fail("it does not end")

    def is_as_before(self) -> bool:
        """Whether the terminal is as it was, now or in a moment: another process may see to it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if self.before == termios.tcgetattr(self._keeper):
                return True
            select.select([self._terminal], [], [], 0.02)
        return False

    def close(self) -> None:
        for end in (self._keeper, self._terminal, self._tell, self._told):
            os.close(end)


def _shell(
    terminal: int, told: int, tells: int, command: list[str], environ: dict[str, str]
) -> None:
    """Run a command in the foreground as a shell does, and tell what becomes of it."""
    os.setsid()
    ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        for number in range(3):
            os.dup2(terminal, number)
        os.execve(sys.executable, command, environ)
    os.write(tells, struct.pack("i", child))
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        os.tcsetpgrp(terminal, os.getpid())
        os.write(tells, struct.pack("i", status))
        if not os.WIFSTOPPED(status):
            os._exit(0)
        os.read(told, 1)
        os.tcsetpgrp(terminal, child)
        os.kill(-child, signal.SIGCONT)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    bundle, held = write_tiny_bundle(tmp_path), list[Terminal]()

    def start() -> Terminal:
        held.append(Terminal("--model", str(bundle.path), "--seed", "1"))
        return held[-1]

    yield start
    for one in held:
        one.close()


def test_music_is_shown_first_and_keys_steer_it(terminal):
    one = terminal()
    first = one.shows("space holds").decode()
    assert "sounds" in first
    assert "lateness" not in first
    one.shows("│ ")
    assert one.is_raw()
    for keys, shown in (
        (" ", "paused"),
        (" ", "playing"),
        ("d\x1b[C\x1b[C", "density × 1.15"),
        ("\x1bOD\x1bOD", "density × 1.00"),
        ("i", "lateness"),
        ("i", "sounds"),
        ("?", "as-configured"),
        ("?", "sounds"),
        ("5", "scene"),
        ("zz", "no control begins with z"),
    ):
        one.press(keys)
        one.shows(shown)
    one.press("q")
    assert 0 == one.ended()
    assert one.is_as_before()
    assert one.said.rstrip().endswith(b"\x1b[?25h")


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGSEGV, -signal.SIGSEGV)],
)
def test_the_terminal_is_as_it_was_whatever_ends_the_stream(number, status, terminal):
    one = terminal()
    one.shows("space holds")
    assert one.is_raw()
    os.kill(one.pid, number)
    assert status == one.ended()
    assert one.is_as_before()


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(terminal):
    one = terminal()
    one.shows("space holds")
    os.kill(one.pid, signal.SIGTSTP)  # as the terminal's driver does at Ctrl-Z
    assert one.stopped()
    assert one.is_as_before()
    one.go_on()
    one.shows("playing")
    assert one.is_raw()
    one.press("q")
    assert 0 == one.ended()
    assert one.is_as_before()
