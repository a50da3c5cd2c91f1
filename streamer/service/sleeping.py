"""The sleep timer: minutes that run down, a fade at their end, and the music held after it.

In: the control ``sleep`` as it is moved, and the present by a monotonic clock. Out: how loud the
music may be, the control as it counts down, and at its end a pause of its own, which alone it ends
again. Thread: one looks; the control is moved by any.
"""

from __future__ import annotations

import logging
import math
from collections import deque

from streamer.settings.controls import Controls, LiveControls

logger = logging.getLogger(__name__)


class SleepTimer:
    """Lets the music fall asleep.

    Args:
        controls: Live.

    Attributes:
        slept: Whether the music is held because the timer ran down, and by nobody else.
    """

    def __init__(self, controls: LiveControls) -> None:
        self._controls = controls
        self._asked: deque[float] = deque(maxlen=1)  # the last wish that was not looked at yet
        self._shown = 0.0
        self._until, self._seconds = math.inf, 0.0
        self.slept = False
        self._moved(controls.snapshot())
        controls.listen(self._moved)

    def _moved(self, controls: Controls) -> None:
        """Take note of what was moved; in the thread that moved it, under its lock."""
        if controls.sleep != self._shown:
            self._shown = controls.sleep
            self._asked.append(controls.sleep)
        self.slept = self.slept and controls.pause

    def look(self, now: float, fade_seconds: float) -> float:
        """Let the timer run, and return how loud it lets the music be, 0..1.

        Args:
            now: Seconds of a monotonic clock.
            fade_seconds: How long the music takes to fade out.
        """
        if self._asked:
            minutes = self._asked.pop()
            self._seconds = minutes * 60.0
            self._until = now + self._seconds if minutes else math.inf
        if self._until == math.inf:
            return 1.0
        left = self._until - now
        if left <= 0:
            self._until = math.inf
            self._controls.change(self._run_down)
            return 1.0
        self._controls.change(lambda present: self._counted(present, float(math.ceil(left / 60.0))))
        fade = min(fade_seconds, self._seconds)
        return 1.0 if left >= fade else left / fade

    def wake(self) -> None:
        """Let the music go on, where it was the timer that held it."""
        self._controls.change(
            lambda present: present.with_changes({"pause": False}) if self.slept else present
        )

    def _counted(self, present: Controls, minutes: float) -> Controls:
        """Show the minutes that are left, unless somebody asks for others."""
        if self._asked or minutes >= self._shown:
            return present
        self._shown = minutes
        return present.with_changes({"sleep": minutes})

    def _run_down(self, present: Controls) -> Controls:
        """Hold the music, unless somebody asks for more time."""
        if self._asked:
            return present
        logger.info("the sleep timer has run down; the music is held")
        self._shown, self.slept = 0.0, not present.pause
        return present.with_changes({"pause": True, "sleep": 0.0})
