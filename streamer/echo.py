"""Our own messages coming back: heard on an input, and not to be obeyed.

A synth with a soft thru, a loop in a patchbay, or one device for input and output sends back what
it got. In: every message that leaves (scheduler's thread). Out: whether a message that came in is
one of them (input's thread).
"""

from __future__ import annotations

import logging
from collections import Counter, deque

from streamer.clock import Clock
from streamer.ports.base import Port

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 4096
"""More than any cable carries within the longest window that can be set."""

LOOP_NOTES = 12
"""So many notes in a row came back: what is sent is heard."""

_CLOCK = 0xF8


class EchoFilter:
    """Remembers what was sent, for a moment. Each message sent excuses one that comes in.

    Channels are not compared: a port may have sent on another one.

    Args:
        seconds: For so long; 0 remembers nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sent: deque[tuple[float, bytes]] = deque(maxlen=MOST_REMEMBERED)
        self._recent: deque[tuple[float, bytes]] = deque()
        self._expected: Counter[bytes] = Counter()
        self._returned = 0

    @property
    def loops(self) -> bool:
        """Whether all notes that are sent come back, and not only some that a person plays too."""
        return self._returned >= LOOP_NOTES

    def sent(self, message: bytes, now: float) -> None:
        """Take note of a message that leaves at ``now``, in seconds; the scheduler's thread."""
        if self._seconds and message[0] != _CLOCK:
            self._sent.append((now, _essence(message)))

    def is_echo(self, message: bytes, now: float) -> bool:
        """Whether a message that came in at ``now`` is one that was sent; the input's thread."""
        while self._sent:
            at, essence = self._sent.popleft()
            self._recent.append((at, essence))
            self._expected[essence] += 1
        while self._recent and now - self._recent[0][0] > self._seconds:
            lost = self._recent.popleft()[1]
            self._settle(lost)
            if lost[0] == 0x90:
                self._returned = 0
        essence = _essence(message)
        if not self._expected[essence]:
            return False
        for index, (_, recent) in enumerate(self._recent):
            if recent == essence:
                del self._recent[index]
                break
        self._settle(essence)
        if essence[0] == 0x90:
            self._returned += 1
            if self._returned == LOOP_NOTES:
                logger.info("what is sent comes back on the input, and is left out there")
        return True

    def _settle(self, essence: bytes) -> None:
        self._expected[essence] -= 1
        if not self._expected[essence]:
            del self._expected[essence]


def _essence(message: bytes) -> bytes:
    """Return what a device leaves of a message on its way: no channel, no speed of release."""
    status = message[0]
    if status >= 0xF0:
        return message
    kind = status & 0xF0
    if kind == 0x80 or (kind == 0x90 and len(message) > 2 and not message[2]):
        return bytes((0x80, *message[1:2]))
    return bytes((kind, *message[1:]))


class EchoPort:
    """A port that lets the filter know what is sent.

    Args:
        port: Where to.
        echo: Who is told.
        clock: When.
    """

    def __init__(self, port: Port, echo: EchoFilter, clock: Clock) -> None:
        self._port, self._echo, self._clock = port, echo, clock

    @property
    def name(self) -> str:
        """The name of the port behind it."""
        return self._port.name

    @property
    def epoch(self) -> int:
        """That of the port behind it."""
        return self._port.epoch

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Take note and send; before, because an echo may be back before sending returns."""
        self._echo.sent(message, self._clock.now())
        self._port.send(message, at_ms)

    def close(self) -> None:
        """Close the port behind it."""
        self._port.close()
