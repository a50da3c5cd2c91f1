"""Live controls of tempo by hand (:mod:`streamer.control.taptempo`); a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup


@dataclass(frozen=True, slots=True)
class TempoControls(ControlGroup):
    """How a person sets the tempo besides ``tempo_scale``.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    tap: Annotated[
        bool,
        Control(
            "playing",
            "send",
            "two to eight taps set the tempo, 30..300 BPM, and the beat falls on the last; off "
            "again after each",
        ),
    ] = False
