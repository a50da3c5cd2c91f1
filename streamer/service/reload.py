"""Settings read again while the stream plays (SIGHUP), without a gap.

In: a callable that loads the settings as at the start, options of the command counted in. Out: live
controls and the log level changed; a line in the log for all else that has changed, which waits for
the next start. Settings with a mistake change nothing. Thread: main.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from streamer.control.morphing import SceneChanger
from streamer.errors import ConfigError
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Settings
from streamer.system.logs import configure_logging

logger = logging.getLogger(__name__)

Load = Callable[[], Settings]


class Reloader:
    """Applies what has changed between two readings of the settings.

    Only what was edited is applied: a control that was moved by hand since stays where it is,
    unless the file says something new about that very control, or names another scene.

    Args:
        load: Reads the settings.
        settings: As they were read at the start.
        controls: Live.
        scenes: Takes on scenes; None has one of its own.
    """

    def __init__(
        self,
        load: Load,
        settings: Settings,
        controls: LiveControls,
        scenes: SceneChanger | None = None,
    ) -> None:
        self._load, self._present = load, settings
        self._scenes = scenes or SceneChanger(controls)

    @property
    def settings(self) -> Settings:
        """The settings as they were last read without a mistake."""
        return self._present

    def reload(self) -> bool:
        """Read the settings again; return whether they were without a mistake."""
        try:
            settings = self._load()
        except ConfigError as error:
            for problem in error.problems:
                logger.warning("settings not read again: %s", problem)
            return False
        changed = changes(self._present, settings)
        try:
            self._change(settings, {n: v for stage, n, v in changed if stage == "controls"})
        except ValueError as error:  # right in themselves, and not beside what was moved by hand
            logger.warning("controls not changed: %s", error)
            return False
        if any((stage, name) == ("log", "level") for stage, name, _ in changed):
            configure_logging(settings.log.level)
        self._present = settings
        self._report(changed)
        return True

    def _change(self, settings: Settings, controls: dict[str, Any]) -> None:
        """Change what was edited; another scene takes the place of all that was moved.

        A scene that is on its way leaves what was edited, and ends where another is named.
        """
        if settings.model.scene == self._present.model.scene:
            self._scenes.move(controls)
            return
        self._scenes.take(settings.controls, settings.model.scene or "")

    def _report(self, changed: list[tuple[str, str, Any]]) -> None:
        live = [f"{s}.{n} = {v}" for s, n, v in changed if _is_live(s, n)]
        later = [f"{s}.{n}" for s, n, _ in changed if not _is_live(s, n)]
        logger.info("settings read again: %s", ", ".join(live) or "nothing to change at once")
        if later:
            logger.warning(
                "these wait for the next start (systemctl restart perpetuo): %s", ", ".join(later)
            )


def changes(old: Settings, new: Settings) -> list[tuple[str, str, Any]]:
    """Return stage, name and new value of each setting that differs."""
    before, found = old.values(), []
    for setting, value in new.values().items():
        stage, _, name = setting.partition(".")
        if setting not in before or before[setting] != value:
            found.append((stage, name, value))
    return found


def _is_live(stage: str, name: str) -> bool:
    return stage in ("controls", "plan") or (stage, name) in (("log", "level"), ("model", "scene"))
