"""What can be set about how notes are played: ``[expression]``; dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from streamer.settings.schema import Range


@dataclass(frozen=True, slots=True)
class ExpressionSettings:
    """How what a model writes is played, where the model itself says nothing of dynamics.

    Attributes:
        enabled: Whether it is played as the corpus's players do, or plainly.
        amount: How much of what they do, 1 for as much.
        voice: What sounds under a tune: nothing, a bass of its own chords, or a drone.
        voice_channel: MIDI channel of that; None for the tune's own.
        voice_velocity: How loud that is.
    """

    enabled: bool = True
    amount: Annotated[float, Range(0, 2)] = 1.0
    voice: Literal["off", "bass", "drone"] = "off"
    voice_channel: Annotated[int, Range(1, 16)] | None = None
    voice_velocity: Annotated[int, Range(1, 127)] = 58
