"""Open files by their numbers, on every system that Python runs on: the one door to what differs.

In: paths, open files, places in them. Out: bytes written where they belong. Windows has neither
``pwrite`` nor files that may be renamed while they are open, and changes line ends unless it is
told not to; POSIX has flags that Windows lacks. Any thread that owns the file.
"""

from __future__ import annotations

import os
from pathlib import Path

_HELD = os.name == "nt"
"""Whether a file keeps its name while it is open."""

_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path, flags: int, mode: int = 0o666, *, waits: bool = True) -> int:
    """Return the number of a file that is opened for bytes, and not for children of this process.

    Args:
        path: What is opened.
        flags: Of ``os``; those that every system has.
        mode: Of a file that is made.
        waits: False does not wait for a reader of a pipe, where the system knows such a thing.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, flags | _PLAIN | (0 if waits else getattr(os, "O_NONBLOCK", 0)), mode)


def make_waiting(handle: int) -> None:
    """Let writes to what was opened without waiting wait from now on."""
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(handle, True)


def write_at(handle: int, data: bytes, at: int) -> int:
    """Write bytes at a place of a file and return how many were written (OSError)."""
    if hasattr(os, "pwrite"):
        return os.pwrite(handle, data, at)
    os.lseek(handle, at, os.SEEK_SET)
    return os.write(handle, data)


def rename_open(handle: int, part: Path, real: Path) -> int:
    """Give an open file a name, in the place of what had it; return its number from then on.

    Raises:
        OSError: It cannot be renamed; the file is closed then where the system wanted that.
    """
    if not _HELD:
        part.replace(real)
        return handle
    os.close(handle)
    part.replace(real)
    return open_file(real, os.O_RDWR)
