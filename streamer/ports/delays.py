"""Outputs that are moved in time: each message waits for its moment, in order.

In: messages of the scheduler, and how much later than the soonest output each output is. Out: the
same messages at the port behind it. A synth that speaks late is sent to sooner than the others:
that is, all others wait. Whatever silences the stream silences here at once: what begins a note
and has not left yet never does.

All methods belong to the scheduler's thread; :meth:`DelayLine.close` comes after it has ended.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import NamedTuple

from streamer.errors import StreamerError
from streamer.midi.messages import ends_note, key_of, starts_note
from streamer.ports.base import Port, PortLost, settle
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """A message on its way: when it leaves, in seconds, and for which epoch of the port."""

    due: float
    epoch: int
    message: bytes
    at_ms: float | None


class DelayLine:
    """A :class:`streamer.ports.base.Port` that sends a while later; the rest is the port's own.

    Args:
        port: Where messages go; closed with this one.
        seconds: How much later, above 0.
        clock: Time.
    """

    def __init__(self, port: Port, seconds: float, clock: Clock) -> None:
        self._port, self._seconds, self._clock = port, seconds, clock
        self._waiting: deque[_Waiting] = deque()
        self._failure: StreamerError | None = None

    @property
    def name(self) -> str:
        """The port's."""
        return self._port.name

    @property
    def epoch(self) -> int:
        """The port's."""
        return self._port.epoch

    @property
    def deadline(self) -> float:
        """When the next message leaves, in seconds; infinity where none waits."""
        return self._waiting[0].due if self._waiting else math.inf

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Let a message wait for its moment; see :class:`streamer.ports.base.Port`.

        Raises:
            PortLost: The port is gone.
            PortError: An earlier message could not be sent, and none will.
        """
        if self._failure is not None:
            raise self._failure
        epoch = self._port.epoch
        if not epoch:
            raise PortLost(f"port {self.name} is gone")
        self._waiting.append(_Waiting(self._clock.now() + self._seconds, epoch, message, at_ms))

    def turn(self, now: float) -> None:
        """Send what is due at ``now``, in seconds."""
        while self._waiting and self._waiting[0].due <= now:
            self._pass(self._waiting.popleft())

    def flush(self) -> None:
        """Send at once what waits, without the notes that have not begun."""
        never = set[tuple[int, int]]()
        while self._waiting:
            waiting = self._waiting.popleft()
            if starts_note(waiting.message):
                never.add(key_of(waiting.message))
            elif ends_note(waiting.message) and key_of(waiting.message) in never:
                never.remove(key_of(waiting.message))
            else:
                self._pass(waiting)

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        settle(self._port)

    def close(self) -> None:
        """Send what still waits, and close the port."""
        self.flush()
        self._port.close()

    def _pass(self, waiting: _Waiting) -> None:
        if waiting.epoch != self._port.epoch or self._failure is not None:
            return  # it was meant for a port that has been away: whoever comes back is silenced
        try:
            self._port.send(waiting.message, waiting.at_ms)
        except PortLost as error:
            logger.debug("not sent: %s", error)
        except StreamerError as error:
            self._failure = error


class Delays:
    """All outputs of a stream that wait.

    Args:
        clock: Time.

    Attributes:
        early_seconds: How much sooner than it is meant all is sent, so that an output can be
            sooner than the others.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: list[DelayLine] = []
        self.early_seconds = 0.0

    def line(self, port: Port, offset_seconds: float) -> Port:
        """Return a port that sends as much later as it must; the port itself where it need not.

        Args:
            port: Where to.
            offset_seconds: How much later than it is meant, not below ``-early_seconds``.
        """
        seconds = offset_seconds + self.early_seconds
        if seconds <= 0.0:
            return port
        line = DelayLine(port, seconds, self._clock)
        self._lines.append(line)
        return line

    def deadline(self) -> float:
        """Return when the next message leaves, in seconds; infinity where none waits."""
        return min((line.deadline for line in self._lines), default=math.inf)

    def turn(self, now: float) -> None:
        """Send what is due at ``now``, in seconds."""
        for line in self._lines:
            line.turn(now)

    def flush(self) -> None:
        """Send all that waits, without the notes that have not begun."""
        for line in self._lines:
            line.flush()
