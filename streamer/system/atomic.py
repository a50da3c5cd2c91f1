"""The one rule for files that are written: whole or not at all, and nothing replaced but a file.

In: the path that a person or a setting named. Out: that file, with all its content, or an error and
the file as it was. What the path names decides how:

* nothing yet, or a file: a temporary file beside it, then a rename;
* a link: the same at its end; the link stays a link;
* a character device, a pipe that somebody reads, ``/dev/stdout``: written to in place, once the
  whole content is there;
* a folder, a disk, a socket, a pipe that nobody reads, what may not be written: refused.

Any thread.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from streamer.errors import RecordingError
from streamer.system.descriptors import make_waiting, open_file

_MOST_LINKS = 40
"""As many as Linux follows."""

_REFUSED = {
    stat.S_IFDIR: "is a folder; name a file in it",
    stat.S_IFBLK: "is a disk; name a file",
    stat.S_IFSOCK: "is a socket; name a file",
}
_ELSEWHERE = "name a file in a folder that can be written"
_REMEDIES = {
    errno.ENOSPC: "make room, or name a file on another disk",
    errno.EDQUOT: "make room, or name a file on another disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EPIPE: "whoever read it has gone; start it again",
}
_IN_PLACE = (stat.S_IFCHR, stat.S_IFIFO)


def check_target(path: Path) -> None:
    """Refuse a file that could not be written, before any work is done for it.

    Raises:
        RecordingError: One line with the remedy.
    """
    problem = problem_with(path)
    if problem is not None:
        raise RecordingError(f"{path}: {problem}")


def check_targets(**targets: Path | None) -> None:
    """Refuse files that could not be written, and two that are one; None stands for no file.

    Args:
        targets: By what a person calls them, such as ``json``.

    Raises:
        RecordingError: One line with the remedy.
    """
    seen: dict[Path, str] = {}
    for name, path in targets.items():
        if path is None:
            continue
        check_target(path)
        if is_written_in_place(path):
            continue
        other = seen.setdefault(Path(os.path.realpath(path)), name)
        if other != name:
            raise RecordingError(
                f"{path}: is to be written twice ({other} and {name}); name another for one of them"
            )


def problem_with(path: Path) -> str | None:
    """Return what keeps a file from being written, with the remedy; None where nothing does."""
    try:
        kind = _kind(path)
        real = end_of_links(path)
    except OSError as error:
        return f"{error.strerror}; name another file"
    except ValueError:
        return "no file can have this name; name another"
    if kind in _REFUSED:
        return _REFUSED[kind]
    if kind is None and not real.parent.is_dir():
        return f"there is no folder {real.parent}; make it (mkdir -p), or name a file in another"
    held = real.parent if kind is None else real
    if not os.access(held, os.W_OK):
        return f"{held} may not be written; name another file"
    if kind == stat.S_IFREG and not is_written_in_place(path) and not _may_change(real.parent):
        return f"the folder {real.parent} may not be written; name a file in another"
    return None


def is_written_in_place(path: Path) -> bool:
    """Whether a path names a device, a pipe or an open file, and no file to replace.

    Raises:
        OSError: It cannot be looked at.
    """
    kind = _kind(path)
    return kind in _IN_PLACE or (kind is not None and _names_open_file(end_of_links(path)))


def end_of_links(path: Path) -> Path:
    """Return the file that a path leads to: itself, or what the last of its links names.

    A link to an open file (``/dev/stdout``, ``/proc/self/fd/1``) is an end: behind it is no name.

    Raises:
        OSError: The links lead to themselves.
    """
    real = path
    for _ in range(_MOST_LINKS):
        if _names_open_file(real) or not os.path.islink(real):
            return real
        real = real.parent / os.readlink(real)
    raise OSError(errno.ELOOP, "is a link that leads to itself", str(path))


def is_own_stream(path: Path) -> bool:
    """Whether a path names an open file of this process, such as ``/dev/stdout``."""
    return _own_descriptor(end_of_links(path)) is not None


@contextmanager
def atomic_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at ``path`` only when the block ends well.

    The folder is made when it is missing. What is written is flushed to the disk before the
    rename, so that neither a kill nor a power cut leaves half a file. A new file has the
    permissions that any new file of this process would have; one that is replaced keeps its own.

    Args:
        path: The file.
        mode: Its permissions, new or replaced; None for those above. A folder has any new one's.

    Raises:
        RecordingError: One line with the remedy: the folder cannot be made or written, the disk is
            full, or ``path`` is nothing that a file can be written to. What was there is as it was.
    """
    try:
        kind = _kind(path)
        if kind in _REFUSED:
            raise RecordingError(f"{path}: {_REFUSED[kind]}")
        if is_written_in_place(path):
            with tempfile.TemporaryFile() as content:
                yield content
                _copy(content, path)
        else:
            real = end_of_links(path)
            real.parent.mkdir(parents=True, exist_ok=True)
            with _replacing(real, kind is not None, mode) as file:
                yield file
    except OSError as error:
        if not _is_about(error, path):
            raise
        reason, remedy = error.strerror or str(error), _REMEDIES.get(error.errno or 0, _ELSEWHERE)
        raise RecordingError(f"{path}: cannot be written: {reason}; {remedy}") from error


def _is_about(error: OSError, path: Path) -> bool:
    """Whether an error is of a file that we write, and of no other that is open meanwhile."""
    if error.filename is None or error.errno == errno.ELOOP:
        return True
    real, named = end_of_links(path), Path(os.fsdecode(error.filename))
    ours = named.name.startswith(f".{real.name}.") and named.parent == real.parent
    return ours or named in (path, real, *real.parents)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole, as :func:`atomic_file` does; text is written as UTF-8."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def claim(handle: int) -> None:
    """Let others know that an open file is being written, until it is closed or we have ended.

    Does nothing where the system has no such locks.
    """
    if sys.platform == "win32":
        return
    import fcntl

    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_claimed(path: Path) -> bool:
    """Whether somebody is writing a file, in this process or in another (:func:`claim`)."""
    if sys.platform == "win32" or not path.is_file():
        return False
    import fcntl

    handle = open_file(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


@contextmanager
def _replacing(real: Path, exists: bool, mode: int | None) -> Iterator[BinaryIO]:
    """Write beside a file and put what was written in its place."""
    if exists and not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(real))
    handle, temporary = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(real) if mode is None else mode)
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise


def _permissions(real: Path) -> int:
    try:
        return stat.S_IMODE(os.stat(real).st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _copy(content: IO[bytes], path: Path) -> None:
    """Write what is in a file to a device or a pipe."""
    content.seek(0)
    with open_in_place(path) as target:
        shutil.copyfileobj(content, target)


def open_in_place(path: Path) -> BinaryIO:
    """Open a device or a pipe for writing; nothing in it is cut off.

    Raises:
        RecordingError: It is a pipe that nobody reads.
        OSError: It cannot be opened.
    """
    own = _own_descriptor(end_of_links(path))
    if own is not None:
        return os.fdopen(os.dup(own), "wb")
    try:
        # Not to wait for a reader for ever; what is open then waits like any other.
        handle = open_file(path, os.O_WRONLY | os.O_APPEND, waits=False)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise RecordingError(
            f"{path}: is a pipe that nobody reads; start its reader first"
        ) from error
    make_waiting(handle)
    return os.fdopen(handle, "wb")


def _kind(path: Path) -> int | None:
    """Return what stands at the end of the links (``stat.S_IF…``); None where nothing does."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def _names_open_file(path: Path) -> bool:
    """Whether a path is one of the system's names for a file that a process has open."""
    parts = path.parts
    return ("fd" in parts[2:-1] and parts[:2] == ("/", "proc")) or parts[:3] == ("/", "dev", "fd")


def _own_descriptor(path: Path) -> int | None:
    """Return the number of this process's open file that a path names; None for anything else."""
    own = path.parent in (Path("/dev/fd"), Path("/proc/self/fd"), Path(f"/proc/{os.getpid()}/fd"))
    return int(path.name) if own and path.name.isdecimal() else None


def _may_change(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)
