"""Keep that: the last half hour of the stream, or its end, as a file, at any time.

In: what is held (:class:`streamer.live.held.HeldMusic`) and a folder. Out: ``keep-DATE-TIME.mid``,
whole or not at all, flushed to the disk before it has its name. Any thread; it takes as long as a
disk takes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streamer.errors import RecordingError
from streamer.live.held import HeldMusic
from streamer.system.atomic import atomic_file

logger = logging.getLogger(__name__)

MIDI, BOOKMARK = ".mid", ".bookmark"

FOLDER = "kept"
"""Folder in the state folder, where the settings name none."""

MOST_A_SECOND = 99
"""Files of one second."""


class NothingToKeep(RecordingError):
    """No note has sounded."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file that was kept.

    Attributes:
        path: The file.
        seconds: Its length.
        notes: How many begin in it.
    """

    path: Path
    seconds: float
    notes: int


class Keeping:
    """Keeps the end of a stream; any thread.

    Args:
        held: What was sent lately.
        folder: Where files go; it is made with the first.
        limit_bytes: Beyond this much in the folder nothing more is kept: what a person kept is
            never removed.
        wall: The present by the clock on the wall, for names.
    """

    def __init__(
        self,
        held: HeldMusic,
        folder: Path,
        limit_bytes: int,
        wall: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.held, self.folder = held, folder
        self._limit_bytes, self._wall = limit_bytes, wall
        self._writing = threading.Lock()

    def keep(self, seconds: float | None = None) -> Kept:
        """Write the last seconds as a file of their own.

        Args:
            seconds: How much, above 0; None writes all that is held.

        Raises:
            NothingToKeep: No note has sounded in them.
            RecordingError: The file cannot be written, or the folder is full.
        """
        with self._writing:
            cut = self.held.cut(seconds)
            if not cut.notes:
                raise NothingToKeep("no note has sounded yet; keep when the music plays")
            self._make_room(len(cut.data))
            path = self._free_name(MIDI)
            with atomic_file(path) as file:
                file.write(cut.data)
        logger.info("kept %.0f s of music, %d notes: %s", cut.seconds, cut.notes, path)
        return Kept(path, cut.seconds, cut.notes)

    def bookmark(self, data: bytes) -> Path:
        """Write a bookmark beside what is kept, and return where it lies.

        Raises:
            RecordingError: As :meth:`keep`.
        """
        with self._writing:
            self._make_room(len(data))
            path = self._free_name(BOOKMARK)
            with atomic_file(path) as file:
                file.write(data)
        logger.info("bookmark: %s", path)
        return path

    def files(self) -> list[Path]:
        """Return what has been kept, in no order."""
        try:
            return [
                path
                for path in self.folder.glob("keep-*")
                if path.suffix in (MIDI, BOOKMARK) and path.is_file() and not path.is_symlink()
            ]
        except OSError:
            return []

    def sweep(self) -> None:
        """Remove what a kill left of files that were being written."""
        with contextlib.suppress(OSError):  # a folder that may not be entered
            for path in self.folder.glob(".keep-*.part"):
                path.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Refuse what the folder has no room for (RecordingError)."""
        taken = sum(path.stat().st_size for path in self.files())
        if taken + size > self._limit_bytes:
            raise RecordingError(
                f"{self.folder}: holds {taken / 1e6:.1f} MB, of {self._limit_bytes / 1e6:g} "
                "(record.limit_mb) at most; remove some, or raise the limit"
            )

    def _free_name(self, suffix: str) -> Path:
        stem = f"keep-{self._wall():%Y%m%d-%H%M%S}"
        for number in range(1, MOST_A_SECOND + 1):
            name = stem if number == 1 else f"{stem}-{number}"
            path = self.folder / f"{name}{suffix}"
            if not path.exists():
                return path
        raise RecordingError(f"{MOST_A_SECOND} files were kept within a second; wait for the next")
