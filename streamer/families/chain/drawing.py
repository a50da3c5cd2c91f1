"""How phrases of the chain are drawn and chosen: values, and what of them cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.engine.noise import TEMPERATURE_HIGH
from streamer.families.chain.settings import RecallSettings
from streamer.music.notes import ARGUMENTS
from streamer.selection.filters import Limits
from streamer.selection.ranking import RANKINGS

MOST_TEMPERATURE = TEMPERATURE_HIGH / 10.0
"""Of a setting or a bundle; the live control multiplies it."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """How phrases are drawn and chosen.

    Attributes:
        phrase_notes: Notes of a phrase, 1 or more.
        candidates: Phrases drawn for each one played, 1 or more.
        temperature: One for each of :data:`streamer.music.notes.ARGUMENTS`, above 0.
        redraws: How often all candidates may be dropped before the filters relax.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        limits: Bounds of the filters.
        recall: How figures come back.
        past_notes: The past that the state is built anew from, notes.
        anew_notes: Notes after which it is; 0 never.
        homing: How strongly the stream as a whole is kept like the corpus; 0 not at all, 1 as much
            as should do (:mod:`streamer.families.chain.homing`).
        mood_notes: Notes, on average, until the stream takes on the mood of another training
            piece; 0 keeps it at the middle of the corpus.
        beat_ms: Length of the quarters that chords count in music without a beat, ms, above 0.
    """

    phrase_notes: int = 32
    candidates: int = 16
    temperature: tuple[float, ...] = (1.0,) * len(ARGUMENTS)
    redraws: int = 3
    ranking: str = "any"
    limits: Limits = field(default_factory=Limits)
    recall: RecallSettings = field(default_factory=RecallSettings)
    past_notes: int = 256
    anew_notes: int = 1024
    homing: float = 1.0
    mood_notes: int = 1200
    beat_ms: float = 500.0

    def __post_init__(self) -> None:
        for name in ("phrase_notes", "candidates", "past_notes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)}")
        for name in ("redraws", "anew_notes", "homing", "mood_notes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if len(self.temperature) != len(ARGUMENTS) or not all(
            0 < one <= MOST_TEMPERATURE for one in self.temperature
        ):
            raise ValueError(
                f"temperature must be 5 numbers above 0, {MOST_TEMPERATURE:g} at most, "
                f"not {self.temperature}"
            )
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking}")
