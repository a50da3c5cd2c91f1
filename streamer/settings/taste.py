"""Live controls of taste (:mod:`streamer.selection.taste`); a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range

LET_GO = ("vary", "like", "dislike", "forget_taste")
"""Presses that the thread of the generator takes note of, and lets go of."""


@dataclass(frozen=True, slots=True)
class TasteControls(ControlGroup):
    """What a person likes, and how much it counts.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    like: Annotated[
        bool,
        Control("taste", "send", "marks the phrase that sounds as liked, and is off again"),
    ] = False
    dislike: Annotated[
        bool,
        Control(
            "taste",
            "send",
            "marks the phrase that sounds as not liked, draws it again, and is off again",
        ),
    ] = False
    taste: Annotated[
        float,
        Range(0.0, 1.0),
        Control(
            "taste",
            "redraw",
            "how much the marks count among the phrases that pass the filters: 0 nothing, 1 the "
            "best liked of them is played",
        ),
    ] = 0.5
    forget_taste: Annotated[
        bool,
        Control("taste", "send", "forgets all that was liked and disliked, and is off again"),
    ] = False
