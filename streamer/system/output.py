"""The one rule for stdout and stderr: whatever they are, the program says what it can and ends.

In: the two streams as the system has opened them: closed, full, a pipe that nobody reads any more,
a terminal that knows few letters. Out: streams that can be printed to, and at the end whether all
of it could be written. Thread: main.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TextIO


def prepare_output() -> None:
    r"""Let anything be printed: to nowhere where a stream is closed, and letters of any alphabet.

    A letter that a stream's encoding has not is written as Python would (``\u266a``).
    """
    _occupy_descriptors()
    # Kept open until the end, as the streams that they stand for would be.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(line: str) -> None:
    """Write a line to stderr; one that cannot be written is nobody's to read."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")


def finish_output() -> OSError | None:
    """Write what is still buffered; afterwards nothing more is, and the interpreter ends quietly.

    Returns:
        What kept stdout from being written, where that is worth a word: whoever stops to read has
        seen enough.
    """
    failed = _flush(sys.stdout)
    _flush(sys.stderr)
    return None if failed is None or failed.errno == errno.EPIPE else failed


def drop_output() -> None:
    """Leave what is still buffered unwritten: whoever should read it may never do so."""
    for stream in (sys.stdout, sys.stderr):
        _forget(stream)


def _occupy_descriptors() -> None:
    """Open the null device where stdin, stdout or stderr is closed.

    Any file that is opened later would take its number, and get what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def _flush(stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        _forget(stream)
        return error
    except ValueError:  # closed by somebody
        return None
    return None


def _forget(stream: TextIO) -> None:
    """Send what is buffered, and all that follows, nowhere."""
    with contextlib.suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
