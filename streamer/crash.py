"""What sounds, kept where a SIGKILL cannot reach it: the next start silences it.

In: the messages of the scheduler, through the :class:`~streamer.sounding.SoundingTable` that it
keeps anyway. Out: a file of one byte for each key and pedal, mapped into memory: a message costs
one byte written, no call of the system and no write to a disk. The kernel keeps the page when the
process is gone. A table that is opened over such a file begins with what was left sounding, so
that the silence which the scheduler sends first ends it.

The daemon makes one and hands it to the scheduler; after that one thread uses it.
"""

from __future__ import annotations

import logging
import mmap
import os
import zlib
from pathlib import Path

from streamer.events import CONTROL_PEDAL, control
from streamer.sounding import SoundingTable

logger = logging.getLogger(__name__)

MAGIC = b"PerpSnd1"
CHANNELS, KEYS = 16, 128
PEDALS_AT = len(MAGIC) + CHANNELS * KEYS
SIZE = PEDALS_AT + CHANNELS


class LastingTable(SoundingTable):
    """A sounding table with a copy in a file that outlives the process.

    Attributes:
        left_sounding: Keys and pedals that the last process left; the scheduler's first silence
            ends them.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file and take over what is in it.

        Raises:
            OSError: The file cannot be made, or another perpetuo that plays uses it.
        """
        import fcntl  # POSIX alone, as the folder in memory is

        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = os.pread(handle, SIZE + 1, 0)
            os.ftruncate(handle, SIZE)
            self._bytes = mmap.mmap(handle, SIZE)
        except OSError:
            os.close(handle)
            raise
        self._handle = handle
        sound = len(left) == SIZE and left.startswith(MAGIC)
        if not sound:
            if left:
                logger.warning("%s is not a sounding table; begun anew", path)
            self._bytes[:] = MAGIC + bytes(SIZE - len(MAGIC))
        self.left_sounding = self._take_over() if sound else 0
        if self.left_sounding:
            logger.warning(
                "the last run left %d notes and pedals on; silencing", self.left_sounding
            )

    def before(self, message: bytes) -> None:
        """Enter a message that is about to be sent."""
        super().before(message)
        self._mark(message)

    def after(self, message: bytes, now: float = 0.0) -> None:
        """Take out what a message, sent without an error at ``now`` seconds, has ended."""
        super().after(message, now)
        self._unmark(message)

    def close(self) -> None:
        """Let the file go; what still sounds stays in it for the next start."""
        if not self._bytes.closed:
            self._bytes.close()
            os.close(self._handle)

    def _mark(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == 0x90 and message[2]:
            self._bytes[len(MAGIC) + channel * KEYS + message[1]] = 1
        elif kind == 0xB0 and message[1] == CONTROL_PEDAL and message[2]:
            self._bytes[PEDALS_AT + channel] = 1

    def _unmark(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == 0x80 or (kind == 0x90 and not message[2]):
            self._bytes[len(MAGIC) + channel * KEYS + message[1]] = 0
        elif kind == 0xB0 and message[1] == CONTROL_PEDAL and not message[2]:
            self._bytes[PEDALS_AT + channel] = 0

    def _take_over(self) -> int:
        """Enter what the file says is on; return how much that is."""
        on = [index for index in range(CHANNELS * KEYS) if self._bytes[len(MAGIC) + index]]
        pedals = [channel for channel in range(CHANNELS) if self._bytes[PEDALS_AT + channel]]
        for index in on:
            channel, pitch = divmod(index, KEYS)
            super().before(bytes((0x90 | channel, pitch, 1)))
        for channel in pedals:
            super().before(control(channel, CONTROL_PEDAL, 127))
        return len(on) + len(pedals)


def open_table(folder: Path, port: str) -> SoundingTable:
    """Return a lasting table for a port, or a common one where no file can be had.

    Args:
        folder: The runtime folder (:func:`streamer.places.runtime_folder`).
        port: The port as it was asked for: what was left sounding on another is not ended here.
    """
    if os.name != "posix":
        return SoundingTable()
    path = folder / f"sounding-{zlib.crc32(port.encode()):08x}"
    try:
        return LastingTable(path)
    except BlockingIOError:
        logger.info("another perpetuo plays to %s; a crash of this one is not silenced", port)
    except OSError as error:
        logger.warning("no table of what sounds (%s): a crash would leave notes on", error)
    return SoundingTable()
