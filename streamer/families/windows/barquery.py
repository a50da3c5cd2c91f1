"""What a person plays, bar by bar, as the cells that a query bundle hears.

In: keys struck and released, each with its place in quarters. Out: at each bar line the cells of
the bar that ends. Nothing here knows of time in seconds, of threads or of ports: the same strikes
give the same bars.

An onset belongs to the nearest sixteenth. One within half a sixteenth before a bar line is thereby
the next bar's first: when the bar is closed, half a sixteenth early, nothing can come that belongs
to it. What comes late all the same begins with the next bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from streamer.music.notes import Note

MOST_BARS = 8
"""Of a person's turn so many bars are answered, the last ones."""


def bars_of(notes: Sequence[Note], codec: RollCodec, beat_ms: float) -> list[NDArray[np.uint8]]:
    """Return notes as bars, ``(steps, pitches, layers)`` each; the first note is on a bar line.

    Args:
        notes: Sorted by onset; those that the model has no row for are left out.
        codec: With a layer of onsets or without.
        beat_ms: Length of a quarter.
    """
    notes = [note for note in notes if codec.low <= note.pitch <= codec.high]
    if not notes:
        return []
    step_ms, first_ms = beat_ms / codec.steps_per_beat, notes[0].onset_ms
    whole_ms = codec.steps * step_ms
    last = math.floor((notes[-1].onset_ms - first_ms + 0.5 * step_ms) / whole_ms)
    first = max(last + 1 - MOST_BARS, 0)
    begin_ms = first_ms + first * whole_ms
    cells = np.zeros(((last + 1 - first) * codec.steps, *codec.shape[1:]), dtype=np.uint8)
    for note in notes:
        onset = math.floor((note.onset_ms - begin_ms) / step_ms + 0.5)
        end = max(math.floor((note.end_ms - begin_ms) / step_ms + 0.5), onset + 1)
        if end <= 0:
            continue
        cells[max(onset, 0) : end, note.pitch - codec.low, 0] = 1
        if onset >= 0:
            cells[onset, note.pitch - codec.low] = 1
    return list(cells.reshape(-1, codec.steps, *codec.shape[1:]))


class BarCollector:
    """Collects the present bar and the next; one thread at a time.

    Memory does not grow with what is played: a cell that is struck a thousand times is one cell.

    Args:
        codec: With a layer of onsets or without.
        longest_steps: A key that is down for longer is let go: it is stuck, or forgotten.
    """

    def __init__(self, codec: RollCodec, longest_steps: int) -> None:
        self._codec, self._longest = codec, max(longest_steps, codec.steps)
        self._cells = np.zeros((2 * codec.steps, *codec.shape[1:]), dtype=np.uint8)
        self._start = 0
        self._down: dict[int, int] = {}
        """First step of each key that is down."""

    def strike(self, pitch: int, beat: float) -> bool:
        """Take in a key that goes down; return whether the model hears such a pitch."""
        if not self._codec.low <= pitch <= self._codec.high:
            return False
        steps = self._codec.steps
        step = max(self._step(beat), self._start)
        if step >= self._start + 2 * steps:
            # Bars went by that nobody closed: what was in them is past.
            self._move(step - step % steps)
        self._release(pitch, step)
        self._down[pitch] = step
        self._cells[step - self._start, pitch - self._codec.low] = 1
        return True

    def release(self, pitch: int, beat: float) -> None:
        """Take in a key that comes up; one that was not down is none of ours."""
        self._release(pitch, self._step(beat))

    def release_all(self, beat: float) -> None:
        """Let every key come up."""
        for pitch in list(self._down):
            self.release(pitch, beat)

    def close(self, line: float) -> NDArray[np.uint8]:
        """Return the bar that ends at ``line``, in quarters, and begin the next.

        Returns:
            ``(steps, pitches, layers)``, 0 or 1. A key that is down from before the bar is held
            without an onset; one that stays down sounds on into the next.
        """
        steps = self._codec.steps
        end = round(line * self._codec.steps_per_beat)
        if end - steps != self._start:
            self._move(end - steps)
        for pitch, onset in list(self._down.items()):
            self._hold(pitch, onset, end)
            if end - onset >= self._longest:
                del self._down[pitch]
        bar = self._cells[:steps].copy()
        self._move(end)
        return bar

    def _step(self, beat: float) -> int:
        return math.floor(beat * self._codec.steps_per_beat + 0.5)

    def _release(self, pitch: int, step: int) -> None:
        onset = self._down.pop(pitch, None)
        if onset is not None:
            self._hold(pitch, onset, max(step, onset + 1))

    def _hold(self, pitch: int, onset: int, end: int) -> None:
        first, last = max(onset - self._start, 0), max(end - self._start, 0)
        self._cells[first:last, pitch - self._codec.low, 0] = 1

    def _move(self, start: int) -> None:
        """Let the cells begin at another step; what lies before it is forgotten."""
        by, self._start = start - self._start, start
        kept = self._cells[by:] if by >= 0 else self._cells[:0]
        self._cells = np.zeros_like(self._cells)
        self._cells[: len(kept)] = kept
