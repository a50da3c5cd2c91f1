"""Live controls of a band: how near it is to its genres, and its mixing desk; dataclass alone.

A mute, a solo and a volume are obeyed where messages leave
(:mod:`streamer.families.bands.mixer`), and so at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streamer.settings.schema import Control, ControlGroup, Range

Volume = Annotated[int, Range(0, 127)]


@dataclass(frozen=True, slots=True)
class BandControls(ControlGroup):
    """What a musician moves of a band while it plays.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    style_strength: Annotated[
        float,
        Range(0.0, 2.0),
        Control(
            "character",
            "redraw",
            "how a band is held to its genres: 1 as their own songs are, 0 not at all, 2 near to "
            "their middles",
        ),
    ] = 1.0
    mute_drums: Annotated[bool, Control("tracks", "send", "silences the drums")] = False
    mute_bass: Annotated[bool, Control("tracks", "send", "silences the bass")] = False
    mute_harmony: Annotated[bool, Control("tracks", "send", "silences guitar or piano")] = False
    mute_strings: Annotated[bool, Control("tracks", "send", "silences the strings")] = False
    solo_drums: Annotated[
        bool, Control("tracks", "send", "lets the drums sound alone, or with other solos")
    ] = False
    solo_bass: Annotated[
        bool, Control("tracks", "send", "lets the bass sound alone, or with other solos")
    ] = False
    solo_harmony: Annotated[
        bool, Control("tracks", "send", "lets guitar or piano sound alone, or with other solos")
    ] = False
    solo_strings: Annotated[
        bool, Control("tracks", "send", "lets the strings sound alone, or with other solos")
    ] = False
    volume_drums: Annotated[Volume, Control("tracks", "send", "how loud the drums are (CC7)")] = 100
    volume_bass: Annotated[Volume, Control("tracks", "send", "how loud the bass is (CC7)")] = 100
    volume_harmony: Annotated[
        Volume, Control("tracks", "send", "how loud guitar or piano is (CC7)")
    ] = 90
    volume_strings: Annotated[
        Volume, Control("tracks", "send", "how loud the strings are (CC7)")
    ] = 80

    @property
    def mutes(self) -> tuple[bool, ...]:
        """Whether each track is silenced, in the order of the tracks."""
        return self.mute_drums, self.mute_bass, self.mute_harmony, self.mute_strings

    @property
    def solos(self) -> tuple[bool, ...]:
        """Whether each track has its solo, in the order of the tracks."""
        return self.solo_drums, self.solo_bass, self.solo_harmony, self.solo_strings

    @property
    def volumes(self) -> tuple[int, ...]:
        """Channel volume of each track, 0..127, in the order of the tracks."""
        return self.volume_drums, self.volume_bass, self.volume_harmony, self.volume_strings
