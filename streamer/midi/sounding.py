"""The table of sounding notes, from which silence is made.

In: every message that leaves for a port. Out: the messages that silence it. The scheduler keeps
one for the stream; a live port keeps its own, for the moment when it changes from one device to
another. One thread at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from streamer.errors import StreamerError
from streamer.midi.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTROL_PEDAL,
    RESET_CONTROLLERS,
    channel_of,
    control,
    ends_note,
    has_channel,
    key_of,
    lifts_pedal,
    note_off,
    presses_pedal,
    starts_note,
)

logger = logging.getLogger(__name__)

Key = tuple[int, int]
"""MIDI channel 0..15 and pitch 0..127."""

FORGOTTEN_SECONDS = 30.0
"""A port may have been away for so long before that was noticed."""

_SEND_TRIES = 3


def insist(messages: Iterable[bytes], send: Callable[[bytes], bool]) -> None:
    """Send message by message, whatever any one of them meets; no error is raised.

    Args:
        messages: What is to arrive if anything can.
        send: Returns whether a message left.
    """
    failed: Exception | None = None
    for message in messages:
        for _ in range(_SEND_TRIES):
            try:
                if send(message):
                    break
            except Exception as error:  # noqa: BLE001 - silence comes before any report
                failed = error
    if failed is not None:
        level = logging.WARNING if isinstance(failed, StreamerError) else logging.ERROR
        logger.log(level, "a message was not sent: %s", failed)


class SoundingTable:
    """Keys that are down and pedals that are pressed, by the messages sent.

    A message that begins something is entered with :meth:`before` it is sent, one that ends
    something is taken out with :meth:`after` it was sent. A send that fails half-way then leaves a
    table that says too much, and never one that says too little.
    """

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._pedals: set[int] = set()
        self._channels: set[int] = set()
        self._released: dict[Key, float] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that are down, in the order of their strikes."""
        return tuple(self._keys)

    @property
    def pedals(self) -> frozenset[int]:
        """Channels whose sustain pedal is down."""
        return frozenset(self._pedals)

    def before(self, message: bytes) -> None:
        """Enter a message that is about to be sent."""
        if has_channel(message):
            self._channels.add(channel_of(message))
        if starts_note(message):
            self._keys.pop(key_of(message), None)
            self._keys[key_of(message)] = None
        elif presses_pedal(message):
            self._pedals.add(channel_of(message))

    def after(self, message: bytes, now: float = 0.0) -> None:
        """Take out what a message, sent without an error at ``now`` seconds, has ended."""
        if ends_note(message):
            self._keys.pop(key_of(message), None)
            self._released[key_of(message)] = now
        elif lifts_pedal(message):
            self._pedals.discard(channel_of(message))

    def doubt(self, since: float) -> None:
        """Enter the keys whose note-off was sent from ``since`` on, in seconds, once more.

        The port turned out to have been away, for nobody knows how long: those note-offs are lost.
        """
        self._keys.update(dict.fromkeys(k for k, at in self._released.items() if at >= since))

    def silence(self, *, panic: bool = False) -> list[bytes]:
        """Return the messages after which nothing sounds, in the order to send them.

        A note-off for each key, then on each channel ever used CC64 = 0, CC123 and CC121. Not 2,048
        note-offs, which would take two seconds on a DIN cable.

        Args:
            panic: CC120 too, which also cuts tails that are dying away.
        """
        messages = [note_off(channel, pitch) for channel, pitch in self._keys]
        for channel in sorted(self._channels):
            messages.append(control(channel, CONTROL_PEDAL, 0))
            if panic:
                messages.append(control(channel, ALL_SOUND_OFF, 0))
            messages.append(control(channel, ALL_NOTES_OFF, 0))
            messages.append(control(channel, RESET_CONTROLLERS, 0))
        return messages

    def use(self, channel: int) -> None:
        """Count a channel as used, so that it is silenced too."""
        self._channels.add(channel)
