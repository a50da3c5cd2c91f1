"""What a duet remembers of what was forgotten, and of notes whose length is not known yet.

In: phrases that a turn cut off, notes of a person. Out: what it takes to go back to before them.
Thread: the generator's, but that :class:`Forgotten` is made by whoever ends a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streamer.control.duet import Played
from streamer.music.notes import Phrase


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was not heard any more.

    Attributes:
        at: When, seconds.
        place_ms: Where, in ms of the stream.
        phrases: What ended after it, each with what it takes to go back to it.
    """

    at: float
    place_ms: float
    phrases: Sequence[tuple[Phrase, Any]]


@dataclass(slots=True)
class Loose:
    """Notes that were taken in since one was that had not ended yet.

    Attributes:
        mark: Of the source before them; None where there are none.
        at: When the place was heard that the mark is of, seconds.
        played: The notes.
    """

    mark: Any = None
    at: float = 0.0
    played: list[Played] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Whether there are any, and all have ended."""
        return self.mark is not None and all(one.until is not None for one in self.played)

    def clear(self) -> None:
        """Have none."""
        self.mark, self.at, self.played = None, 0.0, []
