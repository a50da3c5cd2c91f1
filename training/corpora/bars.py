"""Where the bars of a file are, and how fast it goes. Beats are quarters."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.midi.beatfile import BeatPiece

_TICKS = 24
_DUST = 1e-6

_SURER = 1.15
"""A bar begins elsewhere than the file says only if so much more length begins there."""


class BarLines:
    """The bars of one file.

    Attributes:
        start: A beat, from the file's start, at which a bar begins.
        usual: Length of most bars, beats.
    """

    def __init__(self, piece: BeatPiece, start: float | None, bar: float | None) -> None:
        """Read the file's time signatures.

        Args:
            piece: The file; at least one note.
            start: Where a bar begins, beats; None finds it where the longest notes begin.
            bar: Beats in a bar; None takes the file's time signatures.
        """
        notes = piece.notes[~piece.drums]
        # A signature of one beat says that somebody did not know; four is the likeliest.
        metres = [(metre.onset, metre.bar if metre.bar > 1 else 4.0) for metre in piece.metres]
        self._metres = [(0.0, bar)] if bar else metres
        ends = [*(onset for onset, _ in self._metres[1:]), float(notes["onset"].max()) + 1.0]
        spans: dict[float, float] = defaultdict(float)
        for (onset, length), end in zip(self._metres, ends, strict=True):
            spans[length] += max(0.0, end - onset)
        self.usual = max(spans, key=lambda length: spans[length])
        self.start = start or 0.0
        if start is None and len(self._metres) == 1:
            self.start = _upbeat(notes, self.usual)

    def position(self, onset: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position in the bar of onsets that count from ``start``."""
        found = np.zeros(len(onset))
        for begin, bar in self._metres:
            here = np.ones(len(onset), dtype=np.bool_) if begin == 0 else onset >= begin - _DUST
            # In whole ticks: a bar line must not become the end of the bar before by rounding.
            ticks = np.mod(np.round((onset[here] - begin) * _TICKS), round(bar * _TICKS))
            found[here] = ticks / _TICKS
        return found


def _upbeat(notes: NDArray[Any], bar: float) -> float:
    """Return where the first bar line lies, 0 .. ``bar``: scores do not say how long an upbeat is.

    Long notes begin on bar lines more often than anywhere else.
    """
    weight = np.minimum(notes["length"], bar)
    candidates = np.arange(0.0, bar, 0.5)
    place = np.mod(np.round(notes["onset"] * _TICKS) / _TICKS, bar)
    sums = [float(weight[np.abs(place - candidate) < _DUST].sum()) for candidate in candidates]
    best = int(np.argmax(sums))
    return float(candidates[best]) if sums[best] > _SURER * sums[0] else 0.0


def tempo_of(piece: BeatPiece, notes: NDArray[Any]) -> float:
    """Return the beats a minute from a track's first note to its end."""
    first, end = float(notes["onset"].min()), float((notes["onset"] + notes["length"]).max())
    onsets = np.array([onset for onset, _ in piece.tempos])
    bounds = np.clip(np.append(onsets, end), first, end)
    minutes = (np.diff(bounds) / np.array([bpm for _, bpm in piece.tempos])).sum()
    return round(float((end - first) / minutes), 3)
