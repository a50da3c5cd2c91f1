"""Events become messages: which notes still begin, and whose release ends a key.

In: events in the order of their deadlines, and how late each is. Out: messages, sent through the
:class:`~streamer.live.sender.Sender`, and counts. The scheduler's thread alone; others read counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from streamer.live.events import Event, Kind
from streamer.live.lateness import LatenessHistogram
from streamer.live.sender import Sender
from streamer.midi.greeting import Greeting
from streamer.midi.messages import CONTROL_PEDAL, control, note_off

logger = logging.getLogger(__name__)


class Striker:
    """Plays events by the late policy.

    Args:
        out: Sends.
        greeting: Takes note of programs, which a synth is told that comes later.
        late_note_on_ms: A note-on that is later is dropped; all else is sent, however late.
        opening: Given the number of an opening as it is reached, returns all that synths are told
            from then on.

    Attributes:
        muted: Channels on which nothing begins.
        lateness: Of every message.
        notes_sent: Note-ons sent.
        late_dropped: Note-ons that came too late.
    """

    def __init__(
        self,
        out: Sender,
        greeting: Greeting,
        late_note_on_ms: float,
        opening: Callable[[int], Iterable[bytes]] = lambda number: (),
    ) -> None:
        self._out, self._greeting, self._late_note_on_ms = out, greeting, late_note_on_ms
        self._opening = opening
        self.muted = frozenset[int]()
        self.lateness = LatenessHistogram()
        self.notes_sent = self.late_dropped = 0

    def play(self, event: Event, late: float) -> None:
        """Send what an event asks for; ``late`` is how many seconds ago it was due."""
        self.lateness.add(late)
        if event.kind is Kind.NOTE_ON:
            self._strike(event, late)
        elif event.kind is Kind.NOTE_OFF:
            key = (event.channel, event.pitch)
            # A note that was dropped, stolen or silenced, or whose key was struck again since, has
            # no claim on the key any more.
            if self._out.owners.get(key) == event.serial:
                self._out.send(event.message, event.deadline_ms)
                del self._out.owners[key]
        elif event.kind is Kind.OPENING:
            for message in self._greeting.become(self._opening(event.opens)):
                self._out.send(message, event.deadline_ms)
        else:
            if event.kind is Kind.PROGRAM:
                self._greeting.put((event.message,))
            self._out.send(event.message, event.deadline_ms)

    def _strike(self, event: Event, late: float) -> None:
        """Begin a note, unless it is too late for it."""
        if late * 1000.0 > self._late_note_on_ms:
            self.late_dropped += 1
            logger.debug("dropped note %d, %.0f ms late", event.pitch, late * 1000.0)
            return
        if event.channel in self.muted:
            return
        key = (event.channel, event.pitch)
        if key in self._out.table.keys:  # of the music, or of what leaves beside it
            self._out.send(note_off(*key), event.deadline_ms)
            self._out.owners.pop(key, None)
        if event.pedal and event.channel not in self._out.table.pedals:
            self._out.send(control(event.channel, CONTROL_PEDAL, 127), event.deadline_ms)
        self._out.owners[key] = event.serial
        self._out.send(event.message, event.deadline_ms)
        self.notes_sent += 1
        if logger.isEnabledFor(logging.DEBUG):
            _, pitch, velocity = event.message
            place = event.deadline_ms / 1000.0
            logger.debug(
                "note %d, velocity %d, channel %d, at %.3f s", pitch, velocity, key[0] + 1, place
            )
