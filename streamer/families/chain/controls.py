"""Live controls that the chain alone obeys; dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range


@dataclass(frozen=True, slots=True)
class ChainControls(ControlGroup):
    """How piano music is held.

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
