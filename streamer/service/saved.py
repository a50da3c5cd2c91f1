"""The live controls, scene and bundle of the last run, so that no restart or power cut loses them.

In: the snapshot of :class:`~streamer.settings.controls.LiveControls`, and what plays. Out:
``controls.json`` in the state folder, written whole or not at all, and only once the hand has come
to rest: a knob that is turned must not wear out an SD card. Read at start, written in the
housekeeping thread.

A control that the person has changed in the configuration since then follows the configuration;
the others go on where they were; all follow it where the stream starts with another scene than
then. So it is with the bundle. A pause is not kept, nor what is left of a sleep timer: what is
switched on plays.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError, StreamerError
from streamer.scenes import Scene
from streamer.settings.controls import MOMENTARY, Controls, LiveControls
from streamer.settings.reading import scene_values
from streamer.system.atomic import atomic_file

logger = logging.getLogger(__name__)

FILE_NAME = "controls.json"
SCHEMA = 1
MOST_BYTES = 64 * 1024

_Kept = tuple[Controls, str, dict[str, Any]]

REST_SECONDS = 5.0
"""The controls are written when they have not been moved for so long."""


def restore(path: Path, configured: Controls, started: str = "") -> Controls:
    """Return the controls to begin with: the last ones, over those of the configuration.

    A file that is missing, damaged or from another version changes nothing that it does not
    clearly say; it is never a reason not to play.

    Args:
        path: What :class:`Keeper` wrote.
        configured: The controls of the configuration now, its scene counted in.
        started: The scene of the configuration; "" for none.
    """
    saved = _read(path)
    if saved.get("started", "") != started:
        return configured
    now, last, before = configured.values(), saved.get("last"), saved.get("configured")
    if not isinstance(last, dict) or not isinstance(before, dict):
        return configured
    changes = {
        name: value
        for name, value in last.items()
        if name in now
        and name not in MOMENTARY
        and name in before
        and before[name] == now[name]  # else the configuration was edited, and wins
        and value != now[name]
    }
    return _apply(changes, configured, path)


def last_scene(path: Path, started: str = "") -> str:
    """Return the name of the scene that was chosen last, or that of the configuration."""
    saved = _read(path)
    if saved.get("started", "") != started:
        return started
    name = saved.get("scene", saved.get("preset"))  # "preset" in files of version 0.1
    return name if isinstance(name, str) and name.isprintable() else started


def last_model(path: Path, bundle: str, started: str = "") -> dict[str, Any]:
    """Return what of ``[model]`` was another than in the configuration when the last run ended.

    Args:
        path: What :class:`Keeper` wrote.
        bundle: That of the configuration now; where it was another then, the configuration wins.
        started: The scene of the configuration; "" for none.
    """
    saved = _read(path)
    model = saved.get("model")
    if not isinstance(model, dict) or not model:
        return {}
    if (saved.get("bundle"), saved.get("started", "")) != (bundle, started):
        return {}
    values = {f"model.{key}": value for key, value in model.items()}
    try:
        checked = scene_values(Scene("as it was left", path, values=values))
    except ConfigError as error:
        logger.warning("%s; beginning with the configuration", error.problems[0])
        return {}
    return {name.removeprefix("model."): value for name, value in checked.items()}


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
        started: The scene of the configuration; "" for none.
        arriving: Returns the controls as they will be when the scene that is on its way has
            arrived; None where none ever is. They are what is kept: a start after a power cut is
            where the scene was to be, and each of its steps would wear out an SD card.
        bundle: That of the configuration.
        model: Returns what of ``[model]`` is another now than in the configuration.
    """

    def __init__(
        self,
        path: Path,
        configured: Controls,
        live: LiveControls,
        started: str = "",
        arriving: Callable[[], Controls] | None = None,
        *,
        bundle: str = "",
        model: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._path, self._configured, self._live = path, configured, live
        self._started, self._arriving = started, arriving or live.snapshot
        self._bundle, self._model = bundle, model
        self._written: _Kept | None = None
        self._seen: _Kept | None = None
        self._since = 0.0

    def look(self, now: float) -> None:
        """Write if something has changed and come to rest.

        Args:
            now: Seconds of a monotonic clock.
        """
        present = self._kept()
        if present != self._seen:
            self._seen, self._since = present, now
        if present != self._written and now - self._since >= REST_SECONDS:
            self.write()

    def reconfigured(self, configured: Controls, started: str = "") -> None:
        """Take note of controls and scene of a configuration that was read again."""
        self._configured, self._started, self._written = configured, started, None

    def write(self) -> None:
        """Write now, at the end of a run; a disk that is full is a line in the log."""
        present = self._kept()
        if present == self._written:
            return
        controls, scene, model = present
        document = {
            "schema": SCHEMA,
            "configured": self._configured.values(),
            "last": {k: v for k, v in controls.values().items() if k not in MOMENTARY},
            "scene": scene,
            "started": self._started,
            "bundle": self._bundle,
            "model": model,
        }
        # Also when it fails: a disk that is full is not asked again each second.
        self._written = present
        try:
            with atomic_file(self._path) as file:
                file.write(json.dumps(document, indent=1).encode() + b"\n")
        except StreamerError as error:
            logger.warning("the controls cannot be kept (%s)", error)

    def _kept(self) -> _Kept:
        """Return what is kept; a timer that counts down must not wear out an SD card either."""
        plain = Controls()
        still = {name: plain.value(name) for name in MOMENTARY}
        scene, model = self._live.scene, dict(self._model())
        return self._arriving().with_changes(still), scene, model
