"""The recorder: a Standard MIDI file that grows on disk while the stream plays.

In: every message that leaves, with its place in the played music. Out: a ``.mid`` of one track
that can be read at any moment. It is a port like any other (``file:PATH``, ``--record PATH``), so
that what is recorded is what was sent.

Sending only queues; a thread of the recorder's own writes twice a second, so that a slow card never
holds up a note. After a crash at most the last second is missing, and the file is whole:

* it appears under its name complete with header and end of track, and what was there before is
  kept beside it under a numbered name;
* a write first takes the old end of track out of the length in the header, then puts the new events
  and a new end of track in its place, then lets the length count them. Between any two of these
  steps the length covers whole events.

A full disk does not stop the stream: what cannot be written is kept in memory and tried again, and
:meth:`MidiFileSink.close` raises if it never succeeds.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from streamer.errors import RecordingError
from streamer.events import CONTROL_PEDAL, FIRST_MODE_MESSAGE, check_message
from streamer.midifile import TEMPO_MICROSECONDS, TICK_MS, TICKS_PER_QUARTER
from streamer.realtime import step_back

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""How often the recorder's thread writes."""

UNSAVED_BYTES = 16 * 1024 * 1024
"""How much is kept in memory while the disk is full: more than a day of dense music."""

_END_OF_TRACK = b"\x00\xff\x2f\x00"
_LENGTH_AT, _TRACK_AT = 18, 22

Pwrite = Callable[[int, bytes, int], int]


class MidiFileSink:
    """Writes what it is sent to a MIDI file; a :class:`streamer.ports.base.Port`.

    Args:
        path: The file. One that is there with something in it is kept under ``NAME-1.mid``.
        track_name: Name of the track.
        pwrite: For tests: ``os.pwrite`` or something that fails like it.

    Attributes:
        notes: How many have begun.

    Raises:
        RecordingError: The file cannot be made.
    """

    epoch = 1

    def __init__(
        self, path: Path | str, *, track_name: str = "Perpetuo", pwrite: Pwrite = os.pwrite
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
        head = _header(track_name)
        self._end = len(head) - len(_END_OF_TRACK)
        self._file: int | None = self._create(head)

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
        return self._tick * TICK_MS / 1000.0

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Queue one message; any thread, never waits.

        Args:
            message: 1 to 3 bytes.
            at_ms: Place in the played music; None is where the last one was.
        """
        check_message(message)
        if self._file is not None:
            self._waiting.append((at_ms, message))

    def flush(self) -> None:
        """Write all that is queued; any thread. A failure is kept in ``error``, and tried again."""
        with self._flushing:
            if self._file is None:
                return
            self._encode()
            if not self._unsaved:
                return
            try:
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
            tick = self._tick if at_ms is None else max(round(at_ms / TICK_MS), self._tick)
            event = _variable_length(tick - self._tick) + message
            if len(self._unsaved) + len(event) > UNSAVED_BYTES:
                self._lost += len(event)
                continue
            self._unsaved += event
            self._tick = tick

    def _belongs(self, message: bytes) -> bool:
        """Whether a message is music: what only makes sure of silence is not."""
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == 0x90 and message[2]:
            self._down.add((channel, message[1]))
            self.notes += 1
        elif kind in (0x80, 0x90):
            if (channel, message[1]) not in self._down:
                return False
            self._down.discard((channel, message[1]))
        elif kind == 0xB0 and message[1] == CONTROL_PEDAL:
            if not message[2] and channel not in self._pedals:
                return False
            (self._pedals.add if message[2] else self._pedals.discard)(channel)
        elif kind == 0xB0:
            return message[1] < FIRST_MODE_MESSAGE
        return kind < 0xF0

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
        while data and self._file is not None:
            done = self._pwrite(self._file, data, at)
            data, at = data[done:], at + done

    def _sync(self) -> None:
        if self._file is not None and stat.S_ISREG(os.fstat(self._file).st_mode):
            os.fsync(self._file)

    def _complain(self, error: OSError) -> None:
        """Keep the error, and log it when it is new."""
        text = f"{self.path}: the recording cannot be written: {error.strerror or error}"
        if self.error is None:
            logger.error("%s; it is kept in memory and tried again", text)
        self.error = RecordingError(text)

    def _create(self, head: bytes) -> int:
        """Make the file with a header and nothing more, and give it its name."""
        path = self.path
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        special = path.exists() and not path.is_file()
        target = path if special else part
        try:
            self._file = os.open(
                target, os.O_RDWR | (0 if special else os.O_CREAT | os.O_TRUNC), 0o644
            )
            try:
                self._write(head, 0)
                self._sync()
                if not special:
                    _set_aside(path)
                    part.replace(path)
            except OSError:
                os.close(self._file)
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be recorded to: {error.strerror or error}; "
                "name a file in a folder that can be written"
            ) from error
        return self._file


def written(notes: int, seconds: float) -> str:
    """Return in words what a recording holds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    length = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{notes} note{'' if notes == 1 else 's'}, {length} of music"


def _set_aside(path: Path) -> None:
    """Give an earlier recording another name: the first that is free."""
    if not path.is_file() or not path.stat().st_size:
        return
    number = 1
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    path.rename(other)
    logger.info("%s was there already and is now %s", path, other.name)


def _header(track_name: str) -> bytes:
    """Return a file of one track that says its name and tempo, and ends."""
    text = track_name.encode("utf-8")
    track = b"\x00\xff\x03" + _variable_length(len(text)) + text
    track += b"\x00\xff\x51\x03" + TEMPO_MICROSECONDS.to_bytes(3, "big") + _END_OF_TRACK
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + TICKS_PER_QUARTER.to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


def _variable_length(value: int) -> bytes:
    """Return a number as MIDI files write it: seven bits a byte, the last without its high bit."""
    value = min(value, 0x0FFFFFFF)
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))
