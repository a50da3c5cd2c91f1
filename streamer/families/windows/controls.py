"""Live controls that window families alone obey; dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range

Bits = Annotated[int, Range(0, 1024, "bits")] | None


@dataclass(frozen=True, slots=True)
class WindowControls(ControlGroup):
    """How a model that composes a section at a time writes it.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    refinement: Annotated[
        float,
        Range(0.0, 1.0),
        Control(
            "character",
            "redraw",
            "how many of its passes over a section the model writes, as a share of all",
        ),
    ] = 1.0
    bits: Annotated[
        Bits,
        Control(
            "character",
            "redraw",
            "bits of each bar of a query that reach the network; 0 lets nothing through",
            unset=("all of them", 1024),
        ),
    ] = None
