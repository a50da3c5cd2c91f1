"""Who plays a section: plainly, or as the performance layer has it.

In: the notes of a section on a grid of beats. Out: the same with velocities and times in ms.
Thread: the generator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.expression.expression import Expression
from streamer.expression.opening import expression_for
from streamer.music.notes import Note
from streamer.settings.expression import ExpressionSettings
from streamer.system.marks import Marked

PLAIN_VELOCITY, ACCENT, TOP_ACCENT = 66, 8, 6
"""Where nothing else gives dynamics: velocity, more on a bar line, more for the highest note."""


@dataclass(frozen=True, slots=True, eq=False)
class WrittenBars:
    """Notes of a section as they are given to whoever plays them.

    Attributes:
        pitch: ``(notes,)`` int64.
        onset: Quarters from the section's start, ``(notes,)``, ascending.
        length: Quarters.
        start_beat: Place of the section in the stream, quarters.
        bar_beats: Quarters of a bar.
        beat_ms: Length of a quarter.
    """

    pitch: NDArray[np.int64]
    onset: NDArray[np.float64]
    length: NDArray[np.float64]
    start_beat: float
    bar_beats: float
    beat_ms: float


class SectionPlayer(Protocol):
    """Gives the notes of a section velocity and timing."""

    def play_bars(self, bars: WrittenBars) -> tuple[Note, ...]:
        """Return one note for each, in their order but for onsets that it moves."""


class PlainPlayer(Marked):
    """Plays what is written, with an accent on the bar and on the highest note."""

    def play_bars(self, bars: WrittenBars) -> tuple[Note, ...]:
        """Return one note for each."""
        place = (bars.start_beat + bars.onset) / bars.bar_beats
        accent = np.where(np.abs(place - np.rint(place)) < 1e-6, ACCENT, 0)
        top = np.array([bars.pitch[bars.onset == t].max() for t in bars.onset.tolist()])
        velocity = PLAIN_VELOCITY + accent + np.where(bars.pitch == top, TOP_ACCENT, 0)
        onset_ms = (bars.start_beat + bars.onset) * bars.beat_ms
        columns = (bars.pitch, onset_ms, bars.length * bars.beat_ms, velocity)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(Note(pitch, at, long, loud) for pitch, at, long, loud in rows)


class ExpressivePlayer(Marked):
    """A :class:`SectionPlayer` by the performance layer.

    Args:
        expression: Gives velocity and timing.
    """

    marked = ("_expression",)

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def play_bars(self, bars: WrittenBars) -> tuple[Note, ...]:
        """Return one note for each, in their order."""
        return self._expression.roll(
            bars.pitch, bars.start_beat + bars.onset, bars.length, bar_beats=bars.bar_beats,
            beat_ms=bars.beat_ms,
        )  # fmt: skip


def player_for(
    bundle: Bundle, settings: ExpressionSettings, rng: np.random.Generator
) -> SectionPlayer:
    """Return who plays a bundle of sections; arguments and errors as of :func:`expression_for`."""
    expression = expression_for(bundle, settings, rng)
    return PlainPlayer() if expression is None else ExpressivePlayer(expression)
