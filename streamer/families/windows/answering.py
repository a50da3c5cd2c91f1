"""A live query: bars that a person plays, each asked just before its bar line.

    input's thread --strikes--> bar --closed--> generator's thread --answer--> buffer, scheduler
                                 ^ scheduler's thread: the beat

In: note messages with the time at which they came, and the beat of the music. Out: for the
generator's thread a wait that ends half a sixteenth before each bar line, when the bar is closed
and put to the network. The answer is drawn in that half sixteenth and starts on the line; so each
bar is answered one bar later. When nobody has played for some bars nothing is asked, and the music
walks on by itself until somebody does.

:meth:`Answering.hear`, :meth:`Answering.see` and :meth:`Answering.wait` belong to one thread each.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from streamer.families.windows.barquery import BarCollector
from streamer.families.windows.codec import RollCodec
from streamer.midi.messages import DRUM_CHANNEL, channel_of, ends_note, is_control
from streamer.music.pulse import Pulse
from streamer.system.clock import Clock, Wake

logger = logging.getLogger(__name__)

CLOSE_STEPS = 0.5
"""How long before its line a bar is closed, sixteenths."""

LOOK_SECONDS = 0.1
"""How often the beat is looked at while a bar goes on: a tempo can change."""

_STRAY_BEATS = 0.02


class Answering:
    """Puts what is played to a query bundle, bar by bar.

    Args:
        ask: Takes a bar that is to be answered next.
        codec: The bundle's.
        longest_steps: No key is held longer.
        silent_bars: So many silent bars are put to the network; then it is left alone.
    """

    def __init__(
        self,
        ask: Callable[[NDArray[Any]], object],
        codec: RollCodec,
        longest_steps: int,
        silent_bars: int,
    ) -> None:
        self._ask, self._codec, self._silent_bars = ask, codec, silent_bars
        self._bars = BarCollector(codec, longest_steps)
        self._lock = threading.Lock()
        self._pulse: Pulse | None = None
        self._moved = Wake()
        self._closed = False
        self._unheard = False
        # Before anybody has played the music walks.
        self._silent = silent_bars
        self._phrases = 0
        self.asked = 0
        """Bars that were put to the network."""

    @property
    def bar_beats(self) -> float:
        """Quarters of a bar."""
        return self._codec.beats

    def hear(self, message: bytes, at: float) -> None:
        """Take in a note-on, a note-off, or a CC that ends all notes; the input's thread.

        Args:
            message: Normalised: a note-on has a velocity.
            at: When it came, seconds. While the music is held nothing begins.
        """
        pulse = self._pulse
        if pulse is None:
            return
        beat = pulse.beat_at(at)
        with self._lock:
            if is_control(message):
                self._bars.release_all(beat)
            elif ends_note(message):
                self._bars.release(message[1], beat)
            elif pulse.running:
                drum = channel_of(message) == DRUM_CHANNEL
                if drum or not self._bars.strike(message[1], beat):
                    self._say_unheard()

    def see(self, pulse: Pulse) -> None:
        """Take note of where the music is; the scheduler's thread, at each of its turns."""
        old, self._pulse = self._pulse, pulse
        if (
            old is None
            or (old.running, old.line, old.phrases) != (pulse.running, pulse.line, pulse.phrases)
            or abs(old.beat_at(pulse.at) - pulse.beat) > _STRAY_BEATS
        ):
            self._moved.set()

    def wait(self, clock: Clock) -> bool:
        """Wait until the next phrase is to be drawn, and ask what it answers; generator's thread.

        Returns:
            Whether there is a phrase to draw: not when :meth:`close` was called.
        """
        while not self._closed:
            now = clock.now()
            if self.due(now):
                return True
            clock.wait_until(min(self._due_at(), now + LOOK_SECONDS), self._moved)
            self._moved.clear()
        return False

    def due(self, now: float) -> bool:
        """Close the bar and ask, if it is time; return whether a phrase is to be drawn.

        The first is drawn at once: it is what there is to play to.
        """
        if self._phrases and now < self._due_at():
            return False
        self._phrases += 1
        pulse = self._pulse
        if self._phrases == 1 or pulse is None:
            return True
        with self._lock:
            bar = self._bars.close(pulse.line)
        self._silent = 0 if bar.any() else self._silent + 1
        if self._silent <= self._silent_bars:
            self.asked += 1
            self._ask(bar)
        elif self._silent == self._silent_bars + 1:
            logger.info("nobody has played for %d bars; playing on alone", self._silent)
        return True

    def seconds_left(self, now: float) -> float:
        """Return how long it is from ``now`` to the line at which the next phrase begins."""
        pulse = self._pulse
        return pulse.time_of(pulse.line) - now if pulse is not None else 0.0

    def close(self) -> None:
        """End every wait; any thread."""
        self._closed = True
        self._moved.set()

    def _due_at(self) -> float:
        """Return when the bar is to be closed, in seconds; infinity while that is not known."""
        pulse = self._pulse
        if pulse is None or pulse.phrases < self._phrases:
            return float("inf")
        return pulse.time_of(pulse.line - CLOSE_STEPS / self._codec.steps_per_beat)

    def _say_unheard(self) -> None:
        if not self._unheard:
            self._unheard = True
            logger.info(
                "the query hears pitches %d..%d, and no drums (channel 10); other notes are left "
                "out",
                self._codec.low,
                self._codec.high,
            )
