"""What `perpetuo check` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "fail"]
LABELS: dict[str, str] = {"ok": "ok", "note": "note", "fail": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name, a word or two.
        level: ``ok``; ``note`` for what plays on but less well; ``fail`` for what does not play.
        text: What was found and, unless ok, the remedy.
    """

    what: str
    level: Level
    text: str
