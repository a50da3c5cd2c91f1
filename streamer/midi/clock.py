"""MIDI clock in: another machine's beat, smoothed, so that the stream can follow it.

In: the clock and transport messages of a MIDI input, each with the time at which it came. Out: a
:class:`Followed`, from which any thread tells the tempo, the beat and whether the music is to stand
still. Fed by the input's thread (:mod:`streamer.control.inputs`); nothing here knows of ports or
threads.

The rules are those of the MIDI standard: 24 clocks a quarter; the first clock after a Start is beat
0; a Continue goes on where the song stands; a Stop halts while clocks go on; the song position
counts sixteenths. When no clock comes any more, the stream is its own master again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamer.midi.messages import CLOCK, CONTINUE, SONG_POSITION, START, STOP, complete, decode

logger = logging.getLogger(__name__)

CLOCKS_PER_QUARTER, CLOCKS_PER_SIXTEENTH = 24, 6

SLOWEST_CLOCK_BPM, FASTEST_CLOCK_BPM = 20.0, 400.0
"""Tempos that a clock can have; what lies outside is no clock."""

LOST_SECONDS = 2.0
"""So long without a clock, and there is none."""

LEAST_RATE, MOST_RATE = 0.25, 4.0
"""How far a clock may stretch music that has its own time."""

_LEAST_MEMORY, _MEMORY, _LOCK_CLOCKS = 10.0, 48.0, 24
_FORGET = 0.8
_BIAS_WEIGHT, _NOISE_WEIGHT = 1 / 8, 1 / 32
_JITTER_FLOOR = 0.0003
_NEIGHBOUR = 0.75


class ClockLoop:
    """A phase-locked loop of second order: from clocks that jitter to a steady beat.

    At first it is a line of least squares through all clocks so far, then one with a fading memory
    (two beats). When the clocks stray from the line all to one side, and further than their jitter
    explains, the tempo changes, and the memory is shortened until the line fits again.

    Attributes:
        period: Seconds from clock to clock.
        estimate: When the last clock would have come without jitter, seconds; None before any.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next clock is the first."""
        self.period = 60.0 / (120.0 * CLOCKS_PER_QUARTER)
        self.estimate: float | None = None
        self._came = 0.0
        self._clocks = 0
        self._memory = 1.0
        self._bias = self._noise = 0.0
        self._strays = 0

    @property
    def tempo_bpm(self) -> float:
        """Quarters a minute."""
        return 60.0 / (self.period * CLOCKS_PER_QUARTER)

    @property
    def locked(self) -> bool:
        """Whether enough clocks have come, a beat of them, and they lie on the line."""
        return self._clocks >= _LOCK_CLOCKS and self._strays < 2

    def clock(self, now: float) -> None:
        """Take in one clock that came at ``now``, in seconds."""
        self._clocks += 1
        since, self._came = now - self._came, now
        if self.estimate is None:
            self.estimate = now
            return
        expected = self.estimate + self.period
        error = now - expected
        if self._clocks > 2 and abs(error) > self.period / 2:
            self._stray(since)
            # A single one that is neither in its place nor in its neighbour's came late by itself.
            alone = self._strays == 1 and abs(error) < _NEIGHBOUR * self.period
            self.estimate = expected if alone else now
            return
        self._strays = 0
        self._adapt(error)
        n = self._memory
        self.estimate = expected + error * 2 * (2 * n - 1) / (n * (n + 1))
        self._set_period(self.period + error * 6 / (n * (n + 1)))

    def _stray(self, seconds: float) -> None:
        """Meet a clock more than half a period off: one is missing, or the tempo leapt.

        Args:
            seconds: Time since the clock before it.
        """
        self._strays += 1
        if self._strays > 1:
            self._set_period(seconds)
            self._memory, self._clocks = 2.0, 2
            self._bias = self._noise = 0.0

    def _set_period(self, seconds: float) -> None:
        shortest, longest = (
            60.0 / (bpm * CLOCKS_PER_QUARTER) for bpm in (FASTEST_CLOCK_BPM, SLOWEST_CLOCK_BPM)
        )
        self.period = min(max(seconds, shortest), longest)

    def _adapt(self, error: float) -> None:
        """Lengthen the memory by a clock, or shorten it when the errors lie to one side."""
        self._bias += _BIAS_WEIGHT * (error - self._bias)
        self._noise += max(_NOISE_WEIGHT, 1 / self._clocks) * (
            abs(error - self._bias) - self._noise
        )
        if self._clocks > _LEAST_MEMORY and abs(self._bias) > self._noise + _JITTER_FLOOR:
            self._memory = max(self._memory * _FORGET, _LEAST_MEMORY)
        else:
            self._memory = min(self._memory + 1.0, _MEMORY)


@dataclass(frozen=True, slots=True)
class Followed:
    """What a clock says at one moment; it holds until the next one is made.

    Attributes:
        external: Whether there is a clock to follow; else the stream is its own master.
        locked: Whether its tempo and beat have become known.
        halted: Whether the music is to stand still.
        tempo_bpm: Quarters a minute; of use only when ``locked``.
        beat: Place in the song, in quarters, at ``at``.
        at: Seconds of the clock that timed the messages.
        starts: How often a Start has begun the song anew.
        bar: Quarters of its bars, of which one begins at beat 0; None where it says nothing of
            bars.
    """

    external: bool = False
    locked: bool = False
    halted: bool = False
    tempo_bpm: float = 120.0
    beat: float = 0.0
    at: float = 0.0
    starts: int = 0
    bar: float | None = None

    def beat_at(self, now: float) -> float:
        """Return the place in the song, in quarters, at ``now`` in seconds."""
        if self.halted or not self.external:
            return self.beat
        return self.beat + (now - self.at) * self.tempo_bpm / 60.0

    def rate(self, reference_bpm: float) -> float:
        """Return how fast music in free time is to run, 1 being its own speed.

        Args:
            reference_bpm: The tempo at which it runs at its own speed.
        """
        if not (self.external and self.locked):
            return 1.0
        return min(max(self.tempo_bpm / reference_bpm, LEAST_RATE), MOST_RATE)


class ClockFollower:
    """Follows the clock and transport of another machine. One thread feeds and looks.

    Args:
        lost_seconds: So long without a clock, and the stream is its own master.
        stop_holds: Whether a Stop still holds the music when the clocks cease after it, as they do
            on machines that send none while they stand.
    """

    def __init__(self, lost_seconds: float = LOST_SECONDS, *, stop_holds: bool = False) -> None:
        self._lost_seconds, self._stop_holds = lost_seconds, stop_holds
        self._loop = ClockLoop()
        self._external = self._halted = self._armed = False
        self._heard = float("-inf")
        self._tempo_bpm: float | None = None
        self._next_clock = 0
        self._place = 0
        self._starts = 0

    def receive(self, message: bytes, now: float) -> bool:
        """Take in one message that came at ``now``, in seconds.

        Returns:
            Whether it was one of the clock's; all others are left to whoever else wants them.
        """
        status = message[0] if message else 0
        if status == CLOCK:
            self._clock(now)
        elif status in (START, CONTINUE):
            self._armed = True
            # A machine whose clocks rest while it stands: nothing is lost by waking a clock early.
            self._halted = self._halted and self._external
            if status == START:
                self._next_clock = 0
                self._starts += 1
        elif status == STOP:
            self._halted, self._armed, self._heard = True, False, now
        elif status == SONG_POSITION and complete(message):
            self._next_clock = decode(message).values["pos"] * CLOCKS_PER_SIXTEENTH
            if self._halted:
                self._place = self._next_clock
        else:
            return False
        return True

    def look(self, now: float) -> Followed:
        """Return what is known at ``now``, in seconds; a clock that ceased is noticed here."""
        if (self._external or self._halted) and now - self._heard > self._lost_seconds:
            self._lose()
        estimate = self._loop.estimate
        return Followed(
            external=self._external,
            locked=self._tempo_bpm is not None,
            halted=self._halted,
            tempo_bpm=self._loop.tempo_bpm if self._tempo_bpm is None else self._tempo_bpm,
            beat=self._place / CLOCKS_PER_QUARTER,
            at=now if estimate is None else estimate,
            starts=self._starts,
        )

    def _clock(self, now: float) -> None:
        if self._external and now - self._heard > self._lost_seconds:
            self._lose()
        if not self._external:
            self._external = True
            logger.info("a MIDI clock came; following it")
        self._heard = now
        self._loop.clock(now)
        if self._loop.locked:
            # Kept while a leap is being learnt: music is not to fall back to its own tempo.
            self._tempo_bpm = self._loop.tempo_bpm
        if self._armed:
            self._armed = self._halted = False
        if not self._halted:
            self._place = self._next_clock
            self._next_clock += 1

    def _lose(self) -> None:
        if self._external:
            logger.warning("no MIDI clock for %g s; playing by the own clock", self._lost_seconds)
            self._loop.reset()
        self._external, self._tempo_bpm = False, None
        self._halted = self._halted and self._stop_holds


def locked_rate(followed: Followed, reference_bpm: float, ahead_beats: float) -> float:
    """Return the rate that brings music on a grid into phase with the clock, within a beat or so.

    Args:
        followed: What the clock says.
        reference_bpm: The tempo in which the music is written.
        ahead_beats: How far the music's beat is ahead of the clock's, in quarters, below 0 when it
            is behind. The nearest place in phase is steered to, at most a tenth faster or slower.
    """
    rate = followed.rate(reference_bpm)
    if not (followed.external and followed.locked):
        return rate
    off = ahead_beats - round(ahead_beats)
    return rate * (1.0 - min(max(off, -0.1), 0.1))
