"""Tap tempo: two to eight presses of the control ``tap`` say how fast the music is to play.

In: snapshots of the live controls, in the thread that made each, and what is known of the music's
own tempo. Out: ``tempo_scale`` moved so that the music plays at the tempo that was tapped, and the
moment of the last tap, on which a beat is to fall.

A press is taken in as it is made, and let go of at once: however short it is, none is lost.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from streamer.midi.clock import LEAST_RATE, MOST_RATE
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.tempo import TempoControls
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)

LEAST_TAPS, MOST_TAPS = 2, 8
"""So many taps say a tempo; of more the last count."""

GAP_SECONDS = 2.0
"""A tap that comes later than this begins anew: it is a beat at the slowest tempo."""

SLOWEST_TAP_BPM, FASTEST_TAP_BPM = 30.0, 300.0

_ROUNDING_SECONDS = 1e-6

REFUSED = "tap does nothing while another machine's beat is followed; set the tempo there"


class Tempo(Protocol):
    """What taps move besides the controls: the scheduler."""

    @property
    def follows(self) -> bool:
        """Whether another machine gives the tempo."""
        ...

    def put_beat(self, at: float, tempo_bpm: float) -> None:
        """Let a beat fall on a moment, or a whole number of beats after it."""
        ...


class TapTempo:
    """Takes in taps; any thread, one at a time as the live controls are changed.

    Args:
        controls: In which ``tap`` is pressed, and ``tempo_scale`` moved.
        tempo: The scheduler.
        clock: Time.
        own_bpm: Returns the tempo of the music at its own speed, quarters a minute.
    """

    def __init__(
        self,
        controls: LiveControls,
        tempo: Tempo,
        clock: Clock,
        own_bpm: Callable[[], float],
    ) -> None:
        self._controls, self._tempo, self._clock = controls, tempo, clock
        self._own_bpm = own_bpm
        self._taps: deque[float] = deque(maxlen=MOST_TAPS)
        self._refused = False
        self._said = 0

    def obey(self, controls: Controls) -> None:
        """Take in a press, if this snapshot has one: a listener of the live controls."""
        if not controls.of(TempoControls).tap:
            return
        now = self._clock.now()
        tapped_bpm = self._tap(now)
        if tapped_bpm is None:
            self._controls.update(tap=False)
            return
        own_bpm = self._own_bpm()
        scale = min(max(tapped_bpm / own_bpm, LEAST_RATE), MOST_RATE)
        self._controls.update(tap=False, tempo_scale=scale)
        # After the speed: the scheduler draws to a beat only while it plays at its tempo.
        self._tempo.put_beat(now, scale * own_bpm)
        self._say(tapped_bpm, scale * own_bpm)

    def _tap(self, now: float) -> float | None:
        """Take in one tap; return the tempo that is asked for, if enough have come."""
        if self._tempo.follows:
            if not self._refused:
                logger.warning("%s", REFUSED)
            self._refused = True
            self._taps.clear()
            return None
        self._refused = False
        if self._taps and now - self._taps[-1] > GAP_SECONDS + _ROUNDING_SECONDS:
            self._taps.clear()
        self._taps.append(now)
        if len(self._taps) < LEAST_TAPS:
            return None
        taps = [*self._taps]
        gaps = sorted(after - before for before, after in zip(taps, taps[1:], strict=False))
        middle = len(gaps) // 2
        seconds = gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2
        slowest, fastest = 60.0 / SLOWEST_TAP_BPM, 60.0 / FASTEST_TAP_BPM
        return 60.0 / min(max(seconds, fastest), slowest)

    def _say(self, tapped_bpm: float, bpm: float) -> None:
        """Log what was tapped, once for each tempo."""
        if round(tapped_bpm) == self._said:
            return
        self._said = round(tapped_bpm)
        if math.isclose(bpm, tapped_bpm):
            logger.info("tapped %.0f BPM", bpm)
        else:
            logger.info("tapped %.0f BPM; the music goes no further than %.0f", tapped_bpm, bpm)
