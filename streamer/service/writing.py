"""Writing ahead, and writing again: phrases into the buffer, and what controls do to them there.

In: a source, and the controls as they change. Out: phrases in the buffer, each with what it takes
to write it again. A change of what matters to drawing cuts the phrase in play a moment from now,
where its family can cut it, and else lets it end: the source goes back to there, and what it draws
by the new controls takes the place of all that was written beyond. What is drawn first is short, so
that it comes in time; until it is there what was written plays on, and what has begun ends as it
promised.

Another source takes over when the phrase in play ends: what the one before it has written beyond is
forgotten. A phrase that is longer than anybody would wait for is cut, where its family can cut it.

Changes are gathered: there are at most some redraws a second, and none for which there is not the
time, so that a knob that is turned costs bounded work and never an underrun.

Thread: the generator's; :meth:`Writing.change` and :meth:`Writing.take_over` may be called by any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from streamer.live.buffer import RollingBuffer
from streamer.music.notes import Phrase
from streamer.pipeline import Source
from streamer.service.drawn import Presses, drawn_by
from streamer.service.following import Before, Coming, place_of_next
from streamer.service.governor import CandidateGovernor
from streamer.service.margin import HASTE, SLACK_SECONDS, Margin
from streamer.settings.controls import Controls
from streamer.system.clock import Clock
from streamer.system.interrupt import Interrupt

logger = logging.getLogger(__name__)

FIRST_PHRASE_NOTES = 8
"""The first phrase, and the first after a change, is short, so that it is heard soon."""

HASTY_SECONDS = 1.0
"""And those after it, until so much is written ahead."""

FIRST_CANDIDATES, AGAIN_CANDIDATES = 4, 8
"""The first phrase of a source is drawn at most this many times, the first after a change so many:
of more there is rather one that begins soon."""

LEAST_SECONDS = 0.3
"""From one redraw to the next at least: a knob that is turned costs three a second."""

SENT_SECONDS = 0.02
"""So soon before its time a phrase may still take another's place: the scheduler has to look."""

COVER_SECONDS = 0.2
"""What takes another's place reaches so far at least, beyond the time to draw the next phrase."""

MOST_AT_ONCE = 8
"""In so many short phrases at most."""

TRIES = 3
"""A phrase that came too late to take another's place is drawn again, for later, so often."""


class Writing:
    """Fills a buffer that is played from; see the module.

    Args:
        source: Draws.
        buffer: Where phrases are put.
        clock: Time.
        written: Told of each phrase.
        opens: Told of another source before it takes over: number of the opening, and it. Where it
            comes too late it is told again, with another number.
        exact: Whether phrases are drawn as where there is no clock: all candidates, however long
            they take, and a first phrase of full length.

    Attributes:
        governor: How many candidates the machine can afford.
        redraws: How often what was written was drawn again.
        phrases: How many phrases of full length were written where there was room, in turn: none
            that took another's place, nor the short ones about it.
        finish: Given each phrase that is drawn ahead, returns what of it is written.
    """

    def __init__(
        self,
        source: Source,
        buffer: RollingBuffer,
        clock: Clock,
        written: Callable[[Phrase], object] = lambda phrase: None,
        *,
        opens: Callable[[int, Source], object] = lambda number, source: None,
        exact: bool = False,
    ) -> None:
        self._source, self._buffer, self._clock, self._written = source, buffer, clock, written
        self._opens, self._numbers = opens, 0
        self._coming = Coming()
        self.governor = CandidateGovernor(source.candidates)
        self.redraws = self.phrases = 0
        self._changing, self._presses = threading.Lock(), Presses()
        self._turn: int | None = None
        self._ready: bytes | None = None
        self.finish: Callable[[Phrase], Phrase] = lambda phrase: phrase
        self._wanted = drawn_by(source.controls.snapshot())
        self._obeyed: dict[str, Any] | None = self._wanted
        self._redrawn_at = float("-inf")
        self._margin = Margin()
        self._exact, self._first = exact, True

    @property
    def source(self) -> Source:
        """What draws at present; any thread."""
        return self._source

    def interrupts(self) -> list[Interrupt]:
        """Return what ends an inference of whatever may draw; any thread."""
        return [one.interrupt for one in (self._source, self.coming) if one is not None]

    @property
    def coming(self) -> Source | None:
        """What is about to take over; any thread."""
        return self._coming.source

    @property
    def turn(self) -> int | None:
        """In which it is written, where turns are taken with a person; None where none are."""
        return self._turn

    @turn.setter
    def turn(self, turn: int | None) -> None:
        if turn is not None or self._turn is not None:
            self._ready = None  # whoever takes turns lets the source hear what is played
        self._turn = turn

    def take_over(self, source: Source, takes_seconds: float = 0.0) -> None:
        """Let another source write from the end of the phrase in play on; any thread.

        One that waits for that already is forgotten.

        Args:
            source: Has written nothing yet; from now on the generator's thread has it alone.
            takes_seconds: How long it takes to draw a short phrase, about.
        """
        self._coming.ask(source, takes_seconds)
        self._buffer.rouse()

    def change(self, controls: Controls, *, gentle: bool = False) -> None:
        """Let what is written obey these controls; any thread.

        Args:
            controls: The present ones.
            gentle: Whether it is enough that the phrases do that are not written yet; else those
                are drawn again that are, soon.
        """
        with self._changing:
            self._presses.look(controls, self._source.vary)
            wanted = drawn_by(controls, self._presses.count)
            if gentle and self._wanted == self._obeyed:
                self._obeyed = wanted
            self._wanted = wanted
            again = wanted != self._obeyed
        if again or self._presses.on:
            self._buffer.rouse()

    def seconds_left(self) -> float | None:
        """Return the seconds until phrases are to be drawn again, 0 for now; None for no change."""
        with self._changing:
            if self._wanted == self._obeyed:
                return None
        return max(self._redrawn_at + LEAST_SECONDS - self._clock.now(), 0.0)

    def wait(self) -> bool:
        """Wait until there is something to draw; return False when the buffer is closed."""
        while not self._buffer.closed:
            self._source.let_go()
            if self.coming is not None:
                return True
            left = self.seconds_left()
            if left == 0.0 or self._buffer.wait_for_space(left):
                return not self._buffer.closed
        return False

    def write(self, turn_seconds: float | None = None) -> None:
        """Draw the next phrase, or the first of those that are drawn again, and put it in place.

        Nothing is put where nothing was to be drawn after all, or the buffer was closed meanwhile.

        Args:
            turn_seconds: Seconds until the phrase begins, where turns are taken with a person: then
                nothing is written ahead, and nothing drawn again. None where no turns are taken.

        Raises:
            EngineError: The model cannot be run.
        """
        self._source.let_go()
        coming, takes_seconds = self._coming.asked
        if coming is not None:
            self._switch(coming, takes_seconds)
            return
        source, buffer = self._source, self._buffer
        if turn_seconds is None:
            if self.seconds_left() == 0.0 and self._write_again():
                return
            if not buffer.has_space:
                return
        began = self._clock.now()
        drawn = self._candidates(turns=turn_seconds is not None)
        source.generator.set_candidates(drawn)
        mark = source.mark() if turn_seconds is None else None
        place = source.place(source.look() if self._ready is None else self._ready)
        self._ready = None
        hasty = turn_seconds is None and buffer.seconds_ahead() < HASTY_SECONDS
        short = (self._first or hasty) and not self._exact
        phrase = source.next_phrase(FIRST_PHRASE_NOTES if short else None)
        took_seconds = self._clock.now() - began
        if buffer.closed:
            return
        before = None if mark is None else Before(source, mark, source.trail, place)
        if not buffer.put(phrase := self.finish(phrase), before, self.turn):
            source.go_back(mark)
            return
        if self._first:
            self._margin = Margin(took_seconds)
        self._first = False
        self.phrases += not short
        self._written(phrase)
        source.shelve(phrase, place)
        if turn_seconds is None:
            seconds = phrase.seconds / buffer.rate
            ahead = buffer.seconds_ahead()
            self.governor.after(took_seconds, seconds, ahead, buffer.low_seconds, drawn)
        elif turn_seconds > 0:
            # Of the half sixteenth before the line three quarters may be used.
            self.governor.after(took_seconds / (3 * turn_seconds), 1.0, 1.0, 1.0)
        if self._turn is None and turn_seconds is None:
            self._ready = source.look()  # now, while there is time

    def _write_again(self) -> bool:
        """Draw again what is not heard too soon; return whether there was any of it."""
        source, buffer = self._source, self._buffer
        self._redrawn_at, self._ready = self._clock.now(), None
        with self._changing:
            self._obeyed = self._wanted
        end = source.mark()
        source.generator.set_candidates(min(self._candidates(), AGAIN_CANDIDATES))
        for tried in range(TRIES):
            began = self._clock.now()
            if not self._go_back(began, self._margin.seconds(again=tried > 0)):
                if tried:
                    source.go_back(end)
                return False
            fresh = self._draw_enough(source, began)
            now = self._clock.now()
            self._margin.took(now - began)
            if buffer.replace(fresh, buffer.place_ms(now, SENT_SECONDS), self.turn):
                self.redraws += 1
                self._tell(fresh)
                return True
            if buffer.closed:
                return True
        logger.debug("no phrase came in time to be heard soon; trying again in a moment")
        with self._changing:
            self._obeyed = None
        source.go_back(end)
        return False

    def _draw_enough(
        self, source: Source, began: float, notes: int | None = FIRST_PHRASE_NOTES
    ) -> list[tuple[Phrase, Before]]:
        """Draw short phrases until there is time to draw the next one while they are played.

        Args:
            source: Draws.
            began: When the first was begun, seconds.
            notes: Of each phrase; None takes the model's own.
        """
        fresh = list[tuple[Phrase, Before]]()
        while len(fresh) < MOST_AT_ONCE:
            mark, place = source.mark(), source.place(source.look())
            phrase = source.next_phrase(notes)
            fresh.append((phrase, Before(source, mark, source.trail, place)))
            now = self._clock.now()
            late = fresh[0][0].start_ms < self._buffer.place_ms(now, SENT_SECONDS)
            next_seconds = HASTE * (now - began) / len(fresh)
            covers = phrase.end_ms >= self._buffer.place_ms(now, next_seconds + COVER_SECONDS)
            if late or covers or self._buffer.closed:
                break
        return fresh

    def _switch(self, source: Source, takes_seconds: float) -> None:
        """Let a source take over; where it does not come in time it does at the next call.

        Args:
            source: Has written nothing yet.
            takes_seconds: How long it takes to draw a short phrase, about.
        """
        old, buffer = self._source, self._buffer
        beginning, end = source.mark(), old.mark()
        with self._changing:
            wanted = self._wanted
        notes = None if self._exact else FIRST_PHRASE_NOTES
        source.generator.set_candidates(source.candidates if self._exact else FIRST_CANDIDATES)
        for _ in range(TRIES):
            began = self._clock.now()
            place_ms, follows = place_of_next(buffer, began + HASTE * takes_seconds, SLACK_SECONDS)
            self._numbers += 1
            source.begin(place_ms, self._numbers)
            fresh = self._draw_enough(source, began, notes)
            now = self._clock.now()
            takes_seconds = now - began
            self._opens(self._numbers, source)
            if follows:
                taken = all(buffer.put(*one, self.turn) for one in fresh)
            else:
                taken = buffer.replace(fresh, buffer.place_ms(now, SENT_SECONDS), self.turn)
            if taken:
                self._go_on_with(source, wanted, takes_seconds, fresh)
                return
            source.go_back(beginning)
            if old.performer.mark() != end[1]:
                old.go_back(end)
            if buffer.closed or self.coming is not source:
                return
        logger.debug("the next bundle did not come in time; trying again")

    def _go_on_with(
        self,
        source: Source,
        wanted: dict[str, Any],
        takes_seconds: float,
        fresh: list[tuple[Phrase, Before]],
    ) -> None:
        """Write from a source from now on that has taken over with some phrases."""
        self._coming.taken(source)
        with self._changing:
            self._obeyed = wanted
        self._source, self._first, self._ready = source, False, None
        self._margin = Margin(takes_seconds)
        self.governor = CandidateGovernor(source.candidates)
        self._tell(fresh)

    def _tell(self, fresh: list[tuple[Phrase, Before]]) -> None:
        """Take note of phrases that are in their place."""
        for phrase, before in fresh:
            self._written(phrase)
            before.source.shelve(phrase, before.place)

    def _go_back(self, now: float, margin_seconds: float) -> bool:
        """Go back to the first place that can be drawn again; return whether there is one.

        Args:
            now: Seconds of the clock.
            margin_seconds: So long after it at least.
        """
        place_ms = self._buffer.place_ms(now, margin_seconds)
        for phrase, before in self._buffer.from_place(place_ms):
            if before is None or before.source is not self._source:
                continue
            if phrase.start_ms >= place_ms:
                self._source.go_back(before.mark)
                return True
            if self._source.cut(before.trail, phrase, place_ms):
                return True
        return False

    def _candidates(self, *, turns: bool = False) -> int:
        asked = self._source.controls.snapshot().candidates
        maximum = asked or self._source.candidates
        self.governor.set_maximum(maximum)
        if self._exact:
            return maximum
        if turns:
            return self.governor.candidates
        return self.governor.in_time(self._buffer.seconds_ahead())
