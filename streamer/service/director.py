"""The director of a stream: scenes on their way, the plan of the day, quiet hours, the sleep timer.

In: scenes, a plan, the present by two clocks: a monotonic one, and the one on the wall, which may
leap. Out: scenes chosen, and a level that the scheduler obeys, 0 for silence. Thread: the daemon's
main one looks a few times a second; surfaces read what it says of itself.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from streamer.control.day import DayPlan, Occurrence
from streamer.control.morphing import SceneChanger
from streamer.control.scenes import SceneShelf
from streamer.errors import StreamerError
from streamer.service.sleeping import SleepTimer
from streamer.settings.controls import MOMENTARY, Controls, LiveControls, control_specs
from streamer.settings.settings import Settings

logger = logging.getLogger(__name__)

BACK_SECONDS = 600.0
"""A wall clock that is set back by less does not bring back the scene before."""


class Stage(Protocol):
    """What a director moves besides the controls: the stream."""

    @property
    def phrases_begun(self) -> int:
        """Phrases that sound, or have sounded."""
        ...

    @property
    def phrases_written(self) -> int:
        """Phrases that were written one after the other; none that took another's place."""
        ...

    @property
    def held(self) -> bool:
        """Whether the music is held."""
        ...

    @property
    def waits(self) -> bool:
        """Whether the music is silent because a person has the turn in a duet."""
        ...

    def dim(self, level: float) -> None:
        """Let notes be so loud from now on, 0..1; 0 holds the music."""
        ...


def wall_clock() -> datetime:
    """Return the present by the clock on the wall, with its zone."""
    return datetime.now().astimezone()


class Director:
    """Looks after scenes, plan and level; one thread, :meth:`state` excepted.

    Args:
        settings: Reads the settings as they are now: they may be read again.
        controls: Live.
        scenes: Takes on scenes.
        now: Seconds of the monotonic clock.
        wall: The present by the clock on the wall.
        keep: Keeps what was heard lately; it may take a while, and has a thread for it.
        resumes: Whether the stream goes on from a place of another, with its controls.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        controls: LiveControls,
        scenes: SceneChanger,
        now: Callable[[], float],
        wall: Callable[[], datetime] = wall_clock,
        keep: Callable[[], object] = lambda: None,
        *,
        resumes: bool = False,
    ) -> None:
        self._settings, self._controls, self._scenes = settings, controls, scenes
        self._now, self._wall, self._keep = now, wall, keep
        self._read: Settings | None = None
        self._plan = DayPlan()
        self._shelf = SceneShelf(settings().scenes_folder)
        self._done: Occurrence | None = None
        self._began, self._resumes = False, resumes
        self._timer = SleepTimer(controls)
        self._level = 1.0
        self._presses: deque[bool] = deque(maxlen=1)
        self._pressed = False
        self._keeper: threading.Thread | None = None
        self._press(controls.snapshot())
        controls.listen(self._press)

    def begin(self) -> None:
        """Be where the plan is by now, before anything sounds.

        What was asked for by an option holds until the next scene of the plan begins.
        """
        self._keep_up()
        asked = self._resumes or "model.scene" in self._settings().asked
        wall = self._wall().astimezone(UTC)
        held = self._plan.in_force(wall)
        if held is not None and (asked or self._controls.scene == held.scene):
            self._done = held
        before = self._done
        self._follow(wall)
        self._scenes.finish()
        if self._done is not before:
            self._obey_options()

    def _obey_options(self) -> None:
        """Put the controls that options name back to what they say, over those of a scene."""
        settings = self._settings()
        for name in control_specs():
            if f"controls.{name}" in settings.asked and name not in MOMENTARY:
                try:
                    self._controls.update(**{name: settings.controls.value(name)})
                except ValueError as error:
                    logger.warning("--set %s does not go with the plan's scene: %s", name, error)

    def look(self, stage: Stage) -> None:
        """Do what is due; called a few times a second."""
        self._keep_up()
        wall, now = self._wall().astimezone(UTC), self._now()
        self._follow(wall)
        self._keep_if_asked()
        self._scenes.step(
            now,
            stage.phrases_begun,
            stage.phrases_written,
            heard=not stage.held,
            waits=stage.waits,
        )
        asleep = self._timer.look(now, self._settings().plan.sleep_fade_seconds)
        level = min(self._plan.level(wall), asleep)
        if level != self._level or not self._began:
            self._tell(level)
            self._level, self._began = level, True
            stage.dim(level)

    def state(self) -> dict[str, Any]:
        """Return what is planned, in words and numbers; any thread."""
        following = self._plan.following(self._wall())
        return {
            "level": round(self._level, 3),
            "quiet": self._level == 0,
            "morphing": self._scenes.morphing,
            "next_scene": None if following is None else following.scene,
            "next_at": following and following.at.astimezone(self._plan.zone).isoformat(),
        }

    def _keep_up(self) -> None:
        """Make the plan anew where the settings were read again."""
        settings = self._settings()
        if settings is self._read:
            return
        before, self._read = self._read, settings
        if before is None or (settings.day, settings.plan) != (before.day, before.plan):
            self._plan, self._done = DayPlan(settings.day, settings.plan), None
            if before is not None:
                self._done = self._plan.in_force(self._wall())
                logger.info("the plan of the day was read again")

    def _follow(self, wall: datetime) -> None:
        """Take on the scene that holds now, where it is another than the one before."""
        held, done = self._plan.in_force(wall), self._done
        if held is None or held == done:
            return
        if done is not None and held.at <= done.at:
            if done.at - wall < timedelta(seconds=BACK_SECONDS):
                return
            logger.info("the clock on the wall went back by hours; the plan goes with it")
        self._done = held
        late = (wall - held.at).total_seconds()
        seconds = held.fade_seconds
        try:
            scene = self._shelf.find(held.scene)
            if seconds is None:
                self._scenes.choose(scene)
            else:
                self._scenes.choose(scene, max(seconds - late, 0.0))
        except (KeyError, ValueError) as error:
            logger.warning("the plan's scene %s was not chosen: %s", held.scene, _line(error))
            return
        logger.info("scene %s, as planned for %s", held.scene, f"{held.wall:%H:%M}")
        self._timer.wake()

    def _press(self, controls: Controls) -> None:
        """Take note of a press of the switch that keeps, in the thread that pressed it."""
        if controls.keep and not self._pressed:
            self._presses.append(True)
        self._pressed = controls.keep

    def _keep_if_asked(self) -> None:
        """Keep what was heard, and let the switch fall back."""
        if not self._presses or (self._keeper is not None and self._keeper.is_alive()):
            return
        self._presses.clear()
        self._controls.update(keep=False)

        def work() -> None:
            try:
                self._keep()
            except StreamerError as error:
                logger.warning("nothing was kept: %s", error)

        self._keeper = threading.Thread(target=work, name="keep", daemon=True)
        self._keeper.start()

    def _tell(self, level: float) -> None:
        if (level == 0) is not (self._level == 0) or not self._began:
            if level == 0:
                logger.info("quiet hours: the music is held")
            elif self._began:
                logger.info("quiet hours are over; the music comes back")


def _line(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error)
