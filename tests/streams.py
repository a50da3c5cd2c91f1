"""What a receiver has heard, judged: which keys were struck, released, struck twice, left down."""

from __future__ import annotations

from collections.abc import Iterable


def struck(messages: Iterable[bytes]) -> list[bytes]:
    """Return the note-ons."""
    return [message for message in messages if message[0] & 0xF0 == 0x90 and message[2]]


def unpaired(messages: Iterable[bytes]) -> tuple[int, int, int]:
    """Return note-ons, strikes of a key that was down, and keys that are left down."""
    ons, again, down = 0, 0, set()
    for message in messages:
        key = (message[0] & 0x0F, message[1]) if len(message) > 1 else (0, 0)
        if message[0] & 0xF0 == 0x90 and message[2]:
            ons, again = ons + 1, again + (key in down)
            down.add(key)
        elif message[0] & 0xF0 in (0x80, 0x90):
            down.discard(key)
    return ons, again, len(down)


def lost(sent: list[bytes], heard: list[bytes]) -> list[int]:
    """Return which of the messages sent were not heard, where order is kept on the way.

    What was sent after the last that was heard is not among them: the receiver may have gone.
    """
    missing, place = [], 0
    for message in heard:
        try:
            found = sent.index(message, place)
        except ValueError:
            continue
        missing.extend(range(place, found))
        place = found + 1
    return missing
