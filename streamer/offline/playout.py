"""The stream without a clock: the very scheduler that plays live, run as fast as it goes.

In: a source of phrases and a length. Out: every message in its order, sent to a port that writes it
down. What is rendered is thereby what would have been played. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.greeting import Greeting
from streamer.music.notes import Phrase
from streamer.ports.base import Port
from streamer.settings.controls import Controls
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import SchedulerSettings
from streamer.system.clock import Wake


class LeapingClock:
    """A clock that stands still until somebody waits, and then is at once where the wait ends."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return the present in seconds, from 0."""
        return self._now

    def suspended(self) -> float:
        """Return 0: it never sleeps."""
        return 0.0

    def wait_until(self, deadline: float, wake: Wake, spin_seconds: float = 0.0) -> bool:
        """Leap to the deadline, unless ``wake`` is set (:class:`streamer.system.clock.Clock`)."""
        del spin_seconds
        if wake.is_set():
            return True
        self._now = max(self._now, deadline)
        return False


class DrawnBuffer(RollingBuffer):
    """A buffer that is never empty: each phrase is drawn when it is taken.

    Args:
        draw: Gives phrase after phrase.
        duration_ms: The stream ends here: later notes are left out, longer ones cut.
        on_phrase: Is told of each phrase that is played.
    """

    def __init__(
        self,
        draw: Callable[[], Phrase],
        duration_ms: float,
        on_phrase: Callable[[Phrase], object],
    ) -> None:
        super().__init__(1.0, 2.0)
        self._draw, self._duration_ms, self._on_phrase = draw, duration_ms, on_phrase

    def take(self) -> Phrase | None:
        """Return the next phrase, or None when the time is over."""
        if self.closed:
            return None
        phrase = self._cut(self._draw())
        self._on_phrase(phrase)
        self.put(phrase)
        if phrase.end_ms >= self._duration_ms:
            self.close()
        return super().take()

    def _cut(self, phrase: Phrase) -> Phrase:
        limit_ms = self._duration_ms
        if max((note.end_ms for note in phrase.notes), default=0.0) <= limit_ms:
            return phrase
        notes = tuple(
            replace(note, duration_ms=min(note.duration_ms, limit_ms - note.onset_ms))
            for note in phrase.notes
            if note.onset_ms < limit_ms
        )
        return replace(phrase, notes=notes, entropies=phrase.entropies[: len(notes)])


def play_out(
    draw: Callable[[], Phrase],
    duration_ms: float,
    port: Port,
    on_phrase: Callable[[Phrase], object],
    synth: SynthSettings | None = None,
    greeting: Greeting | None = None,
    muted: frozenset[int] = frozenset(),
    controls: Controls | None = None,
) -> None:
    """Send everything up to ``duration_ms`` to the port; see :class:`DrawnBuffer`.

    Args:
        draw: Gives phrase after phrase.
        duration_ms: Length of the stream as heard.
        port: Where to.
        on_phrase: Is told of each phrase that is played.
        synth: What it is played on; its cable is not looked at, a file has none.
        greeting: What it is told first; None makes that of ``synth``.
        muted: Channels that are silent.
        controls: Obeyed as notes leave, the speed of playing among them; None changes nothing.
    """
    settings = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
    controls = controls or Controls()
    buffer = DrawnBuffer(draw, duration_ms * controls.tempo_scale, on_phrase)
    synth = replace(synth or SynthSettings(), wire="fast")
    scheduler = Scheduler(buffer, port, LeapingClock(), settings, synth=synth, greeting=greeting)
    scheduler.mute(muted)
    scheduler.steer(controls)
    scheduler.run()
