"""One source after another in a buffer that is played from: which waits, and where it may begin.

In: a source from any thread; what is written, phrase by phrase, each with what it takes to write it
again. Out: for the generator's thread the source that is to take over, and its place.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from streamer.generators.bookmark import Place
from streamer.live.buffer import RollingBuffer
from streamer.pipeline import Source

LONGEST_SECONDS = 6.0
"""A phrase that goes on for longer is cut for another source."""

CUT_SECONDS = 3.0
"""So long after the wish for one."""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What it takes to write a phrase again.

    Attributes:
        source: Which has written it.
        mark: Where the source stood before it.
        trail: What it takes to cut it; None where it is heard to its end.
        place: Before it, for bookmarks; None where nobody can ask.
    """

    source: Source
    mark: Any
    trail: Any
    place: Place | None = None


class Coming:
    """The source that is about to take over; any thread."""

    def __init__(self) -> None:
        self.asked: tuple[Source | None, float] = (None, 0.0)
        """It, and how long it takes to draw a short phrase, about, seconds."""
        self._asking = threading.Lock()

    @property
    def source(self) -> Source | None:
        """None where none is."""
        return self.asked[0]

    def ask(self, source: Source, takes_seconds: float) -> None:
        """Let this one be it, in the place of whatever waits."""
        with self._asking:
            self.asked = source, takes_seconds

    def taken(self, source: Source) -> None:
        """Take note that a source has taken over; a later one goes on waiting."""
        with self._asking:
            if self.asked[0] is source:
                self.asked = None, 0.0


def place_of_next(buffer: RollingBuffer, now: float, slack_seconds: float) -> tuple[float, bool]:
    """Return where another source is to begin, and whether all that is written lies before it.

    That is at the end of the phrase that plays then; where it is long, it is cut.

    Args:
        buffer: What is written, each phrase with its :class:`Before`.
        now: When its first phrase can have been drawn, seconds.
        slack_seconds: It begins so much later at least.
    """
    least_ms = buffer.place_ms(now, slack_seconds)
    found = buffer.from_place(least_ms)
    if not found:
        return buffer.end_ms, True
    phrase, before = found[0]
    if phrase.start_ms >= least_ms:
        return phrase.start_ms, False
    longest_ms = buffer.place_ms(now, LONGEST_SECONDS)
    if phrase.end_ms > longest_ms and before is not None:
        cut_ms = buffer.place_ms(now, CUT_SECONDS)
        if before.source.cut(before.trail, phrase, cut_ms):
            return before.source.performer.mark()[0], False
    return phrase.end_ms, False
