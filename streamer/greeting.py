"""What a synth is told before it plays: banks, programmes, volumes, as they stand now.

In: what the settings say, and what the stream has told since. Out: the messages for a synth that
has just come. Filled before the stream begins; then the scheduler's thread's alone, which shares it
with the outputs it sends to (:mod:`streamer.ports.outputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_CONTROL = 0xB0


class Greeting:
    """Messages in the order in which they are to be sent, one for each thing that can be said.

    Args:
        messages: Control and program changes.
    """

    def __init__(self, messages: Iterable[bytes] = ()) -> None:
        self._said: dict[tuple[int, ...], bytes] = {}
        self.put(messages)

    def put(self, messages: Iterable[bytes]) -> None:
        """Say this from now on, in the place of what was said before of the same things."""
        for message in messages:
            is_control = message[0] & 0xF0 == _CONTROL
            self._said[tuple(message[:2]) if is_control else (message[0],)] = message

    def clear(self) -> None:
        """Say nothing any more."""
        self._said.clear()

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._said.values()))
