"""The tempo of a stream: its own, and what is shown of the one that is heard.

In: scheduler and sources. Out: figures for the display, and what a session of Link is kept to while
nobody else is there (:class:`streamer.control.link.Music`). Any thread.
"""

from __future__ import annotations

from collections.abc import Callable

from streamer.live.scheduler import Scheduler
from streamer.midi.clock import LEAST_RATE, MOST_RATE
from streamer.pipeline import Source
from streamer.settings.controls import LiveControls
from streamer.settings.midi import ClockSettings

SAYS = {"internal": "", "send": "sends", "follow": "follows"}
"""What is said of whose beat it is, where its source says nothing by itself."""


class StreamTempo:
    """Tempo and place of a stream.

    Args:
        scheduler: Of the stream.
        heard: Returns the source that is heard.
        controls: Live.
        settings: Whose beat it is.

    Attributes:
        source: Tells what is shown of the source of the beat; "" where there is none.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        heard: Callable[[], Source],
        controls: LiveControls,
        settings: ClockSettings,
    ) -> None:
        self._scheduler, self._heard, self._controls = scheduler, heard, controls
        self._settings = settings
        self.source: Callable[[], str] = lambda: SAYS.get(settings.mode, "")

    @property
    def own_bpm(self) -> float:
        """Quarters a minute at the music's own speed; in free time those of the settings."""
        beat_ms = self._beat_ms
        return self._settings.tempo_bpm if beat_ms is None else 60_000.0 / beat_ms

    @property
    def bpm(self) -> float:
        """Quarters a minute with the speed that is set, whatever is followed."""
        return self.own_bpm * self._controls.snapshot().tempo_scale

    @property
    def place(self) -> float | None:
        """Quarters since the beginning, as heard; None in free time, and while it stands."""
        scheduler = self._scheduler
        if scheduler.beat_ms is None or not scheduler.phrases_begun or not scheduler.pace:
            return None
        return scheduler.now_beats - scheduler.early_seconds * self.bpm / 60.0

    @property
    def held(self) -> bool:
        """Whether the music is held."""
        return self._scheduler.held

    def keep(self, bpm: float) -> None:
        """Go on at a tempo, quarters a minute, as far as ``tempo_scale`` goes."""
        scale = min(max(bpm / self.own_bpm, LEAST_RATE), MOST_RATE)
        self._controls.update(tempo_scale=scale)

    def figures(self) -> dict[str, float | None]:
        """Return tempo and place in beats, where the music has any, as the figures have them."""
        scheduler, beat_ms = self._scheduler, self._beat_ms
        pace = scheduler.pace
        if beat_ms is None:
            follows = scheduler.follows and pace > 0
            return {"bpm": self._settings.tempo_bpm * pace if follows else None}
        return {
            "bpm": 60_000.0 / beat_ms * (pace or 1.0),
            "beat": max(scheduler.now_beats, 0.0),
        }

    @property
    def _beat_ms(self) -> float | None:
        """Length of a quarter of what sounds, or will sound first, at its own pace, ms."""
        scheduler = self._scheduler
        return scheduler.beat_ms if scheduler.phrases_begun else self._heard().generator.beat_ms
