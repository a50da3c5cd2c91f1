"""What sounds, kept where a SIGKILL cannot reach it: the next start silences it.

In: the messages of the scheduler, through the :class:`~streamer.midi.sounding.SoundingTable` that
    it
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
import math
import mmap
import os
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamer.midi.messages import (
    CHANNELS,
    CONTROL_PEDAL,
    channel_of,
    control,
    ends_note,
    key_of,
    lifts_pedal,
    note_on,
    presses_pedal,
    starts_note,
)
from streamer.midi.sounding import SoundingTable

logger = logging.getLogger(__name__)

MAGIC = b"PerpSnd1"
KEYS = 128
PEDALS_AT = len(MAGIC) + CHANNELS * KEYS
SIZE = PEDALS_AT + CHANNELS


class LastingTable(SoundingTable):
    """A sounding table with a copy in a file that outlives the process.

    Attributes:
        left_sounding: Keys and pedals that the last process left down, or may have left; the
            scheduler's first silence ends them.
    """

    def __init__(self, path: Path, mark: Path | None = None, lag_seconds: float = 0.0) -> None:
        """Open or make the file and take over what is in it.

        Args:
            path: In a folder that is empty after a power cut.
            mark: In a folder that is not: a file that is there while something may sound. Where it
                is there and ``path`` is not, the power was cut, and any key may be down on a synth
                that has another supply.
            lag_seconds: How long a message may be on its way (:mod:`streamer.ports.delays`): what
                it has ended stays in the file so long.

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
        self._lag, self._ending = lag_seconds, deque[tuple[float, bytes]]()
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
        if not self._lag:
            self._unmark(message)
            return
        if ends_note(message) or lifts_pedal(message):
            self._ending.append((now + self._lag, message))
        self._unmark_ended(now)

    def doubt(self, since: float) -> None:
        """Enter the keys whose note-off was sent from ``since`` on, in seconds, once more."""
        super().doubt(since)
        for channel, pitch in self._keys:
            self._bytes[_place(channel, pitch)] = 1

    def close(self) -> None:
        """Let the file go; what still sounds stays in it for the next start."""
        if self._bytes.closed:
            return
        self._unmark_ended(math.inf)
        self._bytes.close()
        os.close(self._handle)
        if self._mark_path is not None and not self._keys and not self._pedals:
            with contextlib.suppress(OSError):
                self._mark_path.unlink()

    def _mark(self, message: bytes) -> None:
        if starts_note(message):
            self._bytes[_place(*key_of(message))] = 1
        elif presses_pedal(message):
            self._bytes[PEDALS_AT + channel_of(message)] = 1

    def _unmark(self, message: bytes) -> None:
        if ends_note(message):
            self._bytes[_place(*key_of(message))] = 0
        elif lifts_pedal(message):
            self._bytes[PEDALS_AT + channel_of(message)] = 0

    def _unmark_ended(self, now: float) -> None:
        """Take out what ended, and has arrived by ``now``; not what has begun again since."""
        while self._ending and self._ending[0][0] <= now:
            _, message = self._ending.popleft()
            if ends_note(message):
                again = key_of(message) in self._keys
            else:
                again = channel_of(message) in self._pedals
            if not again:
                self._unmark(message)

    def _take_over(self) -> None:
        """Enter what the file says is on."""
        for message in _begun(self._bytes[:]):
            super().before(message)

    def _suspect_all(self) -> None:
        """Enter every key and the pedal of the stream's first channel."""
        for pitch in range(KEYS):
            self.before(note_on(0, pitch, 1))
        self.before(control(0, CONTROL_PEDAL, 127))


def _begun(table: Sequence[int]) -> Iterator[bytes]:
    """Yield messages that begin what the bytes of a table say is on."""
    for channel in range(CHANNELS):
        for pitch in range(KEYS):
            if table[_place(channel, pitch)]:
                yield note_on(channel, pitch, 1)
        if table[PEDALS_AT + channel]:
            yield control(channel, CONTROL_PEDAL, 127)


def _place(channel: int, pitch: int) -> int:
    return len(MAGIC) + channel * KEYS + pitch


def _touch(mark: Path) -> None:
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        logger.warning("no mark that the stream plays (%s): a power cut may leave notes on", error)


def read_table(folder: Path, port: str) -> SoundingTable:
    """Return what sounds on a port by the table of a process that plays, or played, to it.

    Nothing is changed, and nobody is asked: that process may hang. The arguments are those of
    :func:`open_table`; where there is no table, nothing sounds.
    """
    table = SoundingTable()
    with contextlib.suppress(OSError):
        found = _path(folder, port).read_bytes()
        if len(found) == SIZE and found.startswith(MAGIC):
            for message in _begun(found):
                table.before(message)
    return table


def _path(folder: Path, port: str) -> Path:
    return folder / f"sounding-{zlib.crc32(port.encode()):08x}"


def open_table(
    folder: Path, port: str, mark: Path | None = None, lag_seconds: float = 0.0
) -> SoundingTable:
    """Return a lasting table for a port, or a common one where no file can be had.

    Args:
        folder: The runtime folder (:func:`streamer.system.folders.runtime_folder`).
        port: The port as it was asked for: what was left sounding on another is not ended here.
        mark: As :class:`LastingTable` takes it.
        lag_seconds: The same.
    """
    if sys.platform == "win32":  # no folder in memory, and no lock that a crash lets go of
        return SoundingTable()
    try:
        return LastingTable(_path(folder, port), mark, lag_seconds)
    except BlockingIOError:
        logger.info("another perpetuo plays to %s; a crash of this one is not silenced", port)
    except OSError as error:
        logger.warning("no table of what sounds (%s): a crash would leave notes on", error)
    return SoundingTable()
