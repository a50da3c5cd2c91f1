"""The recorder: a Standard MIDI file that grows on disk while the stream plays.

In: every message that leaves, with its place in the played music. Out: a ``.mid`` of one track
that can be read at any moment. It is a port like any other (``file:PATH``, ``--record PATH``), so
that what is recorded is what was sent.

Sending only queues; a thread of the recorder's own writes twice a second, so that a slow card never
holds up a note. After a crash at most the last second is missing, and the file is whole:

* it appears under its name with the first note, complete with header and end of track, and what was
  there before is kept beside it under a numbered name: a start that fails leaves both as they were;
* a write first takes the old end of track out of the length in the header, then puts the new events
  and a new end of track in its place, then lets the length count them. Between any two of these
  steps the length covers whole events.

A full disk does not stop the stream: what cannot be written is kept in memory and tried again, and
:meth:`MidiFileSink.close` raises if it never succeeds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from streamer.errors import RecordingError
from streamer.midi import writer
from streamer.midi.messages import (
    FIRST_MODE_MESSAGE,
    channel_of,
    check_message,
    ends_note,
    has_channel,
    is_control,
    is_pedal,
    key_of,
    presses_pedal,
    starts_note,
)
from streamer.midi.meta import DEFAULT_TEMPO
from streamer.system.atomic import (
    check_target,
    claim,
    end_of_links,
    is_claimed,
    is_written_in_place,
)
from streamer.system.descriptors import open_file, rename_open, write_at
from streamer.system.realtime import step_back

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""How often the recorder's thread writes."""

UNSAVED_BYTES = 16 * 1024 * 1024
"""How much is kept in memory while the disk is full: more than a day of dense music."""

_END_OF_TRACK = writer.end_of_track()
_LENGTH_AT, _TRACK_AT = writer.FIRST_TRACK + 4, writer.FIRST_TRACK + 8

Pwrite = Callable[[int, bytes, int], int]


class MidiFileSink:
    """Writes what it is sent to a MIDI file; a :class:`streamer.ports.base.Port`.

    Args:
        path: The file. One that is there with something in it is kept under ``NAME-1.mid``. Of a
            link, all this is said of what it leads to.
        track_name: Name of the track.
        into: An open file that is written instead, from its beginning; ``path`` is then what errors
            name.
        pwrite: For tests: what writes at a place, or something that fails like it.

    Attributes:
        notes: How many have begun.

    Raises:
        RecordingError: The file cannot be made, or another recorder writes it.
    """

    epoch = 1

    def __init__(
        self,
        path: Path | str,
        *,
        track_name: str = "Perpetuo",
        into: BinaryIO | None = None,
        pwrite: Pwrite = write_at,
    ) -> None:
        self.path = Path(path)
        self.error: RecordingError | None = None
        self._pwrite = pwrite
        self._waiting: deque[tuple[float | None, bytes]] = deque()
        self._unsaved = bytearray()
        self._lost = 0
        self._tick = 0
        self.notes = 0
        self._down: set[tuple[int, int]] = set()
        self._pedals: set[int] = set()
        self._flushing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._head = _header(track_name)
        self._end = len(self._head) - len(_END_OF_TRACK)
        self._file: int | None = None
        self._closed = False
        if into is not None:
            self._file = os.dup(into.fileno())
            self._write(self._head, 0)
        else:
            self._prepare()

    @property
    def name(self) -> str:
        """``file:PATH``."""
        return f"file:{self.path}"

    def start(self) -> MidiFileSink:
        """Write twice a second from now on, in a thread of its own; returns itself."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        return self

    @property
    def seconds(self) -> float:
        """How much music was written, in seconds."""
        return self._tick * writer.TICK_MS / 1000.0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Queue one message; any thread, never waits.

        Args:
            message: 1 to 3 bytes.
            at_ms: Place in the played music; None is where the last one was.
        """
        check_message(message)
        if not self._closed:
            self._waiting.append((at_ms, message))

    def flush(self) -> None:
        """Write all that is queued; any thread. A failure is kept in ``error``, and tried again.

        What comes before the first note waits for it.
        """
        with self._flushing:
            if self._closed:
                return
            self._encode()
            if not self._unsaved or not self.notes:
                return
            try:
                if self._file is None:
                    self._begin()
                self._append(bytes(self._unsaved))
            except OSError as error:
                self._complain(error)
                return
            self._unsaved.clear()
            if self.error is not None:
                logger.info("%s: the recording goes on", self.path)
            self.error = None

    def close(self) -> None:
        """Write the rest and let the file go.

        Raises:
            RecordingError: Something could not be written; the file holds what came before it.
        """
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        with self._flushing:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None
                if self._thread is not None:
                    logger.info("%s: %s", self.path, written(self.notes, self.seconds))
        if self.error is not None or self._lost:
            unsaved = len(self._unsaved) + self._lost
            reason = self.error or f"{self.path}: the disk was full for too long"
            raise RecordingError(f"{reason}; {unsaved} bytes of the end are missing")

    def _run(self) -> None:
        step_back()
        while not self._closing.wait(FLUSH_SECONDS):
            self.flush()

    def _encode(self) -> None:
        """Turn what waits into bytes of the track."""
        while self._waiting:
            at_ms, message = self._waiting.popleft()
            if not self._belongs(message):
                continue
            tick = self._tick if at_ms is None else max(round(at_ms / writer.TICK_MS), self._tick)
            event = writer.event(tick - self._tick, message)
            if len(self._unsaved) + len(event) > UNSAVED_BYTES:
                self._lost += len(event)
                continue
            self._unsaved += event
            self._tick = tick

    def _belongs(self, message: bytes) -> bool:
        """Whether a message is music: what only makes sure of silence is not."""
        if starts_note(message):
            self._down.add(key_of(message))
            self.notes += 1
        elif ends_note(message):
            if key_of(message) not in self._down:
                return False
            self._down.discard(key_of(message))
        elif presses_pedal(message):
            self._pedals.add(channel_of(message))
        elif is_pedal(message):
            if channel_of(message) not in self._pedals:
                return False
            self._pedals.discard(channel_of(message))
        elif is_control(message):
            return message[1] < FIRST_MODE_MESSAGE
        return has_channel(message)

    def _append(self, events: bytes) -> None:
        """Put events where the end of the track is, and a new end behind them."""
        self._set_length(self._end)
        try:
            self._write(events + _END_OF_TRACK, self._end)
        except OSError:
            self._write(_END_OF_TRACK, self._end)
            self._set_length(self._end + len(_END_OF_TRACK))
            raise
        self._end += len(events)
        self._set_length(self._end + len(_END_OF_TRACK))
        self._sync()

    def _set_length(self, end: int) -> None:
        self._write((end - _TRACK_AT).to_bytes(4, "big"), _LENGTH_AT)

    def _write(self, data: bytes, at: int) -> None:
        if self._file is not None:
            self._put(self._file, data, at)

    def _put(self, handle: int, data: bytes, at: int) -> None:
        while data:
            done = self._pwrite(handle, data, at)
            data, at = data[done:], at + done

    def _sync(self) -> None:
        if self._file is not None and stat.S_ISREG(os.fstat(self._file).st_mode):
            os.fsync(self._file)

    def _complain(self, error: OSError) -> None:
        """Keep the error, and log it when it is new."""
        text = f"{self.path}: the recording cannot be written: {error.strerror or error}"
        if self.error is None and self._thread is not None:
            logger.error("%s; it is kept in memory and tried again", text)
        self.error = RecordingError(text)

    def _prepare(self) -> None:
        """Make sure that the file can be written, and open it where it is a device.

        A header is written to a file beside it and taken away again: a full disk shows at once.
        """
        path = self.path
        check_target(path)
        if path.is_fifo():
            raise RecordingError(f"{path}: is a pipe, and a recording needs a file; name one")
        try:
            if is_written_in_place(path):
                self._file = open_file(path, os.O_WRONLY, waits=False)
                self._write(self._head, 0)
                return
            real = end_of_links(path)
            if is_claimed(real):
                raise RecordingError(
                    f"{path}: another recording is being written to it; name another file"
                )
            part = _part_of(real)
            try:
                os.close(self._make(part))
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be recorded to: {error.strerror or error}; "
                "name a file in a folder that can be written"
            ) from error

    def _begin(self) -> None:
        """Make the file with a header and nothing more, and give it its name (OSError)."""
        real = end_of_links(self.path)
        handle = self._make(part := _part_of(real))
        try:
            if is_claimed(real):  # by one that began after this one was opened
                self.path = real = _free_name(real)
                logger.warning("another recording has taken the name; this one is %s", real)
            claim(handle)
            _set_aside(real)
            handle = rename_open(handle, part, real)
        except OSError:
            with contextlib.suppress(OSError):  # it may be closed already
                os.close(handle)
            part.unlink(missing_ok=True)
            raise
        self._file = handle

    def _make(self, part: Path) -> int:
        """Return an open file with the header in it (OSError)."""
        handle = open_file(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            self._put(handle, self._head, 0)
            os.fsync(handle)
        except BaseException:
            os.close(handle)
            part.unlink(missing_ok=True)
            raise
        return handle


def written(notes: int, seconds: float) -> str:
    """Return in words what a recording holds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    length = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{notes} note{'' if notes == 1 else 's'}, {length} of music"


def _part_of(real: Path) -> Path:
    return real.with_name(f".{real.name}.{os.getpid()}.part")


def _free_name(path: Path) -> Path:
    """Return the first numbered name that nothing has."""
    number = 1
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return other


def _set_aside(path: Path) -> None:
    """Give an earlier recording another name: the first that is free."""
    if not path.is_file() or not path.stat().st_size:
        return
    other = _free_name(path)
    path.rename(other)
    logger.info("%s was there already and is now %s", path, other.name)


def _header(track_name: str) -> bytes:
    """Return a file of one track that says its name and tempo, and ends."""
    named = (0, writer.track_name(track_name))
    return writer.midi_file([writer.track([named, (0, writer.tempo(DEFAULT_TEMPO))])])
