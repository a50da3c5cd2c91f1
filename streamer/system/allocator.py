"""The memory of a process that lives for weeks: what the C library's allocator is told.

To be told before threads and model are there. Only glibc is spoken to; elsewhere nothing happens.

By itself glibc takes large blocks from its heaps once a large one was freed, and gives each thread
a heap of its own. Blocks of a stream differ in size, because the number of candidates follows the
machine, so that holes grow between them for hours: 0.75 MiB an hour were seen
(docs/results/reliability.md).
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

LARGE_BYTES = 128 * 1024
"""Blocks from this size on are mapped by themselves and given back when freed: glibc's own bound,
but fixed. To set it is what keeps it from growing."""

HEAPS = 1
"""The timing thread hardly ever asks for memory, and has to wait for the interpreter anyway."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8


def keep_flat() -> None:
    """Let memory that was freed go back to the system for as long as the process lives."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_ARENA_MAX, HEAPS)
            libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Give what was freed back to the system at once; takes milliseconds."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
