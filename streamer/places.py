"""Where the daemon keeps what outlives a start: the folders of the service, or those of the person.

Under systemd the unit's ``StateDirectory=`` and ``RuntimeDirectory=`` say where (systemd.exec(5)).
Elsewhere it is where the platform keeps such things of a user. Nothing is made here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

STATE_VARIABLE, RUNTIME_VARIABLE = "STATE_DIRECTORY", "RUNTIME_DIRECTORY"


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
