"""What chords and keys ask of each pitch class at each beat, in nats.

In: a progression, a key plan, a strength. Out: for beats what every pitch class loses, 0 for what
fits. On strong beats the tones of the chord fit; elsewhere those of its scale do too, the chord's
still a little better. Families add it to the noise that they draw with, or to the logits that they
read (docs/design/engine.md).

Strong are the first beat of a bar, the middle of a bar of four quarters (of any even number from
four on), and the beat at which a chord begins. The scale is that of the key that holds; without a
key plan it is that of the major or minor key that fits the whole progression best, with what is a
semitone from an altered chord tone left out.

Any thread; nothing is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamer.music.chords import Chord, Key
from streamer.music.keys import MODES, likeness
from streamer.music.progressions import KeyPlan, Progression
from streamer.music.scales import OCTAVE, SCALE_STEPS

Nats = NDArray[np.float32]

STRONG_NATS, FOREIGN_NATS, PASSING_NATS, SLASH_NATS = 13.0, 6.0, 1.5, 5.0
"""Times the cube of the strength: what a tone that is none of the chord's loses on a strong beat;
one off the scale elsewhere; one of the scale that is none of the chord's elsewhere; and low notes
that are not the bass that a symbol such as C/E asks for. At strength 1 the first two are law. With
the cube 0.5 costs little and 0.7 is plainly heard (docs/results/live.md)."""

BASS_BELOW = 52
"""Notes below this key (E3) are low."""

NEAR_BEATS = 0.13
"""So near to a beat a note is on it: a little more than a thirty-second."""

_ROUNDING = 1e-6

STRONG_BAR = 4
"""Quarters of a bar from which its middle is strong too, where they are even."""


@dataclass(frozen=True, slots=True)
class Place:
    """What holds at a beat.

    Attributes:
        chord: None where none does.
        key: None where none does.
        strong: Whether the beat is a strong one.
    """

    chord: Chord | None
    key: Key | None
    strong: bool


@dataclass(frozen=True, slots=True)
class Harmony:
    """Chords and keys that hold.

    Attributes:
        chords: None for none.
        keys: None for none.
        strength: 0 leaves the music alone, at 1 chord tones are law on strong beats.
    """

    chords: Progression | None
    keys: KeyPlan | None
    strength: float

    @property
    def freedom(self) -> float:
        """Share of its own habits of pitch, such as phrases that return, that music keeps, 0..1."""
        return 1.0 - self.strength

    @property
    def even(self) -> bool:
        """Whether it asks the same at every beat: one key holds, and no chord."""
        return self.chords is None and (self.keys is None or len(self.keys.keys) == 1)

    def place(self, beat: float, bar_beats: float, near: float = NEAR_BEATS) -> Place:
        """Return what holds at a beat, and a little before the beat at which it begins.

        Args:
            beat: Quarters from where chords began.
            bar_beats: Quarters of a bar.
            near: So near to a beat counts as on it, quarters.
        """
        places, _ = self._places(np.array([beat]), bar_beats, near)
        return places[0]

    def nats(self, beats: NDArray[np.float64], bar_beats: float, near: float = NEAR_BEATS) -> Nats:
        """Return what each pitch class loses at each beat, ``(*beats.shape, 12)``, 0 at most.

        What is law loses infinitely much; a class of pitches is always left.

        Args:
            beats: Quarters from where chords began, any shape.
            bar_beats: Quarters of a bar, above 0.
            near: As for :meth:`place`.
        """
        places, which = self._places(beats, bar_beats, near)
        home = _home(self.chords)
        rows = np.array([_row(one, home, self.strength) for one in places], dtype=np.float32)
        found: Nats = rows.reshape(-1, OCTAVE)[which]
        return found

    def pitch_nats(
        self,
        beats: NDArray[np.float64],
        bar_beats: float,
        pitches: range,
        near: float = NEAR_BEATS,
    ) -> Nats:
        """Return the same for pitches, ``(*beats.shape, len(pitches))``; low ones mind a bass.

        Args:
            beats: As for :meth:`nats`.
            bar_beats: As for :meth:`nats`.
            pitches: MIDI numbers.
            near: As for :meth:`nats`.
        """
        places, which = self._places(beats, bar_beats, near)
        home, classes = _home(self.chords), np.array(pitches) % OCTAVE
        low = np.array(pitches) < BASS_BELOW
        rows = np.zeros((len(places), len(classes)), dtype=np.float32)
        for row, place in zip(rows, places, strict=True):
            row += np.array(_row(place, home, self.strength), dtype=np.float32)[classes]
            if place.chord is not None and place.chord.slash and place.strong:
                row[low & (classes != place.chord.bass)] -= np.float32(
                    SLASH_NATS * self.strength**3
                )
        found: Nats = rows[which]
        return found

    def chroma(self, beat: float, beats: float, bar_beats: float) -> NDArray[np.float64]:
        """Return how much of a stretch each pitch class is asked for, ``(12,)``, 0 or more.

        Args:
            beat: Where the stretch begins.
            beats: How long it is.
            bar_beats: Quarters of a bar.
        """
        found = np.zeros(OCTAVE)
        at = np.arange(beat, beat + beats - NEAR_BEATS, 0.5)
        places, which = self._places(at, bar_beats, NEAR_BEATS)
        for place, often in zip(places, np.bincount(which).tolist(), strict=True):
            for tones, weight in ((_scale(place, _home(self.chords)), 1.0), (_tones(place), 2.0)):
                found[list(tones)] += weight * often
        return found

    def _places(
        self, beats: NDArray[np.float64], bar_beats: float, near: float
    ) -> tuple[list[Place], NDArray[np.int64]]:
        """Return the places that differ among beats, and which each beat has, ``beats.shape``."""
        flat = beats.ravel()
        chord, since = np.zeros(len(flat), dtype=np.int64), np.full(len(flat), np.inf)
        key = np.zeros(len(flat), dtype=np.int64)
        if self.chords is not None:
            lengths = [slot.length(bar_beats) for slot in self.chords.slots]
            chord, since = _index(flat + near, lengths)
        if self.keys is not None:
            key, _ = _index(flat + near, [bars * bar_beats for _, bars in self.keys.keys])
        strong = (since <= 2 * near + _ROUNDING) | is_strong(flat, bar_beats, near)
        different, which = np.unique(np.stack([chord, key, strong]), axis=1, return_inverse=True)
        places = [
            Place(
                None if self.chords is None else self.chords.slots[i].chord,
                None if self.keys is None else self.keys.keys[j][0],
                bool(k),
            )
            for i, j, k in different.T.tolist()
        ]
        return places, which.reshape(beats.shape)


def _index(
    beats: NDArray[np.float64], lengths: list[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return in which of the stretches, which come again for ever, beats lie, and since when."""
    ends = np.cumsum(lengths)
    left = (beats + _ROUNDING) % ends[-1]
    found = np.minimum(np.searchsorted(ends, left, side="right"), len(ends) - 1)
    return found, left - (ends - lengths)[found]


def is_strong(
    beats: NDArray[np.float64], bar_beats: float, near: float = NEAR_BEATS
) -> NDArray[np.bool_]:
    """Return which places are on a strong beat of their bar, chords aside; any shape."""
    whole = round(bar_beats)
    half = whole >= STRONG_BAR and whole % 2 == 0 and abs(whole - bar_beats) < near
    unit = bar_beats / 2 if half else bar_beats
    return np.asarray(np.abs(beats - np.round(beats / unit) * unit) <= near + _ROUNDING)


def _row(place: Place, home: tuple[int, ...] | None, strength: float) -> list[float]:
    """Return what each pitch class loses at a place, ``(12,)``."""
    scale, tones = {*_scale(place, home)}, {*_tones(place)}
    if not scale:
        return [0.0] * OCTAVE
    law = strength >= 1.0
    foreign = -math.inf if law else -FOREIGN_NATS * strength**3
    if not tones:
        return [0.0 if one in scale else foreign for one in range(OCTAVE)]
    if place.strong:
        other = -math.inf if law else -STRONG_NATS * strength**3
        return [0.0 if one in tones else other for one in range(OCTAVE)]
    passing = -PASSING_NATS * strength**3
    return [0.0 if one in tones else passing if one in scale else foreign for one in range(OCTAVE)]


def _tones(place: Place) -> tuple[int, ...]:
    return () if place.chord is None else place.chord.tones


def _scale(place: Place, home: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the pitch classes that fit at a place; none where nothing is asked."""
    if place.chord is None:
        return () if place.key is None else place.key.tones
    around = place.key.tones if place.key is not None else home
    return place.chord.tones if around is None else _chord_scale(place.chord.tones, around)


@lru_cache(maxsize=512)
def _chord_scale(tones: tuple[int, ...], around: tuple[int, ...]) -> tuple[int, ...]:
    """Return the scale of a chord: that of its key, without neighbours of what is altered."""
    altered = {*tones} - {*around}
    beside = {(one + step) % OCTAVE for one in altered for step in (-1, 1)} - {*tones}
    return tuple(sorted(({*around} | {*tones}) - beside))


@lru_cache(maxsize=64)
def _home(chords: Progression | None) -> tuple[int, ...] | None:
    """Return the tones of the major or minor key that fits a progression best."""
    if chords is None:
        return None
    weights = np.zeros(OCTAVE)
    for slot in chords.slots:
        if slot.chord is not None:
            weights[list(slot.chord.tones)] += slot.length(STRONG_BAR)
            weights[slot.chord.root] += slot.length(STRONG_BAR)
    if not weights.any():
        return None
    mode, root = np.unravel_index(int(np.argmax(likeness(weights))), (2, OCTAVE))
    steps = SCALE_STEPS[MODES[int(mode)]]
    return tuple(sorted((int(root) + step) % OCTAVE for step in steps))
