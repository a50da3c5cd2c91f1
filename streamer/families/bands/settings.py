"""What can be set about a band of four tracks: ``[band]``; dataclass alone.

What a musician moves while it plays, mute, solo and volume of each track, are live controls
(:mod:`streamer.settings.controls`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from streamer.families.bands.tracks import TRACKS
from streamer.settings.schema import Range

Channel = Annotated[int, Range(1, 16)]
Program = Annotated[int, Range(1, 128)] | None


@dataclass(frozen=True, slots=True)
class BandSettings:
    """Where the tracks of a band are heard, and with which sounds.

    Attributes:
        drums_channel: MIDI channel as people count it; General MIDI has drums on 10.
        bass_channel: Likewise, as of harmony and strings; no two on one.
        harmony_channel: Of guitar or piano.
        strings_channel: Of whatever else plays.
        drums_program: Program number as people count it; None takes the genre's own.
        bass_program: Likewise.
        harmony_program: Likewise.
        strings_program: Likewise.
        program_changes: Whether programs are sent at all.
        keys: ``related`` moves each section to the key of what was heard, now and then to one a
            fifth away; ``free`` leaves it to the model.
        volumes: Whether channel volumes (CC7) are sent at all.
    """

    drums_channel: Channel = 10
    bass_channel: Channel = 1
    harmony_channel: Channel = 2
    strings_channel: Channel = 3
    drums_program: Program = None
    bass_program: Program = None
    harmony_program: Program = None
    strings_program: Program = None
    keys: Literal["related", "free"] = "related"
    program_changes: bool = True
    volumes: bool = True

    def __post_init__(self) -> None:
        channels = {track: getattr(self, f"{track}_channel") for track in TRACKS}
        if len({*channels.values()}) < len(TRACKS):
            told = ", ".join(f"{track} {channel}" for track, channel in channels.items())
            raise ValueError(f"each track must have a channel of its own, not {told}")

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each track, 0..15."""
        return tuple(getattr(self, f"{track}_channel") - 1 for track in TRACKS)

    @property
    def programs(self) -> tuple[int | None, ...]:
        """Of each track, 0..127, where one is set."""
        chosen = (getattr(self, f"{track}_program") for track in TRACKS)
        return tuple(None if program is None else program - 1 for program in chosen)
