"""MIDI clock out: the beat that other machines follow, on the scheduler's own timeline.

In: the timeline of the music and when it starts and stands. Out: clocks, 24 a quarter, and the
transport, each with its deadline. Thread: the scheduler's alone.

The clocks never stop and never stumble. While the music runs they lie at whole places of it, so
that they follow its tempo and are put off with it when the process stood still; while it stands
they go on at the last tempo. When it begins or goes on it is the music that waits for the beat, by
less than a clock, so that the first note falls on the first clock after Start. The clocks of music
with beats of its own lie on these, at its own tempo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from streamer.live.beatline import BeatLine
from streamer.live.lateness import LatenessHistogram
from streamer.live.timeline import Timeline
from streamer.midi.clock import CLOCKS_PER_QUARTER, CLOCKS_PER_SIXTEENTH
from streamer.midi.messages import encode, song_position

SONG_SIXTEENTHS = 1 << 14
"""The song position has 14 bits; an endless song goes round."""

STALE_SECONDS = 0.5
"""Clocks that are later than this are left out while the music stands: the process stood still."""

_TICK, _START, _STOP, _CONTINUE = map(encode, ("clock", "start", "stop", "continue"))


class ClockOut(Protocol):
    """What the scheduler asks of a clock; :class:`ClockSender` says what each means.

    Attributes:
        lateness: How late clocks left.
        jitter: How far the time between two clocks was off.
    """

    lateness: LatenessHistogram
    jitter: LatenessHistogram

    def align(self, place_ms: float, earliest: float) -> float: ...  # noqa: D102
    def again(self) -> None: ...  # noqa: D102
    def deadline(self) -> float: ...  # noqa: D102
    def due(self, now: float) -> list[bytes]: ...  # noqa: D102
    def stop(self) -> list[bytes]: ...  # noqa: D102


class NoClock:
    """Sends nothing, and makes nothing wait."""

    def __init__(self) -> None:
        self.lateness, self.jitter = LatenessHistogram(), LatenessHistogram()

    def align(self, place_ms: float, earliest: float) -> float:
        """Return ``earliest``: there is no beat to wait for."""
        del place_ms
        return earliest

    def again(self) -> None:
        """Do nothing."""

    def deadline(self) -> float:
        """Return infinity: nothing is ever due."""
        return math.inf

    def due(self, now: float) -> list[bytes]:
        """Return nothing."""
        del now
        return []

    def stop(self) -> list[bytes]:
        """Return nothing."""
        return []


@dataclass(frozen=True, slots=True)
class _Cue:
    """What makes others run: sent half a clock before the clock at which they do."""

    clock: int
    message: bytes


class ClockSender:
    """Sends the beat of a timeline; one thread.

    Args:
        timeline: That of the music; it is only read.
        tempo_bpm: Quarters a minute of music at rate 1, until it has beats of its own.
        now: Before this no clock is due, in seconds.
        beats: Where the beats of the music lie; None counts them from its first place.

    Attributes:
        lateness: How late clocks left.
        jitter: How far the time between two clocks was off.
    """

    def __init__(
        self, timeline: Timeline, tempo_bpm: float, now: float, beats: BeatLine | None = None
    ) -> None:
        if not tempo_bpm > 0:
            raise ValueError(f"tempo_bpm must be above 0, not {tempo_bpm}")
        self._timeline = timeline
        self._clock_ms = 60_000.0 / (tempo_bpm * CLOCKS_PER_QUARTER)
        self._beats = beats or BeatLine(60_000.0 / tempo_bpm)
        self._next = 0
        self._free_at = now
        self._moving = False
        self._cue: _Cue | None = None
        self._urgent: list[bytes] = []
        self._sent_at: float | None = None
        self._was_due = 0.0
        self.lateness, self.jitter = LatenessHistogram(), LatenessHistogram()

    def align(self, place_ms: float, earliest: float) -> float:
        """Return when the music is to be at a place, so that the clocks go on undisturbed.

        Called when the timeline is about to start there, or to run on from there; the very first
        place is beat 0.

        Args:
            place_ms: Place in the music, ms.
            earliest: In seconds of the clock; what is returned is later by less than one clock.
        """
        self._beats.begin(place_ms)
        self._clock_ms = self._beats.beat_ms(place_ms) / CLOCKS_PER_QUARTER
        clock = math.ceil(self._beats.beat(place_ms) * CLOCKS_PER_QUARTER - 1e-9)
        ahead = (self._place(clock) - place_ms) / self._ms_a_second
        first = earliest + ahead
        free_at, clock_seconds = self._free_at, self._clock_ms / self._ms_a_second
        waited = max(math.ceil((first - free_at) / clock_seconds - 1e-9), 0)
        self._next = clock - waited
        self._moving = True
        self._cue_at(clock, free_at + waited * clock_seconds - clock_seconds / 2 >= earliest)
        return free_at + waited * clock_seconds - ahead

    def again(self) -> None:
        """Tell others anew where the song is and that it runs: they may have just come."""
        if self._moving:
            self._cue_at(max(self._next, 0), in_time=False)

    def deadline(self) -> float:
        """Return when the next message is due, in seconds."""
        if self._urgent or self._has_stopped():
            return float("-inf")
        due = self._clock_at(self._next) if self._moving else self._free_at
        cue = self._cue
        return due if cue is None else min(due, self._clock_at(cue.clock - 0.5))

    def due(self, now: float) -> list[bytes]:
        """Return the messages that are due at ``now``, in seconds, and go on to the next.

        Clocks of running music that are late are all returned: who counts them must not lose any.
        """
        if self._has_stopped():
            self._hold()
        if self._sent_at is None and not self._moving:
            self._free_at = max(self._free_at, now)
        messages, self._urgent = self._urgent, []
        while (deadline := self.deadline()) <= now:
            if self._cue is not None and self._clock_at(self._cue.clock - 0.5) <= deadline:
                messages.append(self._cue.message)
                self._cue = None
                continue
            messages.append(_TICK)
            self._measure(deadline, now)
            if self._moving:
                self._next += 1
                continue
            self._free_at += self._clock_ms / self._ms_a_second
            if now - self._free_at > STALE_SECONDS:
                self._free_at = now
        return messages

    def stop(self) -> list[bytes]:
        """Return what ends the song, if it runs."""
        moving, self._moving = self._moving, False
        self._urgent, self._cue = [], None
        return [_STOP] if moving else []

    @property
    def _ms_a_second(self) -> float:
        return 1000.0 * self._timeline.rate

    def _clock_at(self, clock: float) -> float:
        return self._timeline.deadline(self._place(clock))

    def _place(self, clock: float) -> float:
        return self._beats.place(clock / CLOCKS_PER_QUARTER)

    def _has_stopped(self) -> bool:
        return self._moving and not self._timeline.running

    def _hold(self) -> None:
        """The music stands: say so, and let the clocks go on after the last one."""
        self._moving, self._cue = False, None
        self._clock_ms = self._beats.beat_ms(self._place(self._next)) / CLOCKS_PER_QUARTER
        if self._sent_at is not None:
            self._free_at = self._was_due + self._clock_ms / self._ms_a_second
        self._urgent.append(_STOP)

    def _cue_at(self, clock: int, in_time: bool) -> None:
        """Let others run from a clock on, or from the next whole sixteenth after it."""
        if clock <= 0:
            self._cue = _Cue(0, _START)
            return
        sixteenth = math.ceil((clock + (0 if in_time else 1)) / CLOCKS_PER_SIXTEENTH)
        place = sixteenth % SONG_SIXTEENTHS
        self._urgent.append(song_position(place))
        self._cue = _Cue(sixteenth * CLOCKS_PER_SIXTEENTH, _CONTINUE)

    def _measure(self, deadline: float, now: float) -> None:
        self.lateness.add(now - deadline)
        if self._sent_at is not None:
            self.jitter.add(abs((now - self._sent_at) - (deadline - self._was_due)))
        self._sent_at, self._was_due = now, deadline
