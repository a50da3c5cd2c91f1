"""Live controls of harmony: chords and keys that hold, and how strongly; a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from streamer.music.progressions import (
    EXAMPLES,
    KEY_EXAMPLES,
    OFF,
    chords_text,
    keys_text,
)
from streamer.settings.schema import Control, ControlGroup, Range, Reading

ChordSource = Literal["text", "hand"]

HARMONISED = ("chain", "tunes", "windows", "bands")
"""Families that obey."""

DEFAULT_STRENGTH = 0.7


@dataclass(frozen=True, slots=True)
class HarmonyControls(ControlGroup):
    """Chords and keys to which the music is drawn.

    Raises:
        ValueError: A value is no progression, no key plan, or outside its range; every one is
            named.
    """

    chords: Annotated[
        str,
        Reading(
            chords_text,
            "chords, one a bar, such as Am F C G or Am:2 F:2 (beats), or off",
            EXAMPLES,
        ),
        Control(
            "harmony",
            "redraw",
            "chords that hold, one a bar and for ever: Am F C G; Am:2 F:2 are beats, | Am F | C | "
            "bars",
            families=HARMONISED,
        ),
    ] = OFF
    keys: Annotated[
        str,
        Reading(
            keys_text,
            "keys, such as C Am F/4 (four bars) or D-dorian, or off",
            KEY_EXAMPLES,
        ),
        Control(
            "harmony",
            "redraw",
            "keys that hold, one after the other and for ever: C Am F/4, the last for four bars",
            families=HARMONISED,
        ),
    ] = OFF
    chord_strength: Annotated[
        float,
        Range(0.0, 1.0),
        Control(
            "harmony",
            "redraw",
            "how strongly chords and keys hold: 0 leaves the music alone, at 1 chord tones are law "
            "on strong beats",
            families=HARMONISED,
        ),
    ] = DEFAULT_STRENGTH
    harmony_drift: Annotated[
        float,
        Range(0.0, 600.0, "s"),
        Control(
            "harmony",
            "redraw",
            "seconds after which the next phrase is in a neighbouring key, of which one note or "
            "two are others; from the first of keys on (C where none is set); 0 stays",
            families=HARMONISED,
        ),
    ] = 0.0
    chords_from: Annotated[
        ChordSource,
        Control(
            "harmony",
            "send",
            "who says the chords: text is what is written, hand what is held on the input below "
            "split (below C4 where none is set)",
            families=HARMONISED,
        ),
    ] = "text"
