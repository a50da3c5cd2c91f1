"""What a generator is to the rest of the stream: phrases, one after the other, without end.

Families differ behind this: the daemon, the buffer and the scheduler never ask which one runs.
"""

from __future__ import annotations

from typing import Protocol

from streamer.controls import Controls
from streamer.notes import Phrase
from streamer.stats import GenerationStats


class Generator(Protocol):
    """Draws, filters, ranks and commits phrases. All methods belong to one thread.

    A generator whose music has a beat also has an attribute ``beat_ms``: a float, the length of a
    quarter in its phrases' time, whose beats are counted from 0 ms (:func:`beat_of`).
    """

    @property
    def stats(self) -> GenerationStats:
        """Running figures; other threads may read them."""
        ...

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream.

        Args:
            notes: Its length; None takes the model's own. The first may be short, to sound soon.

        Raises:
            EngineError: The model cannot be run.
        """
        ...

    @property
    def candidates(self) -> int:
        """How many candidates a phrase is drawn."""
        ...

    def set_candidates(self, candidates: int) -> None:
        """Draw so many candidates a phrase from now on, 1 or more."""
        ...


class Choosing:
    """What all generators have: running figures, and how many candidates a phrase is drawn.

    Args:
        candidates: At the start, 1 or more.
        stats: Figures that it fills.
    """

    def __init__(self, candidates: int, stats: GenerationStats) -> None:
        self._candidates, self._stats = candidates, stats

    @property
    def stats(self) -> GenerationStats:
        """Running figures; other threads may read them."""
        return self._stats

    @property
    def candidates(self) -> int:
        """How many candidates a phrase is drawn, when nothing lowers it."""
        return self._candidates

    def set_candidates(self, candidates: int) -> None:
        """Draw so many candidates a phrase from now on.

        Raises:
            ValueError: Below 1.
        """
        if candidates < 1:
            raise ValueError(f"candidates must be 1 or more, not {candidates}")
        self._candidates = candidates

    def _count(self, controls: Controls) -> int:
        """Return how many are drawn now: no more than the live control allows."""
        return min(self._candidates, controls.candidates or self._candidates)


def beat_of(generator: Generator) -> float | None:
    """Return the length of a quarter in a generator's music, ms; None in free time.

    Raises:
        ValueError: It is no number above 0.
    """
    beat_ms = getattr(generator, "beat_ms", None)
    if beat_ms is not None and not 0 < beat_ms < float("inf"):
        raise ValueError(f"beat_ms must be above 0, not {beat_ms}")
    return None if beat_ms is None else float(beat_ms)
