"""Where a verb's report goes: to a file, to stdout as JSON, or into one line of words."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STDOUT = Path("-")
"""Stands for stdout where a report may be written to a file."""


def report_file(wanted: Path | None) -> Path | None:
    """Return the file of a report; None where it goes to stdout or is not wanted."""
    return None if wanted == STDOUT else wanted


def tell(wanted: Path | None, report: dict[str, Any], line: str, output: Path) -> None:
    """Write the report where it is wanted; where it is not, say one line.

    Args:
        wanted: A file, :data:`STDOUT` or None.
        report: What is written as JSON.
        line: What is said.
        output: Where the music went: the line must not follow it to the same stdout.

    Raises:
        RecordingError: The file cannot be written.
    """
    from streamer.system.atomic import is_own_stream, write_whole

    text = json.dumps(report, indent=2)
    if wanted is None:
        print(line, file=sys.stderr if is_own_stream(output) else sys.stdout)
    elif wanted == STDOUT:
        print(text)
    else:
        write_whole(wanted, text + "\n")
