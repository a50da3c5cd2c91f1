"""The live controls of the last run and its preset, so that no restart or power cut loses them.

In: the snapshot of :class:`~streamer.controls.LiveControls`. Out: ``controls.json`` in the state
folder, written whole or not at all, and only once the hand has come to rest: a knob that is turned
must not wear out an SD card. Called by the daemon at start, and by its housekeeping thread.

A control that the person has changed in the configuration since then follows the configuration;
the others go on where they were. A pause is not kept: what is switched on plays.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamer.atomic import atomic_file
from streamer.controls import Controls, LiveControls
from streamer.errors import StreamerError

logger = logging.getLogger(__name__)

FILE_NAME = "controls.json"
SCHEMA = 1
MOST_BYTES = 64 * 1024

REST_SECONDS = 5.0
"""The controls are written when they have not been moved for so long."""

FORGOTTEN = ("pause",)


def restore(path: Path, configured: Controls) -> Controls:
    """Return the controls to begin with: the last ones, over those of the configuration.

    A file that is missing, damaged or from another version changes nothing that it does not
    clearly say; it is never a reason not to play.

    Args:
        path: What :class:`Keeper` wrote.
        configured: The controls of the configuration now.
    """
    saved = _read(path)
    now, last, before = asdict(configured), saved.get("last"), saved.get("configured")
    if not isinstance(last, dict) or not isinstance(before, dict):
        return configured
    changes = {
        name: value
        for name, value in last.items()
        if name in now
        and name not in FORGOTTEN
        and name in before
        and before[name] == now[name]  # else the configuration was edited, and wins
        and value != now[name]
    }
    return _apply(changes, configured, path)


def last_preset(path: Path) -> str:
    """Return the name of the preset that was chosen last; "" where none was."""
    name = _read(path).get("preset")
    return name if isinstance(name, str) and name.isprintable() else ""


def _apply(changes: Mapping[str, Any], configured: Controls, path: Path) -> Controls:
    """Return the configured controls with as many of the changes as are legal."""
    try:
        return configured.with_changes(changes)
    except ValueError:
        pass
    controls = configured
    for name, value in changes.items():
        try:
            controls = controls.with_changes({name: value})
        except ValueError as error:
            logger.warning("%s: %s; not used", path, error)
    return controls


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s cannot be read (%s); beginning with the configuration", path, error)
        return {}
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        logger.warning("%s is not from this version; beginning with the configuration", path)
        return {}
    return document


class Keeper:
    """Writes the controls down when they have come to rest; one thread.

    Args:
        path: The file.
        configured: The controls of the configuration.
        live: What is kept.
    """

    def __init__(self, path: Path, configured: Controls, live: LiveControls) -> None:
        self._path, self._configured, self._live = path, configured, live
        self._written: tuple[Controls, str] | None = None
        self._seen: tuple[Controls, str] | None = None
        self._since = 0.0

    def look(self, now: float) -> None:
        """Write if something has changed and come to rest.

        Args:
            now: Seconds of a monotonic clock.
        """
        present = (self._live.snapshot(), self._live.preset)
        if present != self._seen:
            self._seen, self._since = present, now
        if present != self._written and now - self._since >= REST_SECONDS:
            self.write()

    def reconfigured(self, configured: Controls) -> None:
        """Take note of controls of a configuration that was read again."""
        self._configured, self._written = configured, None

    def write(self) -> None:
        """Write now, at the end of a run; a disk that is full is a line in the log."""
        present = (self._live.snapshot(), self._live.preset)
        if present == self._written:
            return
        controls, preset = present
        document = {
            "schema": SCHEMA,
            "configured": asdict(self._configured),
            "last": {k: v for k, v in asdict(controls).items() if k not in FORGOTTEN},
            "preset": preset,
        }
        # Also when it fails: a disk that is full is not asked again each second.
        self._written = present
        try:
            with atomic_file(self._path) as file:
                file.write(json.dumps(document, indent=1).encode() + b"\n")
        except (OSError, StreamerError) as error:
            logger.warning("the controls cannot be kept (%s)", error)
