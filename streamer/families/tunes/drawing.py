"""How phrases of tunes are drawn and chosen: the settings of the tune generator, checked.

In: what a bundle and a person say. Out: one :class:`TuneDrawing`, and bounds read from plain data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.engine.noise import TEMPERATURE_HIGH
from streamer.families.tunes.codec import TUNE_ARGUMENTS
from streamer.families.tunes.context import TuneRules
from streamer.families.tunes.settings import TuneSettings
from streamer.selection.filters import Limits
from streamer.selection.ranking import RANKINGS

MOST_TEMPERATURE = TEMPERATURE_HIGH / 10.0
"""Of a setting or a bundle; the live control multiplies it."""


@dataclass(frozen=True, slots=True)
class TuneDrawing:
    """How phrases of tunes are drawn and chosen.

    Attributes:
        phrase_notes: Notes of a phrase at most, 1 or more.
        candidates: Phrases drawn for each one played, 1 or more.
        temperature: One for each of :data:`streamer.families.tunes.codec.TUNE_ARGUMENTS`, above 0.
        redraws: How often all candidates may be dropped before the filters relax.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        limits: Bounds of the filters of all music.
        rules: Bounds of the rules for tunes.
        style_rules: The same for tunes of one style, in the bundle's order; empty takes ``rules``.
        tunes: How tunes follow each other.
        styles: What is asked for; names and shares, none for all in turn.
    """

    phrase_notes: int = 16
    candidates: int = 8
    temperature: tuple[float, ...] = (1.0,) * len(TUNE_ARGUMENTS)
    redraws: int = 3
    ranking: str = "regulated"
    limits: Limits = field(default_factory=Limits)
    rules: TuneRules = field(default_factory=TuneRules)
    style_rules: tuple[TuneRules, ...] = ()
    tunes: TuneSettings = field(default_factory=TuneSettings)
    styles: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("phrase_notes", "candidates"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be a whole number, 1 or more, not {getattr(self, name)}"
                )
        if self.redraws < 0:
            raise ValueError(f"redraws must be 0 or more, not {self.redraws}")
        if len(self.temperature) != len(TUNE_ARGUMENTS) or not all(
            0 < one <= MOST_TEMPERATURE for one in self.temperature
        ):
            raise ValueError(
                f"temperature must be 3 numbers above 0, {MOST_TEMPERATURE:g} at most, "
                f"not {self.temperature}"
            )
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking}")
