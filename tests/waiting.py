"""Waiting for what another process does in its own time: by the clock, and never by a count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 60.0


def comes(holds: Callable[[], Any], patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether something is so, or becomes so while patience lasts."""
    pause, until = threading.Event(), time.monotonic() + patience_seconds
    while not holds():
        if time.monotonic() > until:
            return False
        pause.wait(0.05)
    return True
