"""Live controls of what comes back (:mod:`streamer.generators.returning`); a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range

MOST_AGAIN_BARS = 16
"""The longest loop."""


@dataclass(frozen=True, slots=True)
class ReturnControls(ControlGroup):
    """How much of the last bars comes back.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    again: Annotated[
        float,
        Range(-1.0, 1.0),
        Control(
            "returning",
            "redraw",
            "how much of the last bars comes back: 0 nothing, 1 all of it for ever; below 0 the "
            "same in another order, and by octaves",
        ),
    ] = 0.0
    again_bars: Annotated[
        int,
        Range(1, MOST_AGAIN_BARS, "bars"),
        Control(
            "returning",
            "redraw",
            "how many bars come back; where the music has none, a bar is two seconds",
        ),
    ] = 4
    vary: Annotated[
        bool,
        Control(
            "returning",
            "redraw",
            "draws a third of what comes back anew, and is off again after it",
        ),
    ] = False
