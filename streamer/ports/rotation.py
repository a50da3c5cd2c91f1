"""Endless recording: one .mid file after another in a folder, the oldest removed at a limit.

In: every message that leaves, as :class:`~streamer.ports.recorder.MidiFileSink` takes it. Out:
files ``perpetuo-DATE-TIME.mid``, each whole at any moment, each beginning at 0. A file ends at the
first silence after its time is over, so that no note is cut; where no silence comes, the notes that
sound then end with their file, and pedals are pressed again in the next. Sounds and volumes of the
channels are said again at the beginning of each.

:meth:`RotatingSink.send` only queues; all else is done by a thread of this object's own. Opened by
the daemon where ``record.folder`` is set.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from streamer.errors import RecordingError
from streamer.midi.greeting import Greeting
from streamer.midi.messages import (
    CONTROL_PEDAL,
    FIRST_MODE_MESSAGE,
    check_message,
    control,
    is_control,
    is_pedal,
    is_program,
    presses_pedal,
    starts_note,
)
from streamer.midi.sounding import SoundingTable
from streamer.ports.recorder import FLUSH_SECONDS, MidiFileSink, written
from streamer.system.realtime import step_back

logger = logging.getLogger(__name__)

NAME = re.compile(r"perpetuo-\d{8}-\d{6}(-\d+)?\.mid")
"""What files of ours are called; no other is ever removed."""

OVERTIME = 0.1
"""Share of a file's time in which a silence is waited for, to end it there."""

RETRY_MS = 60_000.0
"""Music after which a new file is tried again where one could not be made."""


class RotatingSink:
    """Writes what it is sent to one file after another; a :class:`streamer.ports.base.Port`.

    Args:
        folder: Where the files lie; made if it is missing.
        seconds: Length of a file, in seconds of played music, above 0.
        limit_bytes: Size of all files together, beyond which the oldest are removed.
        stamp: Returns date and time for a name; for tests.

    Raises:
        RecordingError: The first file cannot be made.
    """

    epoch = 1

    def __init__(
        self,
        folder: Path,
        seconds: float,
        limit_bytes: int,
        stamp: Callable[[], str] = lambda: time.strftime("%Y%m%d-%H%M%S"),
    ) -> None:
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, not {seconds}")
        self._folder, self._length_ms, self._limit = folder, seconds * 1000.0, limit_bytes
        self._stamp = stamp
        self._waiting: deque[tuple[float | None, bytes]] = deque()
        self._table = SoundingTable()
        self._sounds = Greeting()
        self._start_ms: float | None = None
        self._now_ms = 0.0
        self._retry_ms = float("-inf")
        self._told = False
        self._working = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._sink: MidiFileSink = self._open()
        self.remove_oldest()

    @property
    def name(self) -> str:
        """``file:FOLDER``."""
        return f"file:{self._folder}"

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._sink.path

    def start(self) -> RotatingSink:
        """Write twice a second from now on, in a thread of its own; returns itself."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        return self

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Queue one message; any thread, never waits."""
        check_message(message)
        self._waiting.append((at_ms, message))

    def flush(self) -> None:
        """Write all that is queued, to a next file where it is time for one; any thread."""
        with self._working:
            while self._waiting:
                at_ms, message = self._waiting.popleft()
                self._write(self._now_ms if at_ms is None else at_ms, message)
            self._sink.flush()

    def close(self) -> None:
        """Write the rest and let the file go.

        Raises:
            RecordingError: Something could not be written.
        """
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        self._sink.close()
        if self._told:
            return
        self._told = True
        if self._sink.notes:
            logger.info("%s: %s", self._sink.path, written(self._sink.notes, self._sink.seconds))

    def remove_oldest(self) -> None:
        """Remove the oldest of our files until all together are within the limit."""
        found = []
        for path in self._folder.iterdir():
            if NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                stat = path.stat()
                found.append((stat.st_mtime, path.name, stat.st_size, path))
        total = sum(size for _, _, size, _ in found)
        for _, _, size, path in sorted(found):
            if total <= self._limit:
                break
            if path == self._sink.path:
                continue
            try:
                path.unlink()
            except OSError as error:
                logger.warning("%s cannot be removed: %s", path, error)
                continue
            total -= size
            logger.info("removed %s, the oldest recording (record.limit_mb)", path)

    def _run(self) -> None:
        step_back()
        while not self._closing.wait(FLUSH_SECONDS):
            self.flush()

    def _write(self, at_ms: float, message: bytes) -> None:
        self._now_ms = at_ms = max(at_ms, self._now_ms)
        if self._start_ms is None:
            self._start_ms = at_ms
        age_ms = at_ms - self._start_ms
        if age_ms >= self._length_ms and at_ms >= self._retry_ms and _begins(message):
            silent = not self._table.keys and not self._table.pedals
            if silent or age_ms >= self._length_ms * (1.0 + OVERTIME):
                self._turn(at_ms)
        self._table.before(message)
        self._table.after(message)
        if _sets_sound(message):
            self._sounds.put((message,))
        self._sink.send(message, at_ms - self._start_ms)

    def _turn(self, at_ms: float) -> None:
        """End the file and begin the next; where none can be made, go on with this one."""
        start_ms = self._start_ms or 0.0
        try:
            sink = self._open()
        except RecordingError as error:
            logger.warning("%s; the recording goes on in %s", error, self._sink.path)
            self._retry_ms = at_ms + RETRY_MS
            return
        # What sounds over the turn ends with the old file: its note-offs are no part of the new.
        pedals = self._table.pedals
        for message in self._table.silence():
            self._sink.send(message, at_ms - start_ms)
        try:
            self._sink.close()
        except RecordingError as error:
            logger.warning("%s", error)
        self._sink, self._start_ms, self._table = sink, at_ms, SoundingTable()
        for said in self._sounds:
            sink.send(said, 0.0)
        for pressed in (control(channel, CONTROL_PEDAL, 127) for channel in pedals):
            self._table.before(pressed)
            sink.send(pressed, 0.0)
        logger.info("the recording goes on in %s", sink.path)
        self.remove_oldest()

    def _open(self) -> MidiFileSink:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(
                f"{self._folder}: cannot be recorded to: {error.strerror or error}; "
                "name a folder that can be written"
            ) from error
        return MidiFileSink(self._folder / f"perpetuo-{self._stamp()}.mid")


def _sets_sound(message: bytes) -> bool:
    """Whether a message says what a channel sounds like, until another does."""
    lasts = is_control(message) and not is_pedal(message) and message[1] < FIRST_MODE_MESSAGE
    return is_program(message) or lasts


def _begins(message: bytes) -> bool:
    """Whether a message strikes a key or presses a pedal: an ending begins no file."""
    return starts_note(message) or presses_pedal(message)
