"""Who plays the sections of a band: the notes of four tracks get velocity, length and timing.

In: strikes on the grid. Out: notes of the stream on the tracks' channels. :class:`PlainBand` plays
what is written, all at one velocity; what filters and rankings hear is played so.
:class:`PlayedBand` is the performance layer of bands: accents by metre and instrument, and drifts
of velocity and time (:mod:`streamer.families.bands.touch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.expression.expression import MOST_OF_GAP, metre_classes
from streamer.families.bands.touch import (
    ACCENTS,
    DRUM_ACCENTS,
    LATE_MS,
    LATE_RHO,
    MEAN_VELOCITY,
    MOST_LATE_MS,
    VELOCITY_RHO,
    VELOCITY_SD,
    instrument_of,
)
from streamer.families.bands.tracks import DRUMS, TRACKS
from streamer.generators.base import LEAST_MS
from streamer.music.notes import Note
from streamer.system.marks import Marked

Floats = NDArray[np.float64]

PLAIN_VELOCITY = 80

RELEASE_MS, RELEASE_SHARE = 25.0, 0.15
"""A key is up this long before its written end, ms, at most this share of its length."""


@dataclass(frozen=True, slots=True, eq=False)
class BandBars:
    """Strikes of a section as they are given to whoever plays them.

    Attributes:
        track: Place in :data:`streamer.families.bands.tracks.TRACKS`, ``(notes,)``.
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


class PlainBand(Marked):
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


class PlayedBand(Marked):
    """Plays as bands do.

    Args:
        channels: Of each track, 0..15.
        rng: All that is drawn.
        amount: 0 plays plainly, 1 as the corpus does, up to 2.

    Raises:
        ValueError: ``amount`` is out of range.
    """

    marked = ("_rng", "_drifts")

    def __init__(
        self, channels: tuple[int, ...], rng: np.random.Generator, amount: float = 1.0
    ) -> None:
        if not 0 <= amount <= 2:
            raise ValueError(f"amount must be in range 0..2, not {amount}")
        self._channels, self._rng, self._amount = channels, rng, amount
        self._drifts = np.zeros((len(TRACKS), 2))

    def play_band(self, bars: BandBars) -> tuple[Note, ...]:
        """Return one note for each."""
        velocity = np.full(len(bars.pitch), MEAN_VELOCITY)
        onset_ms = bars.onset_ms
        places = metre_classes(bars.start_beat + bars.onset, bars.bar_beats)
        for track in range(len(TRACKS)):
            mine = np.flatnonzero(bars.track == track)
            louder, late_ms = self._drift(track, len(mine))
            struck = zip(bars.pitch[mine].tolist(), places[mine].tolist(), strict=True)
            accents = np.array([_accent(track, pitch, place) for pitch, place in struck])
            velocity[mine] += self._amount * (accents + louder)
            # No note overtakes another of its track; in one step there is one.
            gaps = np.diff(bars.onset[mine], prepend=bars.onset[mine][:1] - 1.0, append=np.inf)
            room = MOST_OF_GAP * bars.beat_ms * np.minimum(gaps[:-1], gaps[1:])
            onset_ms[mine] += np.clip(self._amount * late_ms, -room, room)
        loud = np.clip(np.rint(velocity), 1, 127).astype(np.int64)
        # A player may be early, but not before the line that the section begins with.
        return notes_of(bars, self._channels, np.maximum(onset_ms, bars.start_ms), loud)

    def _drift(self, track: int, notes: int) -> tuple[Floats, Floats]:
        """Return how much louder and how many ms later notes are, each with its own memory."""
        rho = np.array([VELOCITY_RHO[track], LATE_RHO])
        fresh = self._rng.standard_normal((notes, 2)) * np.sqrt(1.0 - rho**2)
        drift, at = np.empty((notes, 2)), self._drifts[track]
        for i in range(notes):
            at = rho * at + fresh[i]
            drift[i] = at
        self._drifts[track] = at
        late_ms = np.clip(LATE_MS[track] * drift[:, 1], -MOST_LATE_MS, MOST_LATE_MS)
        return VELOCITY_SD[track] * drift[:, 0], late_ms


def _accent(track: int, pitch: int, place: int) -> float:
    row = DRUM_ACCENTS[instrument_of(pitch)] if track == DRUMS else ACCENTS[track]
    return row[place]


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
