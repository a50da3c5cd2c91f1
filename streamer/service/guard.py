"""The last resort of a stop: a process beside this one that ends it, whatever hangs here.

In: the signals that end the stream, and that it is silent. Out: the end of this process within 5 s
of the first of them, and at once at a second, with the status that belongs to it; and silence, sent
by a fresh process, where this one did not come to that. Used by the daemon's main thread.

A library that never returns may hold the interpreter, and then no line of Python runs here any
more, neither a handler nor a thread that watches. Two things run all the same: the handler of
Python's that is written in C, which writes each signal's number to a socket
(``signal.set_wakeup_fd``), and a thread of glibc's that waits for a pipe and then calls ``_exit``.
:mod:`streamer.service.guardian` reads the one and writes to the other.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from streamer.service import guardian
from streamer.settings.midi import PortSettings

logger = logging.getLogger(__name__)

REAP_SECONDS = 1.0
"""How long the other process may take to end after this one has said that it needs it no more."""

_SIGEV_THREAD = 2


def _terminal() -> int | None:
    """Return a descriptor of stdin's terminal for another process to hold, or None."""
    try:
        return os.dup(0) if os.isatty(0) else None
    except OSError:
        return None


class _SigEvent(ctypes.Structure):
    """glibc's ``struct sigevent``, on 64-bit processors."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("rest", ctypes.c_char * 32),
    )


class _Request(ctypes.Structure):
    """glibc's ``struct aiocb``, the same."""

    _fields_ = (
        ("fildes", ctypes.c_int),
        ("opcode", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("event", _SigEvent),
        ("rest", ctypes.c_char * 128),
    )


_lasting: list[_Request] = []
"""Read by glibc's thread whenever the pipe says something."""


@functools.cache
def exit_pipe() -> int | None:
    """Return the pipe by which another process ends this one with a status, or None.

    A thread of glibc's reads the status from it, eight bytes, straight into the argument with which
    another one then calls ``_exit``. No Python runs for it. It lasts as long as the process.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        os.confstr("CS_GNU_LIBC_VERSION")
        libc = ctypes.CDLL(None)
        aio_read, leave = libc.aio_read, ctypes.cast(libc._exit, ctypes.c_void_p)
    except (AttributeError, ValueError, OSError):  # another C library
        return None
    reading, writing = os.pipe()
    request = _Request(fildes=reading, size=ctypes.sizeof(ctypes.c_void_p))
    request.event.notify, request.event.function = _SIGEV_THREAD, leave.value
    request.buffer = ctypes.addressof(request.event)  # the first of it is the argument
    if aio_read(ctypes.byref(request)):
        os.close(reading)
        os.close(writing)
        return None
    _lasting.append(request)
    return writing


class Guard:
    """A context in which this process ends when it is told to; nothing outside the main thread.

    Args:
        ending: The signals that end the stream.
        port: What is silenced where the stream did not come to it; None sends nothing.
    """

    def __init__(self, ending: Sequence[int], port: PortSettings | None = None) -> None:
        self._ending, self._port = ending, port
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._before = -1

    def __enter__(self) -> Guard:
        """Start the other process, and let it know of each signal from now on."""
        if sys.platform != "win32" and threading.current_thread() is threading.main_thread():
            try:
                self._start()
            except OSError as error:
                logger.warning("nothing ends the stream if it hangs at its end: %s", error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the other process go."""
        if self._socket is None or self._process is None:
            return
        signal.set_wakeup_fd(self._before)
        self._say(guardian.OVER)
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_SECONDS)

    @property
    def stands(self) -> bool:
        """Whether there is a process that ends this one."""
        return self._process is not None

    def sounding(self) -> None:
        """Say that something is to sound from now on."""
        self._say(guardian.SOUNDING)

    def silent(self) -> None:
        """Say that nothing sounds any more; any thread."""
        self._say(guardian.SILENT)

    def _say(self, byte: int) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(bytes((byte,)))

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        pipe = exit_pipe()
        line = [sys.executable, "-I", "-S", guardian.__file__, str(os.getpid())]
        terminal = _terminal()
        line += [str(theirs.fileno()), str(-1 if pipe is None else pipe)]
        line += [str(-1 if terminal is None else terminal)]
        line += [",".join(str(int(number)) for number in self._ending), *self._last_words()]
        with theirs:
            self._process = subprocess.Popen(
                line,
                pass_fds=[theirs.fileno(), *(n for n in (pipe, terminal) if n is not None)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        if terminal is not None:
            os.close(terminal)
        ours.setblocking(False)
        self._socket = ours
        self._before = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)

    def _last_words(self) -> list[str]:
        """Return the command that silences the ports, or nothing where none can be."""
        if self._port is None or not self._port.specs:
            return []
        told = {"specs": self._port.specs, "channel": self._port.channel}
        told |= {"client_name": self._port.client_name}
        told |= {"allow": self._port.allow, "deny": self._port.deny}
        return [sys.executable, "-m", "streamer.service.lastsilence", json.dumps(told)]
