"""Chords in music whose pitches are drawn before their times: rhythm first, then pitch (ours).

The graph draws a pitch, then the time shift that places it, so that whoever biases pitches by the
beat does not know the beat. So a phrase is drawn three times from the same noise: with its times
guessed; with the times that this gave; and with the rhythm of the second drawing forced, each pitch
biased by the beat that it falls on. As the noise is the same, what the chord does not ask otherwise
stays as it was. With two drawings the pitches of the last one are so often others that the rhythm,
which was drawn for the pitches of the first, costs 0.4 nats a note; with three 0.1.

In: a harmony, noise, and times. Out: the noise of each drawing. The beat of music in free time is a
clock's: beats of one length from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.engine.noise import force_classes
from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.music.harmony import Harmony
from streamer.music.notes import PIANO_HIGH, PIANO_LOW, Note

BAR_BEATS = 4.0
"""Quarters of a bar, where none are counted."""

ROUNDS = 1
"""Drawings between the first and the last."""

GUESS_NOTES, GUESS_MS = 32, 150.0
"""The time shift that is guessed is the mean of so many notes; and where nothing was played."""

Times = NDArray[np.float64]

_PITCHES = range(PIANO_LOW, PIANO_HIGH + 1)


class ChordBeat(NamedTuple):
    """Where the beats lie that chords count.

    Attributes:
        origin_ms: The first of them.
        beat_ms: Length of a quarter, above 0.
    """

    origin_ms: float
    beat_ms: float

    def at(self, onsets_ms: Times) -> Times:
        """Return times as places in beats, any shape."""
        return (onsets_ms - self.origin_ms) / self.beat_ms


def guessed_onsets(past: Sequence[tuple[float, Note]], start_ms: float, notes: int) -> Times:
    """Return where the next notes may begin, ``(notes, 1)`` ms.

    Args:
        past: The last notes, each with the time since the one before, ms.
        start_ms: Where the phrase begins.
        notes: How many come.
    """
    shifts = [shift for shift, _ in list(past)[-GUESS_NOTES:]]
    shift_ms = sum(shifts) / len(shifts) if shifts else GUESS_MS
    found: Times = start_ms + shift_ms * np.arange(1, notes + 1, dtype=np.float64)[:, None]
    return found


def biased(
    noise: NDArray[np.float32], harmony: Harmony, onsets_ms: Times, beat: ChordBeat
) -> NDArray[np.float32]:
    """Return noise with its pitches biased by the beats that they fall on.

    Args:
        noise: ``(notes, K, classes)``; it is left as it is.
        harmony: What holds.
        onsets_ms: ``(notes, K)``, or ``(notes, 1)`` for all.
        beat: Where beats lie.
    """
    found = noise.copy()
    found[:, :, :PITCH_CLASSES] += harmony.pitch_nats(beat.at(onsets_ms), BAR_BEATS, _PITCHES)
    return found


def in_rhythm(
    noise: NDArray[np.float32],
    harmony: Harmony,
    before: NDArray[np.int64],
    onsets_ms: Times,
    codec: ChainCodec,
    beat: ChordBeat,
) -> NDArray[np.float32]:
    """Return the noise of the last drawing.

    Args:
        noise: Of all drawings, without a bias, ``(notes, K, classes)``; left as it is.
        harmony: What holds.
        before: Classes of the drawing before, ``(notes, K, 5)``.
        onsets_ms: When its notes begin, ``(notes, K)``.
        codec: The bundle's.
        beat: Where beats lie.
    """
    rhythm = np.full(before.shape, -1, dtype=np.int64)
    rhythm[..., 1] = before[..., 1]
    return force_classes(biased(noise, harmony, onsets_ms, beat), rhythm, codec)
