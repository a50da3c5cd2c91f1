"""Clients of a MIDI system that are open: one that sends, one that hears.

In: objects of RtMidi, made by :mod:`streamer.ports.backends`. Out: messages, and no wait that could
last for ever in any thread but the one whose message hangs.

RtMidi's threads never enter Python. Its ``delete`` keeps the interpreter while it waits for them,
and a thread that waited for the interpreter meanwhile would make that wait last for ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from streamer.ports.arrivals import Arrivals
from streamer.ports.base import PortLost

logger = logging.getLogger(__name__)

UNCONFIRMED_BYTES = 8192
"""How much may be sent before the system is known to be alive once more.

RtMidi queues 16 KiB for JACK; into a full queue it sends for ever, with the interpreter held, so
that not even SIGINT works. Music needs 200 bytes a second, and the owner thread looks twice."""

HANG_SECONDS = 0.5
"""How long a message may hold up whoever wants to send the next, or to close."""

POLL_SECONDS = 0.002
"""How often an open input is looked at: half of it is the mean wait of a message, and each look
costs some 20 µs of a processor."""

QUEUE_MESSAGES = 16384
"""What RtMidi keeps for us between two looks: a second of the densest flood, 256 KiB."""

Heard = Callable[[bytes, float], object]
"""Takes one message and when it came, in seconds of the system's monotonic clock. It is not to hold
up its thread, which polls the input."""

_JACK_RECORD_BYTES = 4
"""RtMidi puts the length in front of each message it queues for JACK."""


class Sender:
    """One open port. The scheduler's thread sends, the owner thread confirms and closes.

    Attributes:
        sent: Told of each message just before it leaves: its echo may be back before it has left.
    """

    def __init__(self, out: Any) -> None:
        self.sent: Callable[[bytes], object] = lambda message: None
        self._out: Any = out
        self._lock = threading.Lock()
        self._unconfirmed = 0
        self._hangs = False

    def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            PortLost: The port was closed, refused, or has not been known to be alive for too long;
                or another thread hangs in a message of its own.
        """
        if self._hangs or not self._lock.acquire(timeout=HANG_SECONDS):
            self._hangs = True
            raise PortLost("the MIDI system holds a message up")
        try:
            if self._out is None:
                raise PortLost("the port is closed")
            self._unconfirmed += len(message) + _JACK_RECORD_BYTES
            if self._unconfirmed > UNCONFIRMED_BYTES:
                raise PortLost("the MIDI system does not answer")
            self.sent(message)
            try:
                self._out.send_message(message)
            except (OSError, RuntimeError) as error:
                raise PortLost(f"the port refused a message: {error}") from error
        finally:
            self._lock.release()

    @property
    def is_open(self) -> bool:
        """Whether :meth:`close` was not called yet."""
        return self._out is not None

    def confirm(self) -> None:
        """Say that the MIDI system was seen alive; never waits for a message that hangs."""
        if self._lock.acquire(blocking=False):
            self._unconfirmed = 0
            self._lock.release()

    def close(self) -> None:
        """Let the client go; only ``delete`` does that, ``del`` leaks it.

        One in which a message hangs cannot be deleted, and stays with the process.
        """
        free = not self._hangs and self._lock.acquire(timeout=HANG_SECONDS)
        out, self._out = self._out, None
        if free:
            self._lock.release()
            if out is not None:
                out.delete()
        elif out is not None:
            logger.warning("a message hangs in the MIDI system; its port is left to itself")


class Listener:
    """One open input, and the thread that polls it. The owner thread closes it.

    Args:
        source: RtMidi's client, in whose queue the messages wait.
        heard: Takes each message.
        queue_messages: How many fit into that queue.
        now: Seconds of the system's monotonic clock.
        threaded: For tests: False polls only when :meth:`poll` is called.

    Attributes:
        overflows: How often the queue was full, so that messages are missing.
    """

    def __init__(
        self,
        source: Any,
        heard: Heard,
        queue_messages: int = QUEUE_MESSAGES,
        now: Callable[[], float] = time.monotonic,
        *,
        threaded: bool = True,
    ) -> None:
        self._source: Any = source
        self._heard, self._limit, self._now = heard, queue_messages, now
        self._arrivals = Arrivals()
        self.overflows = 0
        self._over = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="midi in", daemon=True)
            self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether :meth:`close` was not called yet."""
        return self._source is not None

    def poll(self) -> None:
        """Hand on what has come since the last time; one thread."""
        source, found = self._source, 0
        while source is not None and found < self._limit:
            message = source.get_message()
            if message is None:
                break
            found += 1
            data, since_last = message
            self._heard(bytes(data), self._arrivals.at(since_last, self._now()))
        # RtMidi's ring is full with one place left; what comes then is lost without a word to us.
        if found >= self._limit - 1:
            self.overflows += 1
            logger.warning(
                "messages at the input were lost: more than %d came at once", self._limit - 1
            )

    def close(self) -> None:
        """Hear nothing more, and let the client go, at which nobody looks any more by then."""
        source, self._source = self._source, None
        self._over = True
        if self._thread is not None:
            self._thread.join(HANG_SECONDS)
            if self._thread.is_alive():
                logger.warning("the input does not end; it is left to itself")
                return
        if source is not None:
            source.delete()

    def _run(self) -> None:
        # A plain sleep: to wait for an Event costs the processor twice as much.
        while not self._over:
            self.poll()
            time.sleep(POLL_SECONDS)
