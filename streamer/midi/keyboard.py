"""A player's keyboard: which keys are down, which ring under the sustain pedal, what ends them.

In: what comes from a keyboard, one message after the other. Out: what each does to which key. Notes
of channel 10 are drums and no keys. A pedal holds the keys of its own channel; CC120 and CC123 end
them all, those under the pedal too, and leave the pedals where they are. One thread at a time; no
time and no lock are here.
"""

from __future__ import annotations

from typing import NamedTuple

from streamer.midi.messages import (
    CONTROL_PEDAL,
    DRUM_CHANNEL,
    PEDAL_DOWN_FROM,
    channel_of,
    ends_all,
    ends_note,
    is_control,
    is_note,
    key_of,
)
from streamer.midi.sounding import Key


class Touch(NamedTuple):
    """What a message has done.

    Attributes:
        struck: The key that went down; None where none did.
        released: Keys that came up, in the order of their strikes; one that is struck again too.
        ended: Keys that sound no more: they were down, or rang.
    """

    struck: Key | None = None
    released: tuple[Key, ...] = ()
    ended: tuple[Key, ...] = ()


class KeyboardState:
    """Follows the keys and the pedals of a player."""

    def __init__(self) -> None:
        self._down: dict[Key, None] = {}
        self._ringing: dict[Key, None] = {}
        self._pedals: set[int] = set()

    @property
    def down(self) -> tuple[Key, ...]:
        """Keys that are down, in the order of their strikes."""
        return tuple(self._down)

    @property
    def sounding(self) -> frozenset[Key]:
        """Keys that are down, or sound under the pedal."""
        return frozenset((*self._down, *self._ringing))

    @property
    def pedals(self) -> frozenset[int]:
        """Channels whose pedal is down."""
        return frozenset(self._pedals)

    def take(self, message: bytes) -> Touch:
        """Take in a message and return what it has done; most do nothing.

        Args:
            message: One that :func:`streamer.midi.messages.check_message` takes.
        """
        if ends_all(message):
            return self.end_all()
        if is_control(message):
            return self._move_pedal(message) if message[1] == CONTROL_PEDAL else Touch()
        if not is_note(message) or channel_of(message) == DRUM_CHANNEL:
            return Touch()
        key = key_of(message)
        return self._release(key) if ends_note(message) else self._strike(key)

    def end_all(self) -> Touch:
        """End all keys, those under the pedal too; the pedals stay as they are."""
        released = self.down
        ended = (*released, *self._ringing)
        self._down.clear()
        self._ringing.clear()
        return Touch(None, released, ended)

    def _strike(self, key: Key) -> Touch:
        released = (key,) if key in self._down else ()
        ended = (key,) if released or key in self._ringing else ()
        for keys in (self._down, self._ringing):
            keys.pop(key, None)
        self._down[key] = None
        return Touch(key, released, ended)

    def _release(self, key: Key) -> Touch:
        if key not in self._down:
            return Touch()
        del self._down[key]
        if key[0] not in self._pedals:
            return Touch(None, (key,), (key,))
        self._ringing[key] = None
        return Touch(None, (key,))

    def _move_pedal(self, message: bytes) -> Touch:
        channel = channel_of(message)
        if message[2] >= PEDAL_DOWN_FROM:
            self._pedals.add(channel)
            return Touch()
        self._pedals.discard(channel)
        ended = tuple(key for key in self._ringing if key[0] == channel)
        for key in ended:
            del self._ringing[key]
        return Touch(None, (), ended)
