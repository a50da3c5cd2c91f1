"""Phrases out of the buffer, laid on the timeline: where each begins, and what of it is too late.

In: phrases of the rolling buffer, in the stream's own ms. Out: events in ms of played music. Music
that comes too late lengthens a rest. Where bars are counted
(:class:`streamer.live.beatline.BeatLine`, ``bar``) a rest is as long as whole bars, and a phrase
that is late by no more than a late note may
be stays where it is, without what has passed: its bar line is worth more than its first notes.

Thread: the scheduler's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from streamer.live.beatline import BeatLine
from streamer.live.buffer import RollingBuffer
from streamer.live.events import Event, EventMaker
from streamer.live.timeline import Timeline
from streamer.music.notes import Phrase
from streamer.music.pulse import Pulse
from streamer.settings.settings import SchedulerSettings

logger = logging.getLogger(__name__)

LOOKAHEAD_MS = 300.0
"""How long before the last known onset the next phrase is taken out of the buffer, ms as heard.
What is taken is not drawn again; the scheduler looks four times a second at least."""

LEAST_NOTE_MS = 20.0
"""Of a note that came late so much is left to be heard, or it is left out."""


class Intake:
    """Takes phrases as they are needed.

    Args:
        buffer: Where they come from.
        timeline: Where the music is.
        beats: Its beats.
        maker: Makes events of notes.
        settings: Lead, and how late a note may be.
        in_time: Given a place in ms and the earliest time in seconds, when to be there.

    Attributes:
        horizon_ms: End of the last phrase in ms of played music; None before the first.
        later_ms: How far the music has been put off.
        phrases: How many were taken.
    """

    def __init__(
        self,
        buffer: RollingBuffer,
        timeline: Timeline,
        beats: BeatLine,
        maker: EventMaker,
        settings: SchedulerSettings,
        in_time: Callable[[float, float], float],
    ) -> None:
        self._buffer, self._timeline, self._beats, self._maker = buffer, timeline, beats, maker
        self._settings, self._in_time = settings, in_time
        self.horizon_ms: float | None = None
        self.later_ms = 0.0
        self.phrases = 0
        self._joins = False

    def cut(self, queue: list[Event]) -> list[Event]:
        """Return the queue, without what another phrase has taken the place of.

        Args:
            queue: A heap; what is returned is one too.
        """
        cut_ms = self._buffer.take_cut()
        if cut_ms is None or self.horizon_ms is None:
            return queue
        place_ms = cut_ms + self.later_ms
        if place_ms < self.horizon_ms:
            self.horizon_ms = place_ms
            self._beats.cut(place_ms)
            queue = self._maker.cut(queue, place_ms)
            self._joins = True
        return queue

    def leave(self, queue: list[Event], now: float) -> list[Event]:
        """Return the queue without what has not been struck at ``now``; nothing follows on it.

        Args:
            queue: A heap; what is returned is one too.
            now: Seconds of the clock.
        """
        now_ms = self._timeline.now_ms(now)
        if self.horizon_ms is not None and now_ms < self.horizon_ms:
            self.horizon_ms = now_ms
            self._beats.cut(now_ms)
        self._joins = True
        return self._maker.leave(queue, now_ms)

    def rest(self, now: float) -> None:
        """Take note that the music stands at ``now``."""
        self._buffer.played(self._timeline.now_ms(now) - self.later_ms, self._timeline.rate)

    def take(self, now: float) -> Iterator[Event]:
        """Yield the events of the next phrases, as far ahead as the look-ahead asks.

        Args:
            now: Seconds of the clock.
        """
        now_ms = self._timeline.now_ms(now)
        lookahead_ms = LOOKAHEAD_MS * max(self._timeline.rate, 1.0)
        while self.horizon_ms is None or self.horizon_ms - now_ms < lookahead_ms:
            phrase = self._buffer.take()
            if phrase is None:
                break
            lifts = phrase.lifts and self._joins
            phrase = self._make_room(phrase, now)
            now_ms = self._timeline.now_ms(now)
            start_ms = phrase.start_ms + self.later_ms
            lifted = self._maker.lift(start_ms) if lifts else []
            opening = [] if phrase.opens is None else self._maker.opening(start_ms, phrase.opens)
            programs = self._maker.programs(phrase.programs, self.later_ms)
            notes = self._maker.make(phrase.notes, self.later_ms)
            for event in (*lifted, *opening, *programs, *notes):
                # A pedal change half-way to a note that came late would lie in the past.
                yield event._replace(deadline_ms=max(event.deadline_ms, now_ms))
            self.horizon_ms = phrase.end_ms + self.later_ms
            self.phrases += 1
        at = now if self._timeline.running else None
        self._buffer.played(now_ms - self.later_ms, self._timeline.rate, at)

    def pulse(self, now: float) -> Pulse | None:
        """Return where the music is at ``now``; None before its first phrase."""
        if self.horizon_ms is None:
            return None
        place_ms = self._timeline.now_ms(now)
        per_second = 0.0
        if self._timeline.running:
            per_second = 1000.0 * self._timeline.rate / self._beats.beat_ms(place_ms)
        line = self._beats.beat(self.horizon_ms)
        return Pulse(
            at=now,
            beat=self._beats.beat(place_ms),
            per_second=per_second,
            line=line,
            phrases=self.phrases,
        )

    def _make_room(self, phrase: Phrase, now: float) -> Phrase:
        """Put the music off where its next onset has passed; return what can still be played."""
        lead = self._settings.lead_seconds
        onset_ms = phrase.notes[0].onset_ms if phrase.notes else None
        now_ms = self._timeline.now_ms(now)
        if self.horizon_ms is not None:
            if phrase.opens is not None:
                start_ms = phrase.start_ms + self.later_ms
                self.later_ms += self._beats.join(start_ms, phrase.grid)
            start_ms = phrase.start_ms + self.later_ms
            self.later_ms += self._beats.realign(start_ms, phrase.grid, self._timeline)
        if onset_ms is not None and self.horizon_ms is not None:
            late_ms = now_ms - (onset_ms + self.later_ms)
            bearable_ms, self._joins = self._bearable_ms(), False
            if late_ms > bearable_ms:
                self.later_ms += self._beats.rest(late_ms + lead * 1000.0)
                self._buffer.count_underrun()
                logger.warning("the music came %.2f s late; a rest was lengthened", late_ms / 1000)
            elif late_ms > 0:
                logger.debug("a phrase came %.0f ms late", late_ms)
                phrase = _still_to_come(phrase, now_ms - self.later_ms)
        self._beats.add(phrase.start_ms + self.later_ms, phrase.grid)
        if onset_ms is not None and self.horizon_ms is None:
            self._timeline.start(onset_ms, self._in_time(onset_ms, now + lead))
        return phrase

    def _bearable_ms(self) -> float:
        """Return how late a phrase may be and stay where it is."""
        stays = self._beats.counts_bars or self._joins
        return self._settings.late_note_on_ms if stays else 0.0


def _still_to_come(phrase: Phrase, now_ms: float) -> Phrase:
    """Return a phrase whose notes that should have begun begin now, in order."""
    notes = (
        note
        if note.onset_ms >= now_ms
        else replace(note, onset_ms=now_ms, duration_ms=max(note.end_ms - now_ms, 0.001))
        for note in phrase.notes
    )
    kept = tuple(
        note for note in notes if note.onset_ms > now_ms or note.duration_ms >= LEAST_NOTE_MS
    )
    return replace(phrase, notes=kept, entropies=phrase.entropies[: len(kept)])
