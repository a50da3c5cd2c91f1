"""Settings read again while the stream plays (SIGHUP), without a gap.

In: a callable that loads the settings as at the start, options of the command counted in. Out:
live controls and the log level changed; a line in the log for all else that has changed, which
waits for the next start. Settings with a mistake change nothing. Called by the daemon's main
thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from streamer.controls import LiveControls
from streamer.errors import ConfigError
from streamer.logs import configure_logging
from streamer.settings import Settings

logger = logging.getLogger(__name__)

Load = Callable[[], Settings]


class Reloader:
    """Applies what has changed between two readings of the settings.

    Only what was edited is applied: a control that was moved by hand since stays where it is,
    unless the file says something new about that very control.

    Args:
        load: Reads the settings.
        settings: As they were read at the start.
        controls: Live.
    """

    def __init__(self, load: Load, settings: Settings, controls: LiveControls) -> None:
        self._load, self._present, self._controls = load, settings, controls

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
        controls = {n: v for stage, n, v in changed if stage == "controls"}
        try:
            self._controls.update(**controls)
        except ValueError as error:  # right in themselves, and not beside what was moved by hand
            logger.warning("controls not changed: %s", error)
            return False
        if any((stage, name) == ("log", "level") for stage, name, _ in changed):
            configure_logging(settings.log.level)
        self._present = settings
        self._report(changed)
        return True

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
    found = []
    for stage in (field.name for field in fields(Settings)):
        before, after = asdict(getattr(old, stage)), asdict(getattr(new, stage))
        found += [(stage, name, value) for name, value in after.items() if before[name] != value]
    return found


def _is_live(stage: str, name: str) -> bool:
    return stage == "controls" or (stage, name) == ("log", "level")
