"""Clients of a MIDI system that are open: one that sends, one that hears.

In: objects of RtMidi, made by :mod:`streamer.ports.backends`. Out: messages, and no wait that could
last for ever in any thread but the one whose message hangs.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from streamer.ports.base import PortLost

logger = logging.getLogger(__name__)

UNCONFIRMED_BYTES = 8192
"""How much may be sent before the system is known to be alive once more.

RtMidi queues 16 KiB for JACK; into a full queue it sends for ever, with the interpreter held, so
that not even SIGINT works. Music needs 200 bytes a second, and the owner thread looks twice."""

HANG_SECONDS = 0.5
"""How long a message may hold up whoever wants to send the next, or to close."""

_JACK_RECORD_BYTES = 4
"""RtMidi puts the length in front of each message it queues for JACK."""


class Sender:
    """One open port. The scheduler's thread sends, the owner thread confirms and closes."""

    def __init__(self, out: Any) -> None:
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
    """One open input; the owner thread closes it. What it hears comes from RtMidi's own thread."""

    def __init__(self, source: Any) -> None:
        self._source: Any = source

    @property
    def is_open(self) -> bool:
        """Whether :meth:`close` was not called yet."""
        return self._source is not None

    def close(self) -> None:
        """Hear nothing more, and let the client go."""
        source, self._source = self._source, None
        if source is not None:
            source.cancel_callback()
            source.delete()
