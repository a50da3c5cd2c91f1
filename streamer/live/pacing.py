"""Pace: no more messages than the cable carries, and what ends a note before what begins one.

In: what the scheduler is about to send. Out: when it may. A DIN cable carries 31,250 bits a second,
10 bits a byte: a chord of ten takes ten milliseconds, and an interface with a small buffer loses
what comes faster. Thread: the scheduler's alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from streamer.live.events import Event, Kind
from streamer.midi.messages import has_channel, is_realtime
from streamer.settings.midi import Wire

DIN_BYTE_SECONDS = 10 / 31_250
"""A start bit, eight bits and a stop bit at 31,250 baud."""


class Pacer:
    """Tells when a cable is free; one thread.

    Args:
        wire: What the cable is.
        spacing_seconds: Least time from message to message on any cable.

    Raises:
        ValueError: The spacing is below 0.
    """

    def __init__(self, wire: Wire = "fast", spacing_seconds: float = 0.0) -> None:
        if spacing_seconds < 0:
            raise ValueError(f"spacing_seconds must be 0 or more, not {spacing_seconds}")
        self._byte_seconds = 0.0 if wire == "fast" else DIN_BYTE_SECONDS
        self._running_status = wire == "din-running-status"
        self._spacing = spacing_seconds
        self._status = 0
        self.free_at = float("-inf")
        """When the next message may be sent, in seconds."""

    @property
    def limits(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self._byte_seconds or self._spacing)

    def occupy(self, message: bytes, now: float) -> None:
        """Count a message as sent at ``now``, in seconds."""
        seconds = max(self._bytes(message) * self._byte_seconds, self._spacing)
        self.free_at = max(self.free_at, now) + seconds

    def pop(
        self, queue: list[Event], now_ms: float, owners: Mapping[tuple[int, int], int]
    ) -> Event:
        """Take the event out of the queue that is to be sent first.

        Args:
            queue: A heap of events, not empty.
            now_ms: The present, in ms of played music.
            owners: The serial of the note that each key that is down belongs to.
        """
        if self.limits and queue[0].kind is Kind.NOTE_ON:
            event = choose_due(queue, max(now_ms, queue[0].deadline_ms), owners)
            if event is not queue[0]:
                queue.remove(event)
                heapq.heapify(queue)
                return event
        return heapq.heappop(queue)

    def _bytes(self, message: bytes) -> int:
        """Return how many bytes of a message go over the cable."""
        status = message[0]
        if is_realtime(message):
            return len(message)  # these may stand anywhere, and leave the running status alone
        same = self._running_status and status == self._status
        self._status = status if has_channel(message) else 0
        return len(message) - same


def choose_due(
    queue: Iterable[Event], now_ms: float, owners: Mapping[tuple[int, int], int]
) -> Event:
    """Return which of the events that are due goes first over a cable that is behind.

    A note-off overtakes note-ons, so that a crowded chord does not hold what ends before it. It
    overtakes no pedal, which would change what sounds, and not the note-on of its own note.

    Args:
        queue: Events, one of them due.
        now_ms: The present, in ms of played music.
        owners: The serial of the note that each key that is down belongs to.
    """
    due = sorted(event for event in queue if event.deadline_ms <= now_ms)
    for event in due:
        if event.kind is Kind.NOTE_OFF and owners.get((event.channel, event.pitch)) == event.serial:
            return event
        if event.kind in (Kind.PEDAL_UP, Kind.PEDAL_DOWN):
            break
    return due[0]
