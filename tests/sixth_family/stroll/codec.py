"""What the classes of the model mean: keys of a keyboard from ``low`` on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KeyCodec:
    """A keyboard.

    Attributes:
        low: Lowest key, MIDI number.
        keys: How many.
    """

    low: int = 48
    keys: int = 24
    name: str = "keys"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.keys,)

    @property
    def offsets(self) -> tuple[int, ...]:
        return (0, self.keys)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.low} {self.keys}".encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "low": self.low, "keys": self.keys}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KeyCodec:
        return cls(int(data["low"]), int(data["keys"]))
