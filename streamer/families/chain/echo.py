"""Echoes: candidates are offered to go on as the last notes went (ours).

What tells a recurrent model from a pianist in a dozen notes is that it never does the same thing
twice: of two intervals in a row, a third was heard within the last 64 notes of a real piece, a
twelfth in what a model draws. So some candidates are offered the last few notes again, and again
where they are short: pitches, higher or lower as a whole, and their rhythm, as a bonus in the
noise. Harmony, touch and pedal stay the model's, and the ear, which knows how often music does so,
picks among candidates with and without.

In: the last committed notes. Out: a bonus for a candidate's noise. Thread: the generator's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.settings import RecallSettings
from streamer.music.notes import PIANO_LOW, Note

PERIODS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48)
"""Notes that an echo takes up: the last so many."""

MOVES = (0, 0, 0, 0, 0, 0, -12, 12, -7, 7, -5, 5, -4, 4, -3, 3, -2, 2, -1, 1)
"""Semitones that it is moved by: mostly not at all."""

LEAST_NOTES = 6
RHYTHM_SHARE = 0.5
"""Of the strength: what the time shifts get."""


@dataclass(frozen=True, slots=True)
class Echo:
    """What is offered again.

    Attributes:
        step: Note of the phrase at which it begins.
        classes: Pitch classes of the codec, ``(notes,)`` int64.
        shifts: Time shift classes, ``(notes,)`` int64.
    """

    step: int
    classes: NDArray[np.int64]
    shifts: NDArray[np.int64]

    def push(self, noise: NDArray[np.float32], strength: float, codec: ChainCodec) -> None:
        """Add ``strength`` nats to its pitches in one candidate's noise ``(notes, classes)``."""
        steps = np.arange(self.step, self.step + len(self.classes))
        noise[steps, self.classes] += np.float32(strength)
        rhythm = np.float32(strength * RHYTHM_SHARE)
        noise[steps, codec.offsets[1] + self.shifts] += rhythm


def draw_echo(
    rng: np.random.Generator,
    past: Sequence[tuple[float, Note]],
    phrase_notes: int,
    allowed: NDArray[np.bool_],
    codec: ChainCodec,
) -> Echo | None:
    """Choose how many of the last notes come again, where, and how much higher.

    Args:
        rng: Decides; the same state gives the same echo.
        past: The last committed notes, each with the time since the one before, ms.
        phrase_notes: Length of the phrase.
        allowed: Which of the 88 pitches may sound, ``(88,)``.
        codec: Gives classes of time shifts.

    Returns:
        None when too little was played, the phrase is too short, or pitches may not sound.
    """
    period = int(rng.choice(PERIODS))
    move = int(rng.choice(MOVES))
    if phrase_notes < LEAST_NOTES or len(past) <= period:
        return None
    length = int(rng.integers(LEAST_NOTES, phrase_notes + 1))
    step = int(rng.integers(0, phrase_notes - length + 1))
    places = (np.arange(step, step + length) % period) + len(past) - period
    notes = [past[i] for i in places.tolist()]
    classes = np.array([note.pitch - PIANO_LOW + move for _, note in notes], dtype=np.int64)
    if classes.min() < 0 or classes.max() >= PITCH_CLASSES or not allowed[classes].all():
        return None
    shifts = codec.shift.encode(np.array([shift for shift, _ in notes])).astype(np.int64)
    return Echo(step, classes, shifts)


def offer_echoes(
    noise: NDArray[np.float32],
    rng: np.random.Generator,
    past: Sequence[tuple[float, Note]],
    allowed: NDArray[np.bool_],
    codec: ChainCodec,
    how: RecallSettings,
) -> None:
    """Offer some candidates the last notes again, in their noise ``(notes, K, classes)``.

    Args:
        noise: Changed in place.
        rng: Decides which, and what.
        past: As for :func:`draw_echo`.
        allowed: Which pitches may sound, ``(88,)``.
        codec: The bundle's.
        how: Share and strength.
    """
    for k in range(noise.shape[1]):
        if rng.random() < how.echo_share:
            echo = draw_echo(rng, past, len(noise), allowed, codec)
            if echo is not None:
                echo.push(noise[:, k], how.echo_strength, codec)
