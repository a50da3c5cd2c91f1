"""Pretends to be another system: macOS or Windows, as far as Python can tell.

    python -m tests.pretend darwin tests/streamer/test_daemon.py tests/service

``sys.platform`` says so, and what Python lacks there is gone: functions of ``os``, ``signal`` and
``time``, modules, ALSA's and JACK's libraries. On Windows no folder can be opened, no open file is
renamed or removed, and only sockets are waited for. Paths stay as they are. All modules of the
streamer are imported so; with pytest's words after it, pytest runs so.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import itertools
import os
import pkgutil
import select
import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

PLATFORMS = ("darwin", "win32")

LINUX_ALONE: dict[ModuleType, tuple[str, ...]] = {
    os: (
        "sched_setscheduler", "sched_param", "sched_getaffinity", "sched_setaffinity", "SCHED_FIFO",
        "SCHED_OTHER", "SCHED_RESET_ON_FORK", "pidfd_open", "memfd_create", "eventfd",
        "posix_fallocate", "posix_fadvise", "fdatasync", "O_TMPFILE", "getrandom",
    ),
    signal: ("sigtimedwait", "sigwaitinfo", "pidfd_send_signal"),
    time: ("CLOCK_BOOTTIME",),
}  # fmt: skip
POSIX_ALONE: dict[ModuleType, tuple[str, ...]] = {
    os: (
        "fork", "getuid", "geteuid", "getgid", "getgroups", "setsid", "getpgid", "killpg", "nice",
        "setpriority", "getpriority", "mkfifo", "fchmod", "fchown", "chown", "lchown", "statvfs",
        "uname", "wait4", "waitid", "pipe2", "sysconf", "getloadavg", "O_NONBLOCK", "O_DIRECTORY",
        "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "register_at_fork", "pwrite", "pread",
        "set_blocking", "get_blocking",
    ),
    signal: (
        "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "SIGCHLD",
        "SIGSTOP", "SIGCONT", "SIGTSTP", "SIGWINCH", "pthread_sigmask", "pthread_kill", "sigwait",
        "sigpending", "setitimer", "alarm", "pause", "siginterrupt",
    ),
    time: ("clock_gettime", "clock_gettime_ns", "CLOCK_MONOTONIC", "CLOCK_REALTIME"),
}  # fmt: skip
OTHERS = ("numpy", "onnxruntime", "asyncio", "urllib.request", "platformdirs", "rich.console")
"""What others wrote and chooses its system when it is imported."""

POSIX_MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline")


@contextlib.contextmanager
def pretended(platform: str) -> Iterator[None]:
    """Be another system for a while.

    Args:
        platform: ``darwin`` or ``win32``, as ``sys.platform`` has them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        gone = [LINUX_ALONE] if platform == "darwin" else [LINUX_ALONE, POSIX_ALONE]
        for table in gone:
            for module, names in table.items():
                for name in names:
                    patch.delattr(module, name, raising=False)
        patch.setattr(ctypes, "CDLL", _no_library(platform, ctypes.CDLL))
        patch.setitem(sys.modules, "rtmidi", _rtmidi(platform))
        if platform == "win32":
            for name in POSIX_MODULES:
                patch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
            patch.setattr("streamer.system.descriptors._HELD", True)
            patch.setattr(os, "open", _no_folder(os.open))
            patch.setattr(select, "select", _sockets_alone(select.select))
            for name in ("replace", "rename", "unlink", "remove"):
                patch.setattr(os, name, _not_while_open(getattr(os, name)))
        yield


SYSTEMS = {
    "darwin": ("API_MACOSX_CORE", "IAC Driver Bus 1"),
    "win32": ("API_WINDOWS_MM", "loopMIDI 1"),
}
"""The MIDI system that python-rtmidi speaks to there, and a port of it."""


class FakeRtMidi(ModuleType):
    """python-rtmidi as it is on another system: one port, and what was sent to it in ``sent``."""

    def __init__(self, platform: str) -> None:
        super().__init__("rtmidi")
        name, self.port = SYSTEMS[platform]
        self.sent: list[bytes] = []
        setattr(self, name, 1)
        self._virtual = platform != "win32"

    def get_compiled_api(self) -> list[int]:
        """Return the one system that there is."""
        return [1]

    def MidiOut(self, api: int, name: str = "", **more: int) -> FakeClient:
        """Return a client."""
        return FakeClient(self)

    MidiIn = MidiOut


class FakeClient:
    """A client of :class:`FakeRtMidi`."""

    def __init__(self, module: FakeRtMidi) -> None:
        self._module = module

    def get_ports(self) -> list[str]:
        """Return the one port."""
        return [self._module.port]

    def open_port(self, number: int, name: str) -> None:
        """Open it."""

    def open_virtual_port(self, name: str) -> None:
        """Refuse, as WinMM does, or open one."""
        if not self._module._virtual:
            raise NotImplementedError("virtual ports are not supported by this API")

    def ignore_types(self, **types: bool) -> None:
        """Hear all the same."""

    def send_message(self, message: bytes) -> None:
        """Keep it."""
        self._module.sent.append(bytes(message))

    def get_message(self) -> None:
        """Nothing comes."""

    def delete(self) -> None:
        """Be let go."""


_RTMIDI: dict[str, FakeRtMidi] = {}


def _rtmidi(platform: str) -> FakeRtMidi:
    return _RTMIDI.setdefault(platform, FakeRtMidi(platform))


def _no_library(platform: str, plain: Any) -> Any:
    def load(name: str | None, *more: Any, **named: Any) -> Any:
        if name is not None:
            raise OSError(f"{name}: not on this system")
        if platform == "win32":
            raise TypeError("bad argument type for built-in operation")
        return plain(None)

    return load


def _no_folder(plain: Any) -> Any:
    def opened(path: Any, *more: Any, **named: Any) -> int:
        if not isinstance(path, int) and os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return int(plain(path, *more, **named))

    return opened


def _sockets_alone(plain: Any) -> Any:
    def selected(*lists: Any) -> Any:
        if any(isinstance(one, int) for one in itertools.chain(*lists[:3])):
            raise OSError(10038, "an operation was attempted on something that is not a socket")
        return plain(*lists)

    return selected


def _not_while_open(plain: Any) -> Any:
    """Refuse what Windows refuses while somebody has the file open."""

    def done(*paths: Any, **named: Any) -> Any:
        real = {os.path.realpath(path) for path in paths}
        for number in os.listdir("/proc/self/fd"):
            try:
                open_now = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                continue
            if open_now in real:
                raise PermissionError(13, "it is being used by another process", str(paths[0]))
        return plain(*paths, **named)

    return done


def import_all(platform: str) -> list[str]:
    """Import every module of the streamer anew on another system; return what failed."""
    import streamer

    for name in [name for name in sys.modules if name.split(".")[0] == "streamer"]:
        del sys.modules[name]
    failed = []
    with pretended(platform):
        for found in pkgutil.walk_packages(streamer.__path__, "streamer."):
            try:
                importlib.import_module(found.name)
            except Exception as error:  # noqa: BLE001 - told
                failed.append(f"{found.name}: {type(error).__name__}: {error}")
    return failed


class Plugin:
    """Lets every test of a run be on another system."""

    def __init__(self, platform: str) -> None:
        self._platform = platform

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Pretend while a test runs."""
        with pretended(self._platform):
            yield


def main() -> int:
    """Run pytest with the words after the platform's name."""
    platform, *words = sys.argv[1:]
    if platform not in PLATFORMS:
        raise SystemExit(f"the system must be {' or '.join(PLATFORMS)}, not {platform}")
    for name in OTHERS:
        importlib.import_module(name)
    sysconfig.get_config_vars()  # of this Python: they are read from a module of its system's name

    failed = import_all(platform)
    sys.stdout.write("".join(f"{line}\n" for line in failed))
    ended = int(pytest.main(words, plugins=[Plugin(platform)])) if words else 0
    return ended or int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
