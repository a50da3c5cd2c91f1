"""The beats of the music on its own timeline, and how they are laid on another machine's.

In: the grids of phrases as they are taken, and what a followed clock says. Out: places in beats and
in ms, the rate at which the music runs, the moment at which it may begin or go on. Music in free
time has no grid: its beats, which only a clock that is sent counts, begin with its first note.

Used by the scheduler's thread; :meth:`BeatLine.hear` may be called by any.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from streamer.clock import Timeline
from streamer.midiclock import Followed, locked_rate
from streamer.notes import Grid

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
    """

    def __init__(self, beat_ms: float) -> None:
        if not beat_ms > 0:
            raise ValueError(f"beat_ms must be above 0, not {beat_ms}")
        self._default_ms = beat_ms
        self._reaches: deque[_Reach] = deque(maxlen=MOST_REACHES)
        self._rests = 0
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

    def rest(self, least_ms: float) -> float:
        """Lengthen the rest before the next phrase by ``least_ms``, by whole beats on a grid.

        Returns:
            By how much, in ms.
        """
        if not self.gridded:
            return least_ms
        beat_ms = self._reaches[-1].beat_ms
        beats = math.ceil(least_ms / beat_ms)
        self._rests += beats
        return beats * beat_ms

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
        beats = (self.beat(place_ms) - followed.beat_at(earliest)) % 1.0
        if (1.0 - beats) * 60.0 / followed.tempo_bpm <= SLACK_SECONDS:
            beats -= 1.0
        return earliest + beats * 60.0 / followed.tempo_bpm

    def _reach(self, place_ms: float) -> _Reach:
        for reach in reversed(self._reaches):
            if reach.start_ms <= place_ms + _ROUNDING_MS:
                return reach
        return self._first()

    def _first(self) -> _Reach:
        return self._reaches[0] if self._reaches else _Reach(0.0, 0.0, self._default_ms)
