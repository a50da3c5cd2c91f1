"""Who plays the sections of a band: the notes of four tracks get velocity, length and timing.

In: strikes on the grid. Out: notes of the stream on the tracks' channels. :class:`PlainBand` plays
what is written, all at one velocity; what filters and rankings hear is played so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.notes import Note
from streamer.tracks import DRUMS

Floats = NDArray[np.float64]

PLAIN_VELOCITY = 80

LEAST_MS = 1.0
"""So long a note is at least, and so long before the end of its section it begins."""

RELEASE_MS, RELEASE_SHARE = 25.0, 0.15
"""A key is up this long before its written end, ms, at most this share of its length."""


@dataclass(frozen=True, slots=True, eq=False)
class BandBars:
    """Strikes of a section as they are given to whoever plays them.

    Attributes:
        track: Place in :data:`streamer.tracks.TRACKS`, ``(notes,)``.
        pitch: ``(notes,)``.
        onset: Quarters from the section's start, ``(notes,)``, ascending.
        length: Quarters within the section.
        more: Quarters for which each goes on in the section after.
        start_beat: Place of the section in the stream, quarters.
        start_ms: The same, ms.
        bar_beats: Quarters of a bar.
        beat_ms: Length of a quarter.
        next_beat_ms: The same in the section after.
        weights: Of the genres by name.
    """

    track: NDArray[np.int64]
    pitch: NDArray[np.int64]
    onset: Floats
    length: Floats
    more: Floats
    start_beat: float
    start_ms: float
    bar_beats: float
    beat_ms: float
    next_beat_ms: float
    weights: dict[str, float]

    @property
    def onset_ms(self) -> Floats:
        """Where in the stream each begins, as written."""
        return self.start_ms + self.onset * self.beat_ms

    @property
    def length_ms(self) -> Floats:
        """How long each lasts, as written, over a change of tempo too."""
        return self.length * self.beat_ms + self.more * self.next_beat_ms


class BandPlayer(Protocol):
    """Gives the notes of a section velocity and timing."""

    def play_band(self, bars: BandBars) -> tuple[Note, ...]:
        """Return one note for each, in their order but for onsets that it moves."""


class PlainBand:
    """Plays what is written.

    Args:
        channels: Of each track, 0..15.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        self._channels = channels

    def play_band(self, bars: BandBars) -> tuple[Note, ...]:
        """Return one note for each."""
        velocity = np.full(len(bars.pitch), PLAIN_VELOCITY)
        return notes_of(bars, self._channels, bars.onset_ms, velocity)


def notes_of(
    bars: BandBars, channels: tuple[int, ...], onset_ms: Floats, velocity: NDArray[Any]
) -> tuple[Note, ...]:
    """Return the notes, each ending in time for the next of its track.

    Args:
        bars: What is written.
        channels: Of each track, 0..15.
        onset_ms: When each begins; in every track in the order that is written.
        velocity: Of each, 1..127.
    """
    whole = bars.length_ms
    end_ms = bars.onset_ms + whole - np.minimum(RELEASE_MS, RELEASE_SHARE * whole)
    for track in range(len(channels)):
        mine = np.flatnonzero(bars.track == track)
        end_ms[mine[:-1]] = np.minimum(end_ms[mine[:-1]], onset_ms[mine[1:]])
    held = np.maximum(end_ms - onset_ms, LEAST_MS)
    columns = (bars.track, bars.pitch, onset_ms, held, velocity)
    return tuple(
        Note(pitch, at, long, loud, channel=channels[track], unpitched=track == DRUMS)
        for track, pitch, at, long, loud in zip(*(c.tolist() for c in columns), strict=True)
    )
