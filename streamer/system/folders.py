"""Where files lie that are neither music nor program: settings, scenes, what outlives a start.

Under systemd the unit's ``StateDirectory=`` and ``RuntimeDirectory=`` say where (systemd.exec(5)).
Elsewhere it is where the platform keeps such things of a user. Nothing is made here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

CONFIG_NAME = "perpetuo.toml"
SCENES_FOLDER = "scenes"
"""Folder beside the settings file in which a person's own scenes lie."""

STATE_VARIABLE, RUNTIME_VARIABLE = "STATE_DIRECTORY", "RUNTIME_DIRECTORY"


def default_config_path() -> Path:
    """Return where the settings of this user lie; nothing need be there."""
    import platformdirs

    return platformdirs.user_config_path("perpetuo") / CONFIG_NAME


def own_scenes_folder(folder: Path | None = None) -> Path:
    """Return where a person's own scenes lie; nothing need be there.

    Args:
        folder: That of the settings file; None is this user's.
    """
    return (folder or default_config_path().parent) / SCENES_FOLDER


def in_service(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a service manager has given this process a folder for its state."""
    return bool((os.environ if environ is None else environ).get(STATE_VARIABLE))


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what is kept across restarts and power cuts."""
    named = _named(STATE_VARIABLE, environ)
    if named is not None:
        return named
    import platformdirs

    return platformdirs.user_state_path("perpetuo")


def fetched_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for bundles that come separately (``perpetuo models --get``)."""
    named = _named(STATE_VARIABLE, environ)
    if named is not None:
        return named / "bundles"
    import platformdirs

    return platformdirs.user_data_path("perpetuo") / "bundles"


def runtime_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what is kept until the machine goes down; it is in memory on Linux."""
    named = _named(RUNTIME_VARIABLE, environ)
    if named is not None:
        return named
    # Not platformdirs, which warns where a session has no folder of its own.
    session = (os.environ if environ is None else environ).get("XDG_RUNTIME_DIR")
    if session:
        return Path(session) / "perpetuo"
    return Path(tempfile.gettempdir()) / f"perpetuo-{_user()}"


def _named(variable: str, environ: Mapping[str, str] | None) -> Path | None:
    """Return the first of the folders that a unit lists, parted by colons."""
    first = (os.environ if environ is None else environ).get(variable, "").split(":")[0]
    return Path(first) if first else None


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
