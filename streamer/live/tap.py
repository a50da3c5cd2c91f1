"""What was written and what has left, held for a while so that a surface can show it.

In: each phrase from the generator's thread, each message from the scheduler's, which may not wait.
Out: what is new since a serial number, to any thread. Neither writer takes a lock: both append to a
bounded queue, and the oldest fall out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Generic, TypeVar

from streamer.music.notes import Phrase
from streamer.ports.base import Port, settle

T = TypeVar("T")

MOST_PHRASES, MOST_MESSAGES, MOST_GHOSTS = 256, 2048, 48
"""What is held; some minutes of phrases, and more messages than leave between two looks."""

GHOSTS_A_PHRASE, GHOST_NOTES = 4, 64
"""Dropped phrases that are shown beside the one that was kept, and notes of each."""


class Held(Generic[T]):
    """The last items of a stream with serial numbers; one thread adds, any thread reads."""

    def __init__(self, most: int) -> None:
        self._items: deque[tuple[int, T]] = deque(maxlen=most)
        self._serials = count(1)

    def add(self, item: T) -> None:
        """Append one; it never waits."""
        self._items.append((next(self._serials), item))

    def since(self, serial: int) -> tuple[int, Sequence[T]]:
        """Return the last serial number, and the items after ``serial`` that are still held."""
        while True:
            last, fresh = serial, list[T]()
            try:
                # From the end: of thousands that are held a few are new.
                for number, item in reversed(self._items):
                    if number <= serial:
                        break
                    last = max(last, number)
                    fresh.append(item)
            except RuntimeError:  # one was added meanwhile
                continue
            return last, fresh[::-1]


class Tap:
    """Phrases as they are written, messages as they leave.

    Attributes:
        phrases: Of the generator.
        messages: Seconds of the clock, and the bytes.
        ghosts: Phrases that were dropped, each with its reason, laid where the one lies that was
            written in their place.
    """

    def __init__(self) -> None:
        self.phrases: Held[Phrase] = Held(MOST_PHRASES)
        self.messages: Held[tuple[float, bytes]] = Held(MOST_MESSAGES)
        self.ghosts: Held[tuple[str, Phrase]] = Held(MOST_GHOSTS)

    def dropped(self, phrase: Phrase, ghosts: Iterable[tuple[str, Phrase]]) -> None:
        """Note what was dropped before a phrase was written; the generator's thread."""
        for reason, ghost in list(ghosts)[:GHOSTS_A_PHRASE]:
            moved_ms = phrase.start_ms - ghost.start_ms
            notes = tuple(
                replace(note, onset_ms=max(note.onset_ms + moved_ms, 0.0))
                for note in ghost.notes[:GHOST_NOTES]
            )
            self.ghosts.add((reason, replace(ghost, notes=notes, start_ms=phrase.start_ms)))


class TappedPort:
    """A port whose messages are noted as they leave; the rest is the port's own.

    Args:
        port: Where they go.
        tap: Where they are noted.
        now: Seconds of the clock.
    """

    def __init__(self, port: Port, tap: Tap, now: Callable[[], float]) -> None:
        self._port, self._tap, self._now = port, tap, now

    @property
    def name(self) -> str:
        """The port's."""
        return self._port.name

    @property
    def epoch(self) -> int:
        """The port's."""
        return self._port.epoch

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send, then note."""
        self._port.send(message, at_ms)
        self._tap.messages.add((self._now(), message))

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        settle(self._port)

    def close(self) -> None:
        """Close the port."""
        self._port.close()
