"""Log lines on stderr: plain on a terminal, with a priority that journald reads in a service."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""Level and the priority of syslog that it is (sd-daemon(3)), the gravest first."""


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever ``sys.stderr`` is at the time: a live view may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


class _Journal(logging.Formatter):
    """Puts the priority before each line; journald adds time and process itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``<priority>text``, a line break of the text again with its priority."""
        number = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{number}>{line}" for line in super().format(record).splitlines())


def configure_logging(level: str) -> None:
    """Send log lines to stderr; a second call changes the level.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, _Stderr) for handler in root.handlers):
        handler = _Stderr()
        journal = "JOURNAL_STREAM" in os.environ and not sys.stderr.isatty()
        handler.setFormatter(_Journal() if journal else logging.Formatter("%(message)s"))
        root.addHandler(handler)
    root.setLevel(level.upper())
