"""The beats of the music on its own timeline, and how they are laid on another machine's.

In: the grids of phrases as they are taken, and what a followed clock says. Out: places in beats and
in ms, the rate at which the music runs, the moment at which it may begin or go on. Music in free
time has no grid: its beats, which only a clock that is sent counts, begin with its first note.
Places in beats never go back, where music of another bundle begins neither: in free time beats run
on as long as they were, and what has a grid begins on a whole one.

Thread: the scheduler's; :meth:`BeatLine.hear`, :meth:`BeatLine.put_beat`, :meth:`BeatLine.beat`
and :meth:`BeatLine.own_beat_ms` may be called by any.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import NamedTuple

from streamer.live.timeline import Timeline
from streamer.midi.clock import Followed, locked_rate
from streamer.music.notes import Grid

logger = logging.getLogger(__name__)

MOST_REACHES = 64
"""Phrases whose grid is remembered: far more than lie around the present."""

SLACK_SECONDS = 0.05
"""So little past its beat the music still begins, a little late, instead of a beat later."""

DRAWN_SHARE = 0.1
"""Music that is drawn to a beat runs so much faster or slower at most."""

IN_PHASE_BEATS = 0.002
"""A beat that was put somewhere lies there: a millisecond at 120 BPM."""

SAME_TEMPO = 0.01
"""Music whose tempo is off by more than this share is not drawn to the beat that was put."""

_ROUNDING_MS = 1e-6
_ROUNDING_BEATS = 1e-6


class _Reach(NamedTuple):
    """From here on beats have one length.

    Attributes:
        start_ms: Place in the played music.
        beat: The same place in beats.
        beat_ms: Length of a beat.
        free: Whether the music is in free time, whoever counts beats beside it.
    """

    start_ms: float
    beat: float
    beat_ms: float
    free: bool = False


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
        self._default_ms, self._own_bar = beat_ms, bar
        self._reaches: deque[_Reach] = deque(maxlen=MOST_REACHES)
        self._rests = 0.0
        self._followed = Followed()
        self._put: Followed | None = None

    def hear(self, followed: Followed) -> None:
        """Take note of what another machine's clock says; any thread."""
        self._followed = followed

    def put_beat(self, at: float, tempo_bpm: float) -> None:
        """Let a beat fall on a moment, or a whole number of beats after it; any thread.

        The music is drawn there within eight beats, a tenth faster or slower at most, while it
        plays at that tempo by itself. What has no beats, and sends none, is left alone.

        Args:
            at: Seconds of the clock.
            tempo_bpm: Quarters a minute, above 0, at which the music plays from now on.
        """
        self._put = Followed(external=True, locked=True, tempo_bpm=tempo_bpm, at=at)

    def begin(self, place_ms: float) -> None:
        """Let the first beat lie here, unless the music has beats already."""
        if not self._reaches:
            self._reaches.append(_Reach(place_ms, 0.0, self._default_ms, free=True))

    def add(self, start_ms: float, grid: Grid | None) -> None:
        """Enter the grid of the next phrase.

        Args:
            start_ms: Where the phrase starts in the played music.
            grid: None in free time.
        """
        if grid is not None:
            self._reaches.append(_Reach(start_ms, grid.beat + self._rests, grid.beat_ms))
        elif self.gridded:
            beat, beat_ms = self.beat(start_ms), self.beat_ms(start_ms)
            self._reaches.append(_Reach(start_ms, beat, beat_ms, free=True))

    def join(self, start_ms: float, grid: Grid | None) -> float:
        """Let the music of another bundle begin on a whole beat of what was played until then.

        Args:
            start_ms: Where it would begin in the played music.
            grid: Of its first phrase; None in free time.

        Returns:
            How long it waits for the beat, in ms: less than a beat, and nothing where none is
            counted.
        """
        if grid is None:
            return 0.0
        counted = bool(self._reaches)
        self.begin(0.0)
        here = self.beat(start_ms)
        unit = (self._followed.bar if self.follows else None) or 1
        whole = math.ceil(here / unit - _ROUNDING_BEATS) * unit
        self._rests = whole - grid.beat
        return max(whole - here, 0.0) * self.beat_ms(start_ms) if counted else 0.0

    def cut(self, place_ms: float) -> None:
        """Forget the grids from a place on: what had them is not played."""
        while len(self._reaches) > 1 and self._reaches[-1].start_ms >= place_ms:
            self._reaches.pop()

    @property
    def _bar(self) -> float | None:
        """Quarters of the bars that are counted; None while nobody counts any."""
        return self._own_bar or (self._followed.bar if self.follows else None)

    @property
    def gridded(self) -> bool:
        """Whether the music that was entered last has beats of its own."""
        return bool(self._reaches) and not self._reaches[-1].free

    @property
    def follows(self) -> bool:
        """Whether another machine's clock gives the tempo."""
        return self._followed.external and self._followed.locked

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
        """Return how long the next phrase waits for its place in the bars that are followed, ms.

        0 where no bars are counted, or where it lies there: beats are in phase already, so that
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
        song = followed.beat_at(timeline.deadline(start_ms))
        # Of music with bars of its own each phrase begins on one; else the places are compared.
        place = 0.0 if self._own_bar else grid.beat + self._rests
        wait = round(place - song) % self._bar
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

    def own_beat_ms(self, place_ms: float) -> float | None:
        """Return the length of a beat at a place; None where the music is in free time."""
        reach = self._reach(place_ms)
        return None if reach.free else reach.beat_ms

    def rate(self, own: float, timeline: Timeline, now: float, speed: float = 1.0) -> float:
        """Return how fast the music is to run at ``now``, 1 being its own speed.

        Args:
            own: For music in free time.
            timeline: Where it is.
            now: Seconds of the clock.
            speed: Times that, where no other machine's clock says how fast.
        """
        followed, place_ms = self._followed, timeline.now_ms(now)
        free = self._reach(place_ms).free
        if not self.follows:
            return (own if free else 1.0) * speed * self._drawn(timeline, now, speed)
        if free:
            return own
        reference_bpm = 60_000.0 / self.beat_ms(place_ms)
        if followed.halted or not timeline.running:
            return followed.rate(reference_bpm)
        ahead = self.beat(place_ms) - followed.beat_at(now)
        return locked_rate(followed, reference_bpm, ahead)

    def _drawn(self, timeline: Timeline, now: float, speed: float) -> float:
        """Return how many times as fast the music runs to come to the beat that was put."""
        put = self._put
        if put is None or not (self._reaches and timeline.running):
            return 1.0
        place_ms = timeline.now_ms(now)
        off = self.beat(place_ms) - put.beat_at(now)
        off -= round(off)
        tempo_bpm = 60_000.0 * speed / self.beat_ms(place_ms)
        strays = abs(tempo_bpm / put.tempo_bpm - 1.0) > SAME_TEMPO
        if strays or abs(off) < IN_PHASE_BEATS:
            self._put = None
            return 1.0
        return 1.0 - min(max(off, -DRAWN_SHARE), DRAWN_SHARE)

    def turn(self, timeline: Timeline, now: float) -> float:
        """Return when the length of beats changes next, in seconds; infinity where it does not."""
        if not (self._reaches and timeline.running):
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
        known = followed.external and followed.locked and not followed.halted
        if not known or self._reach(place_ms).free:
            return earliest
        unit = self._bar or 1.0
        beats = (self.beat(place_ms) - followed.beat_at(earliest)) % unit
        if (unit - beats) * 60.0 / followed.tempo_bpm <= SLACK_SECONDS:
            beats -= unit
        return earliest + beats * 60.0 / followed.tempo_bpm

    def _reach(self, place_ms: float) -> _Reach:
        while True:
            try:
                for reach in reversed(self._reaches):
                    if reach.start_ms <= place_ms + _ROUNDING_MS:
                        return reach
                return self._first()
            except RuntimeError:  # another thread asks, and a phrase was entered meanwhile
                continue

    def _first(self) -> _Reach:
        none = _Reach(0.0, 0.0, self._default_ms, free=True)
        return self._reaches[0] if self._reaches else none
