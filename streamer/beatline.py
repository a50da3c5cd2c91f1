"""The beats of the music on its own timeline, and how they are laid on another machine's.

In: the grids of phrases as they are taken, and what a followed clock says. Out: places in beats and
in ms, the rate at which the music runs, the moment at which it may begin or go on. Music in free
time has no grid: its beats, which only a clock that is sent counts, begin with its first note.

Used by the scheduler's thread; :meth:`BeatLine.hear` may be called by any.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import NamedTuple

from streamer.clock import Timeline
from streamer.midiclock import Followed, locked_rate
from streamer.notes import Grid

logger = logging.getLogger(__name__)

MOST_REACHES = 64
"""Phrases whose grid is remembered: far more than lie around the present."""

SLACK_SECONDS = 0.05
"""So little past its beat the music still begins, a little late, instead of a beat later."""

_ROUNDING_MS = 1e-6


class _Reach(NamedTuple):
    """From here on beats have one length.

    Attributes:
        start_ms: Place in the played music.
        beat: The same place in beats.
        beat_ms: Length of a beat.
    """

    start_ms: float
    beat: float
    beat_ms: float


class BeatLine:
    """Places in the played music <-> beats.

    Args:
        beat_ms: Length of a beat where the music says nothing of beats, above 0.
        bar: Beats of the bars that are counted: with them the music's bar lines fall on those of
            another machine, and rests are as long as whole bars. None counts none.
    """

    def __init__(self, beat_ms: float, bar: float | None = None) -> None:
        if not beat_ms > 0:
            raise ValueError(f"beat_ms must be above 0, not {beat_ms}")
        self._default_ms, self._bar = beat_ms, bar
        self._reaches: deque[_Reach] = deque(maxlen=MOST_REACHES)
        self._rests = 0.0
        self._followed = Followed()
        self.gridded = False
        """Whether the music has beats of its own."""

    def hear(self, followed: Followed) -> None:
        """Take note of what another machine's clock says; any thread."""
        self._followed = followed

    def begin(self, place_ms: float) -> None:
        """Let the first beat lie here, unless the music has beats already."""
        if not self._reaches:
            self._reaches.append(_Reach(place_ms, 0.0, self._default_ms))

    def add(self, start_ms: float, grid: Grid | None) -> None:
        """Enter the grid of the next phrase.

        Args:
            start_ms: Where the phrase starts in the played music.
            grid: None in free time.
        """
        if grid is not None:
            self.gridded = True
            self._reaches.append(_Reach(start_ms, grid.beat + self._rests, grid.beat_ms))

    @property
    def counts_bars(self) -> bool:
        """Whether bar lines are kept, and not only beats."""
        return self._bar is not None

    def rest(self, least_ms: float) -> float:
        """Lengthen the rest before the next phrase by ``least_ms``: whole beats on a grid, or bars.

        Returns:
            By how much, in ms.
        """
        if not self.gridded:
            return least_ms
        beat_ms = self._reaches[-1].beat_ms
        unit = self._bar or 1.0
        beats = math.ceil(least_ms / beat_ms / unit) * unit
        self._rests += beats
        return beats * beat_ms

    def realign(self, start_ms: float, grid: Grid | None, timeline: Timeline) -> float:
        """Return how long the next phrase waits for a bar line of the clock that is followed, ms.

        0 where no bars are counted, or where it begins on one: beats are in phase already, so that
        only whole ones are waited for. The place in beats goes on by a bar.

        Args:
            start_ms: Where the phrase would begin in the played music.
            grid: Its own.
            timeline: Where the music is.
        """
        followed = self._followed
        known = followed.external and followed.locked and not followed.halted
        if self._bar is None or grid is None or not known or not timeline.running:
            return 0.0
        song = round(followed.beat_at(timeline.deadline(start_ms)))
        wait = -song % self._bar
        if wait:
            self._rests += self._bar
            logger.info("waiting %g beats for the other machine's bar line", wait)
        return wait * grid.beat_ms

    def beat(self, place_ms: float) -> float:
        """Return a place in beats."""
        reach = self._reach(place_ms)
        return reach.beat + (place_ms - reach.start_ms) / reach.beat_ms

    def place(self, beat: float) -> float:
        """Return the place of a beat, in ms of the played music."""
        found = self._first()
        for reach in reversed(self._reaches):
            if reach.beat <= beat:
                found = reach
                break
        return found.start_ms + (beat - found.beat) * found.beat_ms

    def beat_ms(self, place_ms: float) -> float:
        """Return the length of a beat at a place."""
        return self._reach(place_ms).beat_ms

    def rate(self, own: float, timeline: Timeline, now: float) -> float:
        """Return how fast the music is to run at ``now``, 1 being its own speed.

        Args:
            own: For music in free time.
            timeline: Where it is.
            now: Seconds of the clock.
        """
        followed = self._followed
        if not self.gridded:
            return own
        place_ms = timeline.now_ms(now)
        reference_bpm = 60_000.0 / self.beat_ms(place_ms)
        if followed.halted or not timeline.running:
            return followed.rate(reference_bpm)
        ahead = self.beat(place_ms) - followed.beat_at(now)
        return locked_rate(followed, reference_bpm, ahead)

    def turn(self, timeline: Timeline, now: float) -> float:
        """Return when the length of beats changes next, in seconds; infinity where it does not."""
        if not (self.gridded and timeline.running):
            return math.inf
        place_ms = timeline.now_ms(now) + _ROUNDING_MS
        starts = [reach.start_ms for reach in self._reaches if reach.start_ms > place_ms]
        return timeline.deadline(starts[0]) if starts else math.inf

    def align(self, place_ms: float, earliest: float) -> float:
        """Return when the music is to be at a place, so that its beats fall on those followed.

        Args:
            place_ms: Where it is to begin or to go on.
            earliest: Seconds of the clock; :data:`SLACK_SECONDS` before it will do too.
        """
        followed = self._followed
        if not (self.gridded and followed.external and followed.locked) or followed.halted:
            return earliest
        unit = self._bar or 1.0
        beats = (self.beat(place_ms) - followed.beat_at(earliest)) % unit
        if (unit - beats) * 60.0 / followed.tempo_bpm <= SLACK_SECONDS:
            beats -= unit
        return earliest + beats * 60.0 / followed.tempo_bpm

    def _reach(self, place_ms: float) -> _Reach:
        for reach in reversed(self._reaches):
            if reach.start_ms <= place_ms + _ROUNDING_MS:
                return reach
        return self._first()

    def _first(self) -> _Reach:
        return self._reaches[0] if self._reaches else _Reach(0.0, 0.0, self._default_ms)
