"""What a synth is told before it plays: banks, programmes, volumes, as they stand now.

In: what the settings say, and what the stream has told since. Out: the messages for a synth that
has just come. Filled before the stream begins; then the scheduler's thread's alone, which shares it
with the outputs it sends to (:mod:`streamer.ports.outputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamer.midi.messages import (
    BANK_LSB,
    BANK_MSB,
    CHANNEL_VOLUME,
    channel_of,
    control,
    is_control,
    is_program,
    program_change,
)

AT_REST = {BANK_MSB: 0, BANK_LSB: 0, CHANNEL_VOLUME: 100}
"""What controllers of a synth are that nobody has told anything (General MIDI 2, section 3.3)."""


class Greeting:
    """Messages in the order in which they are to be sent, one for each thing that can be said.

    Args:
        messages: Control and program changes.
    """

    def __init__(self, messages: Iterable[bytes] = ()) -> None:
        self._said: dict[bytes, bytes] = {}
        self.put(messages)

    def put(self, messages: Iterable[bytes]) -> None:
        """Say this from now on, in the place of what was said before of the same things."""
        for message in messages:
            self._said[message[:2] if is_control(message) else message[:1]] = message

    def become(self, messages: Iterable[bytes]) -> list[bytes]:
        """Say this from now on, and nothing of what was said before.

        Args:
            messages: Control and program changes.

        Returns:
            What a synth is to be told that has heard all until now: each channel on which anything
            is another now; what is said no more goes back to what a synth has by itself.
        """
        fresh = Greeting(messages)
        told = {key: _at_rest(message) for key, message in self._said.items()} | fresh._said
        changed = {channel_of(key) for key in told if told[key] != self._said.get(key)}
        self._said = fresh._said
        return sorted((told[key] for key in told if channel_of(key) in changed), key=_order)

    def clear(self) -> None:
        """Say nothing any more."""
        self._said.clear()

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._said.values()))


def _order(message: bytes) -> tuple[int, int]:
    """Channel by channel: a bank is obeyed by the program that comes after it."""
    bank = is_control(message) and message[1] in (BANK_MSB, BANK_LSB)
    return channel_of(message), 0 if bank else 1 if is_program(message) else 2


def _at_rest(message: bytes) -> bytes:
    """Return what takes back a control or program change."""
    channel = channel_of(message)
    if is_program(message):
        return program_change(channel, 0)
    number = message[1]
    return control(channel, number, AT_REST.get(number, message[2]))
