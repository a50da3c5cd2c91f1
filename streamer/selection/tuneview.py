"""A candidate phrase within its tune, as the filters of tunes see it.

In: what the tune generator knows of a candidate. Out: views that rules, features and classifiers
need: its notes, those of the tune before it, where it lies in the bar. Times are in twelfths of the
tune's unit, as in :mod:`streamer.tunes`; pitches are in the key that the model writes in, which is
not the one that sounds. Made by the tune generator for each candidate; read by tune_filters.py and
by the classifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.tunes import END, TUNE_DTYPE, UNIT_PARTS, TuneArray


def _no_notes() -> TuneArray:
    return np.zeros(0, dtype=TUNE_DTYPE)


@dataclass(frozen=True, slots=True, eq=False)
class TuneView:
    """One candidate.

    Attributes:
        notes: Its own notes, at least one; a length of END in the last ends the tune.
        before: The notes of the tune before it, oldest first, some hundreds at most.
        start: Onset of its first note in twelfths of a unit, counted from a bar line.
        beat: Length of a quarter in twelfths of a unit, above 0.
        bar: Length of a bar in twelfths of a unit, above 0.
        transpose: What is added to a pitch to make it sound, semitones.
        style: Weights of the bundle's styles, in its order, ``(S,)``, their sum is 1.
        z: The tune's latent, ``(Z,)``.
        heard: Tells the share, 0..1, of its figures that other tunes of the last minutes had.
    """

    notes: TuneArray
    before: TuneArray = field(default_factory=_no_notes)
    start: float = 0.0
    beat: float = float(UNIT_PARTS)
    bar: float = 4.0 * UNIT_PARTS
    transpose: int = 0
    style: NDArray[np.float32] = field(default_factory=lambda: np.ones(1, dtype=np.float32))
    z: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    heard: Callable[[TuneView], float] | None = None

    @property
    def ends(self) -> bool:
        """Whether the tune ends with it."""
        return bool(self.notes["length"][-1] == END)

    @property
    def onsets(self) -> NDArray[np.float64]:
        """Onset of each of its notes in twelfths of a unit, ``(notes,)``, as :attr:`start` is."""
        lengths = self.notes["length"][:-1].astype(np.float64)
        return self.start + np.concatenate([[0.0], np.cumsum(lengths)])

    def last(self, notes: int) -> TuneArray:
        """Return the last notes of the tune up to the candidate's end, so many where there are."""
        missing = notes - len(self.notes)
        if missing <= 0:
            return self.notes[-notes:]
        return np.concatenate([self.before[-missing:], self.notes])
