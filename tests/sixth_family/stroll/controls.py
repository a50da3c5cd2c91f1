"""The live control that this family alone has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range


@dataclass(frozen=True, slots=True)
class StrollControls(ControlGroup):
    """What a musician moves of a stroll while it plays."""

    restlessness: Annotated[
        float,
        Range(0.0, 1.0),
        Control("character", "redraw", "share of steps that go anywhere, whatever the model says"),
    ] = 0.0
