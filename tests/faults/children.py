"""Commands in children with limits: forked, watched, signalled, and told how they ended.

Linux alone (pidfd, memfd). The parent has imported everything, so that a child costs milliseconds.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024
SECONDS = 20.0
"""A child that takes longer hangs."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LOST = ("Traceback", "Exception ignored", "Fatal Python error", "core dumped", "terminate called")
"""What no user should ever read."""

ENTRY = "import sys; from streamer.__main__ import main; sys.exit(main())"
"""What the script ``perpetuo`` runs."""


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        status: Its exit status, or minus the signal that killed it.
        stderr: What it wrote there.
        seconds: How long it ran.
        after_signal: How long it ran after the signal that was sent; None where it ended before.
        megabytes: The most memory that it had, with what it shares with the parent.
        given: Memory of the parent, megabytes.
        hung: It had to be killed.
    """

    status: int
    stderr: str
    seconds: float
    after_signal: float | None
    megabytes: float
    given: float
    hung: bool

    @property
    def lost(self) -> bool:
        """Whether it ended as no program should."""
        return self.hung or any(word in self.stderr for word in LOST)


def fork(
    run: Callable[[], int],
    *,
    signal_at: tuple[float, int] | None = None,
    seconds: float = SECONDS,
    memory_megabytes: int | None = None,
    cpu_seconds: int | None = None,
    folder: Path | None = None,
    with_output: bool = False,
) -> Ended:
    """Run a function in a child and return how it ended; its result is the child's status.

    Args:
        run: Called in the child alone.
        signal_at: Seconds after the start and the number of a signal to send then.
        seconds: A child that takes longer is killed.
        memory_megabytes: Address space that it may have beyond the parent's.
        cpu_seconds: Processor time that it may take.
        folder: Where it runs.
        with_output: Whether what it writes to stdout counts as said too.
    """
    errors = os.memfd_create("stderr")
    began = time.monotonic()
    # One that comes within the fork waits: the parent's handlers are not the child's.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    else:
        _become(run, errors, memory_megabytes, cpu_seconds, folder, with_output)
    return _watched(pid, errors, began, signal_at, seconds)


def command(
    words: Sequence[str],
    *,
    signal_at: tuple[float, int] | None = None,
    seconds: float = SECONDS,
    folder: Path | None = None,
    python_path: Path | None = None,
) -> Ended:
    """Start the command as a shell does, in a process of its own; see :func:`fork`.

    Args:
        words: What follows ``perpetuo``.
        signal_at: As for :func:`fork`.
        seconds: The same.
        folder: The same.
        python_path: A folder whose modules come before all others.
    """
    folders = (python_path, ROOT, os.environ.get("PYTHONPATH"))
    path = os.pathsep.join(str(one) for one in folders if one)
    errors = os.memfd_create("stderr")
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, *words],
        stdout=subprocess.DEVNULL, stderr=errors, stdin=subprocess.DEVNULL, cwd=folder,
        env={**os.environ, "PYTHONPATH": path}, preexec_fn=_plain_signals,
    )  # fmt: skip
    ended = _watched(process.pid, errors, began, signal_at, seconds)
    process.returncode = ended.status  # it was waited for
    return ended


def main_of(words: Sequence[str]) -> Callable[[], int]:
    """Return what runs the command in a forked child, from its first line on."""

    def run() -> int:
        from streamer.__main__ import main

        sys.argv = ["perpetuo", *words]
        return main()

    return run


def _plain_signals() -> None:
    """Let SIGINT work: what is started in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _become(
    run: Callable[[], int],
    errors: int,
    memory_megabytes: int | None,
    cpu_seconds: int | None,
    folder: Path | None,
    with_output: bool,
) -> None:
    """Be the child: never returns."""
    status = 70
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number, to in ((0, nowhere), (1, errors if with_output else nowhere), (2, errors)):
            os.dup2(to, number)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        if folder is not None:
            os.chdir(folder)
        if memory_megabytes is not None:
            limit = _pages(0) + memory_megabytes * MEGABYTE
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if cpu_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        status = run()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - it is told, and the child ends
        import traceback

        with suppress(Exception):
            traceback.print_exc()
            sys.stderr.flush()
        status = 71
    finally:
        os._exit(status)


def _pages(column: int) -> int:
    """Return bytes of address space (0) or of memory (1) that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[column])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _watched(
    pid: int,
    errors: int,
    began: float,
    signal_at: tuple[float, int] | None,
    seconds: float,
) -> Ended:
    """Send the signal, wait for the end, and read what was said."""
    given = _pages(1) / MEGABYTE
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    signalled, hung = None, False
    try:
        if signal_at is not None and not poll.poll(1000.0 * signal_at[0]):
            os.kill(pid, signal_at[1])
            signalled = time.monotonic()
        if not poll.poll(1000.0 * max(0.0, began + seconds - time.monotonic())):
            hung = True
            os.kill(pid, signal.SIGKILL)
        _, raw, usage = os.wait4(pid, 0)
    finally:
        os.close(handle)
    ended = time.monotonic()
    with os.fdopen(errors, "rb") as file:
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    return Ended(
        status=os.waitstatus_to_exitcode(raw),
        stderr=text,
        seconds=ended - began,
        after_signal=None if signalled is None else ended - signalled,
        megabytes=usage.ru_maxrss / 1024.0,
        given=given,
        hung=hung,
    )
