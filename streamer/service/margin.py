"""How far ahead of now what is drawn again has to begin: as long as drawing it takes.

In: how long the last draws took. Out: seconds from the present to the place of a cut. One long draw
among quick ones, when the machine did something else, puts off no change but its own.

Thread: one.
"""

from __future__ import annotations

from collections import deque

HASTE = 1.25
"""What begins sooner than this many times what a short phrase takes is left as it is."""

SLACK_SECONDS = 0.03
"""And what begins within this more."""

REMEMBERED = 8
"""Draws that are looked back on; the longest of them is left out."""


class Margin:
    """The time that a cut lies ahead of now; see the module.

    Args:
        took_seconds: What is expected of a draw before one is known.
    """

    def __init__(self, took_seconds: float = 0.0) -> None:
        self._took = deque([took_seconds], maxlen=REMEMBERED)

    def took(self, seconds: float) -> None:
        """Learn from a draw."""
        self._took.append(seconds)

    def seconds(self, *, again: bool = False) -> float:
        """Return how far ahead of now the next draw is to begin.

        Args:
            again: Whether the last one came too late, so that it is no exception.
        """
        longest = sorted(self._took)[-2:]
        usual = max(longest[0], self._took[-1]) if again else longest[0]
        return HASTE * usual + SLACK_SECONDS
