"""Live controls of the duet: how the machine plays with a person; a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from streamer.settings.schema import Control, ControlGroup, Range

DuetMode = Literal["off", "trade", "continue", "accompany", "shadow"]
YieldMode = Literal["phrase", "cut"]


@dataclass(frozen=True, slots=True)
class DuetControls(ControlGroup):
    """How the machine and a person who plays on the input take turns.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    duet: Annotated[
        DuetMode,
        Control(
            "duet",
            "send",
            "plays with the person on the input: trade answers about as long as the call, continue "
            "goes on until the person plays again, accompany plays under them in their key, shadow "
            "adds a second voice to theirs",
        ),
    ] = "off"
    duet_after: Annotated[
        float,
        Range(0.2, 30.0, "s"),
        Control(
            "duet",
            "send",
            "silence of the person after which the machine takes over, keys and pedal up",
        ),
    ] = 2.0
    duet_yield: Annotated[
        YieldMode,
        Control(
            "duet",
            "send",
            "how the machine stops when the person plays: phrase lets what sounds end as it was "
            "to, cut ends it at once",
        ),
    ] = "phrase"
    split: Annotated[
        int,
        Range(0, 127),
        Control(
            "duet",
            "send",
            "keys below are the left hand's, MIDI number, which says the key to accompany and to "
            "shadow; 0 for none",
        ),
    ] = 0
    duet_now: Annotated[
        bool,
        Control(
            "duet",
            "send",
            "takes over at once, or hands back, and is off again after it; for a pedal or a button",
        ),
    ] = False
