"""What sounds, kept where a SIGKILL cannot reach it: the next start silences it.

In: the messages of the scheduler, through the :class:`~streamer.sounding.SoundingTable` that it
keeps anyway. Out: a file of one byte for each key and pedal, mapped into memory: a message costs
one byte written, no call of the system and no write to a disk. The kernel keeps the page when the
process is gone. A table that is opened over such a file begins with what was left sounding, so
that the silence which the scheduler sends first ends it. A power cut takes the memory along; an
empty file beside the state says that it happened.

The daemon makes one and hands it to the scheduler; after that one thread uses it.
"""

from __future__ import annotations

import contextlib
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
NOTE_ON = 0x90
PEDALS_AT = len(MAGIC) + CHANNELS * KEYS
SIZE = PEDALS_AT + CHANNELS


class LastingTable(SoundingTable):
    """A sounding table with a copy in a file that outlives the process.

    Attributes:
        left_sounding: Keys and pedals that the last process left down, or may have left; the
            scheduler's first silence ends them.
    """

    def __init__(self, path: Path, mark: Path | None = None) -> None:
        """Open or make the file and take over what is in it.

        Args:
            path: In a folder that is empty after a power cut.
            mark: In a folder that is not: a file that is there while something may sound. Where it
                is there and ``path`` is not, the power was cut, and any key may be down on a synth
                that has another supply.

        Raises:
            OSError: The file cannot be made, or another perpetuo that plays uses it.
        """
        import fcntl  # POSIX alone, as the folder in memory is

        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.parent.stat().st_uid != os.getuid():  # anybody may make a folder in /tmp
            raise PermissionError(f"{path.parent} belongs to somebody else")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = os.pread(handle, SIZE + 1, 0)
            os.ftruncate(handle, SIZE)
            self._bytes = mmap.mmap(handle, SIZE)
        except OSError:
            os.close(handle)
            raise
        self._handle, self._mark_path = handle, mark
        if len(left) == SIZE and left.startswith(MAGIC):
            self._take_over()
        else:
            self._bytes[:] = MAGIC + bytes(SIZE - len(MAGIC))
            if left or (mark is not None and mark.exists()):
                self._suspect_all()
        self.left_sounding = len(self._keys) + len(self._pedals)
        if self.left_sounding:
            logger.warning("the last run may have left keys down: %d are released", len(self._keys))
        if mark is not None:
            _touch(mark)

    def before(self, message: bytes) -> None:
        """Enter a message that is about to be sent."""
        super().before(message)
        self._mark(message)

    def after(self, message: bytes, now: float = 0.0) -> None:
        """Take out what a message, sent without an error at ``now`` seconds, has ended."""
        super().after(message, now)
        self._unmark(message)

    def doubt(self, since: float) -> None:
        """Enter the keys whose note-off was sent from ``since`` on, in seconds, once more."""
        super().doubt(since)
        for channel, pitch in self._keys:
            self._bytes[_place(channel, pitch)] = 1

    def close(self) -> None:
        """Let the file go; what still sounds stays in it for the next start."""
        if self._bytes.closed:
            return
        self._bytes.close()
        os.close(self._handle)
        if self._mark_path is not None and not self._keys and not self._pedals:
            with contextlib.suppress(OSError):
                self._mark_path.unlink()

    def _mark(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == NOTE_ON and message[2]:
            self._bytes[_place(channel, message[1])] = 1
        elif kind == 0xB0 and message[1] == CONTROL_PEDAL and message[2]:
            self._bytes[PEDALS_AT + channel] = 1

    def _unmark(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == 0x80 or (kind == NOTE_ON and not message[2]):
            self._bytes[_place(channel, message[1])] = 0
        elif kind == 0xB0 and message[1] == CONTROL_PEDAL and not message[2]:
            self._bytes[PEDALS_AT + channel] = 0

    def _take_over(self) -> None:
        """Enter what the file says is on."""
        for channel in range(CHANNELS):
            for pitch in range(KEYS):
                if self._bytes[_place(channel, pitch)]:
                    super().before(bytes((NOTE_ON | channel, pitch, 1)))
            if self._bytes[PEDALS_AT + channel]:
                super().before(control(channel, CONTROL_PEDAL, 127))

    def _suspect_all(self) -> None:
        """Enter every key and the pedal of the stream's first channel."""
        for pitch in range(KEYS):
            self.before(bytes((NOTE_ON, pitch, 1)))
        self.before(control(0, CONTROL_PEDAL, 127))


def _place(channel: int, pitch: int) -> int:
    return len(MAGIC) + channel * KEYS + pitch


def _touch(mark: Path) -> None:
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        logger.warning("no mark that the stream plays (%s): a power cut may leave notes on", error)


def open_table(folder: Path, port: str, mark: Path | None = None) -> SoundingTable:
    """Return a lasting table for a port, or a common one where no file can be had.

    Args:
        folder: The runtime folder (:func:`streamer.places.runtime_folder`).
        port: The port as it was asked for: what was left sounding on another is not ended here.
        mark: As :class:`LastingTable` takes it.
    """
    if os.name != "posix":
        return SoundingTable()
    path = folder / f"sounding-{zlib.crc32(port.encode()):08x}"
    try:
        return LastingTable(path, mark)
    except BlockingIOError:
        logger.info("another perpetuo plays to %s; a crash of this one is not silenced", port)
    except OSError as error:
        logger.warning("no table of what sounds (%s): a crash would leave notes on", error)
    return SoundingTable()
