"""The three parts of a corpus, and which of its entries lie in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

SPLITS = ("train", "valid", "test")
HELD_OUT = ("valid", "test")
"""Those that no model is trained on."""


class Entry(Protocol):
    """A piece, track or song that lies in a split."""

    @property
    def split(self) -> str:
        """One of :data:`SPLITS`."""


def checked_split(split: str) -> str:
    """Return the split (ValueError for one that there is not)."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    return split


def in_split(entries: Sequence[Entry], split: str) -> list[int]:
    """Return which entries lie in a split (ValueError for one that there is not)."""
    checked_split(split)
    return [i for i, entry in enumerate(entries) if entry.split == split]
