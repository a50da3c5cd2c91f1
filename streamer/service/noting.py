"""What a person plays, noted beside the music: each key and pedal with its end.

In: what comes from a person's keyboard, and whether it is part of what is played. Out: the same on
one channel, for whoever records. A key that was noted is released in the notes too, whatever came
meanwhile: a duet that is switched off, CC123, the end of the stream. Drums are left out.

Thread: the input's; :meth:`Noting.end` is for any.
"""

from __future__ import annotations

from collections.abc import Callable

from streamer.midi.keyboard import KeyboardState
from streamer.midi.messages import (
    CONTROL_PEDAL,
    DRUM_CHANNEL,
    channel_of,
    control,
    is_note,
    is_pedal,
    note_off,
    on_channel,
)
from streamer.midi.sounding import Key

PERSON_CHANNEL = 15
"""What a person plays is noted on this channel, 0..15, beside the music's own."""


class Noting:
    """Notes what a person plays.

    Args:
        note: Takes each message; it must not wait.
    """

    def __init__(self, note: Callable[[bytes], object]) -> None:
        self._note, self._keys = note, KeyboardState()
        self._down: set[Key] = set()
        self._pedal = self._ended = False

    def hear(self, message: bytes, *, wanted: bool) -> None:
        """Take in a message.

        Args:
            message: A note, a pedal, or a CC that ends notes, normalised.
            wanted: Whether it is part of what is played; else only what has begun is ended.
        """
        if self._ended or (is_note(message) and channel_of(message) == DRUM_CHANNEL):
            return
        mine = on_channel(message, PERSON_CHANNEL)
        touch = self._keys.take(mine)
        for key in touch.released:
            self._release(key)
        if touch.struck is not None and wanted:
            self._down.add(touch.struck)
            self._note(mine)
        elif is_pedal(mine) and (wanted or self._pedal):
            self._pedal = mine[2] > 0
            self._note(mine)

    def end(self) -> None:
        """End what has begun; nothing is noted any more."""
        self._ended = True
        for key in self._down.copy():
            self._release(key)
        if self._pedal:
            self._pedal = False
            self._note(control(PERSON_CHANNEL, CONTROL_PEDAL, 0))

    def _release(self, key: Key) -> None:
        if key in self._down:
            self._down.discard(key)
            self._note(note_off(*key))
