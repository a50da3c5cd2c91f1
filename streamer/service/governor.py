"""How many candidates the machine can afford: fewer when it is slow or the buffer runs low.

In: how long the last phrase took, how much music it holds and how much is ahead. Out: K for the
next. Thread: the generator's; render draws all it was asked for, so that a seed repeats.
"""

from __future__ import annotations

SHARE = 0.25
"""Share of its time that the generator may be at work once the buffer is full enough."""

LEAST_HURRY = 0.1
"""Share of :data:`SHARE` that is left when the buffer is empty."""

HASTE_SHARE = 0.5
"""Share of what is written ahead that the next phrase may take at most to be drawn."""

MEMORY = 0.7
"""Weight of the past in the running estimate of the cost."""


class CandidateGovernor:
    """Adapts K between 1 and a maximum; one thread.

    Args:
        maximum: K of a machine that is fast enough, 1 or more.
        first: K of the first phrase, which is to sound soon.
    """

    def __init__(self, maximum: int, first: int = 4) -> None:
        if maximum < 1 or first < 1:
            raise ValueError(f"maximum and first must be 1 or more, not {maximum} and {first}")
        self._maximum = maximum
        self._candidates = min(first, maximum)
        self._cost: float | None = None
        self._phrase_seconds = 0.0

    @property
    def candidates(self) -> int:
        """K for the next phrase."""
        return self._candidates

    def set_maximum(self, maximum: int) -> None:
        """Take another maximum, which a person may ask for while the stream plays.

        Raises:
            ValueError: It is below 1.
        """
        if maximum < 1:
            raise ValueError(f"maximum must be 1 or more, not {maximum}")
        self._maximum = maximum
        self._candidates = min(self._candidates, maximum)

    def in_time(self, ahead_seconds: float) -> int:
        """Return K for a phrase that is to be there before what is written has been played.

        Args:
            ahead_seconds: How much music is ahead of the present.
        """
        if self._cost is None:
            return self._candidates
        takes_seconds = self._cost * self._phrase_seconds
        affordable = int(min(HASTE_SHARE * ahead_seconds / max(takes_seconds, 1e-9), 1e6))
        return max(min(affordable, self._candidates), 1)

    def after(
        self,
        took_seconds: float,
        phrase_seconds: float,
        ahead_seconds: float,
        low_seconds: float,
        drawn: int | None = None,
    ) -> int:
        """Learn from a phrase and return K for the next.

        Args:
            took_seconds: How long it took to draw, redraws counted in.
            phrase_seconds: How much music it holds.
            ahead_seconds: How much music is ahead of the present.
            low_seconds: The low mark of the buffer, above 0.
            drawn: How many candidates it was drawn; None for K.
        """
        drawn = self._candidates if drawn is None else drawn
        per_candidate = took_seconds / drawn / max(phrase_seconds, 0.1)
        self._phrase_seconds = phrase_seconds
        old = per_candidate if self._cost is None else self._cost
        self._cost = MEMORY * old + (1.0 - MEMORY) * per_candidate
        hurry = min(max(ahead_seconds / low_seconds, LEAST_HURRY), 1.0)
        affordable = int(SHARE * hurry / max(self._cost, 1e-9))
        # It may fall at once and must not rise in leaps: one cheap phrase proves little.
        wanted = min(affordable, 2 * self._candidates, self._maximum)
        self._candidates = max(wanted, 1)
        return self._candidates
