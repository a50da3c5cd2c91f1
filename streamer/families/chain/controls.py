"""Live controls that the chain alone obeys; dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range

Velocity = Annotated[float, Range(20.0, 110.0)] | None
Pitch = Annotated[float, Range(36.0, 90.0)] | None
Together = Annotated[float, Range(1.0, 5.0, "keys")] | None
Share = Annotated[float, Range(0.0, 1.0)] | None

DIALS = ("loudness", "register", "polyphony", "regularity", "repetition")
"""Controls that are asked of the model, beside density and pedal; each may be unset."""

_MOODS = "as moods have it"
_FREE = "as the model likes"
_CORPUS = "as the corpus has it"


@dataclass(frozen=True, slots=True)
class ChainControls(ControlGroup):
    """How piano music is held, and what it is asked to be like.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    steadiness: Annotated[
        float,
        Range(0.0, 1.0),
        Control(
            "character",
            "redraw",
            "how near each phrase keeps to the density that is asked for, and to the model's own "
            "loudness: 1 within a factor of 1.5 and without long rests, 0 lets moods and rests "
            "come as they do in the corpus",
        ),
    ] = 0.0
    pedal: Annotated[
        float,
        Range(0.0, 2.0),
        Control(
            "character",
            "redraw",
            "how readily the sustain pedal is down: 1 as the model plays, 2 nearly always, 0 "
            "hardly ever",
        ),
    ] = 1.0
    loudness: Annotated[
        Velocity,
        Control(
            "character", "redraw", "mean velocity of what is drawn, about", unset=(_MOODS, 60.0)
        ),
    ] = None
    register: Annotated[
        Pitch,
        Control(
            "character",
            "redraw",
            "mean pitch of what is drawn, about, MIDI number",
            unset=(_MOODS, 60.0),
        ),
    ] = None
    polyphony: Annotated[
        Together,
        Control(
            "character",
            "redraw",
            "keys struck together, mean; of bundles that were trained to be asked for it",
            unset=(_FREE, 2.0),
        ),
    ] = None
    regularity: Annotated[
        Share,
        Control(
            "character",
            "redraw",
            "1: each onset comes as long after the last as that did, 0.3: free; of bundles that "
            "were trained to be asked for it",
            unset=(_FREE, 0.8),
        ),
    ] = None

    repetition: Annotated[
        Share,
        Control(
            "character",
            "redraw",
            "share of the music that comes again within minutes: 0 always new, 1 all returns; of "
            "bundles that were trained to be asked for it",
            unset=(_CORPUS, 0.3),
        ),
    ] = None

    def asked(self) -> dict[str, float]:
        """Return what is set of :data:`DIALS`, by name."""
        values = {name: getattr(self, name) for name in DIALS}
        return {name: value for name, value in values.items() if value is not None}
