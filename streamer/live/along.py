"""What leaves at once beside the music, and what is only noted beside it.

In: messages of any thread: some are to be sent, without waiting for their place in the music; some
a person has played, which sound by themselves. Out: the first at the port, the second to whoever
records, both with their place. Nothing of it is left sounding: what was sent is in the table of
sounding notes, as all else is.
"""

from __future__ import annotations

import queue
from collections.abc import Callable

from streamer.live.sender import Sender
from streamer.midi.messages import ends_note, key_of, note_off, starts_note
from streamer.midi.sounding import Key

Aside = Callable[[bytes, float], object]
"""Takes a message that a person has played, and its place as heard, ms; it must not wait."""


def both(first: Aside, second: Aside) -> Aside:
    """Return what tells two."""

    def told(message: bytes, heard_ms: float) -> None:
        first(message, heard_ms)
        second(message, heard_ms)

    return told


class Along:
    """Messages beside the music; :meth:`turn` is the scheduler's, the others any thread's.

    Args:
        wake: Called when there is something to do.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._played: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.aside: Aside = lambda message, heard_ms: None

    def send(self, message: bytes) -> None:
        """Let a note message leave at once; while the music is held none begins."""
        self._waiting.put(message)
        self._wake()

    def note(self, message: bytes) -> None:
        """Note a message that a person has played; it is not sent."""
        self._played.put(message)
        self._wake()

    def turn(self, out: Sender, at_ms: float, *, plays: bool) -> None:
        """Send and note what waits.

        Args:
            out: Sends.
            at_ms: The present as a place in the music.
            plays: Whether notes may begin.
        """
        while not self._waiting.empty():
            message = self._waiting.get()
            if starts_note(message):
                if plays:
                    self._strike(out, message, at_ms)
            elif not ends_note(message) or self._claims(out, key_of(message)):
                out.send(message, at_ms)
        while not self._played.empty():
            self.aside(self._played.get(), out.tape.heard_ms(at_ms))

    @staticmethod
    def _strike(out: Sender, message: bytes, at_ms: float) -> None:
        """Begin a note; what sounded on its key has no claim on it any more."""
        key = key_of(message)
        if key in out.table.keys:
            out.owners.pop(key, None)
            out.send(note_off(*key), at_ms)
        out.send(message, at_ms)

    @staticmethod
    def _claims(out: Sender, key: Key) -> bool:
        """Whether a key sounds, and not since the music has struck it."""
        return key in out.table.keys and key not in out.owners
