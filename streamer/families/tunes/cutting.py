"""Where a phrase of a tune can be cut: before each of its notes but the first.

In: a tune, and the notes of its next phrase. Out: places in ms, and what it takes to go on from
there. A note may be played early, so that a cut lies before its place by as much as it may move;
what was held until there was promised by the note before it, and ends as it would have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.expression.expression import MOST_OF_GAP
from streamer.families.tunes.codec import TuneArray
from streamer.families.tunes.key import Key
from streamer.families.tunes.line import Tune
from streamer.system.marks import Mark


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trail:
    """What it takes to cut a phrase.

    Attributes:
        mark: Of the generator just before the phrase was drawn, within its tune.
        notes: Those of the phrase.
        classes: The same, ``(notes, 3)``.
        key: In which they are written, and how far they are moved to sound, octaves too.
        transpose: How far without them.
        cuts_ms: Where the phrase can be cut before each note, ``(notes,)``, ms from its start.
    """

    mark: Mark
    notes: TuneArray
    classes: NDArray[np.int64]
    key: tuple[Key, int]
    transpose: int
    cuts_ms: NDArray[np.float64]

    def notes_until(self, least_ms: float) -> int | None:
        """Return how many notes stay where at least so much of the phrase does; None for all."""
        later = np.flatnonzero(self.cuts_ms[1:] >= least_ms)
        return int(later[0]) + 1 if len(later) else None


def places_to_cut(tune: Tune, notes: TuneArray) -> NDArray[np.float64]:
    """Return where the next phrase of a tune can be cut before each note, ms of the stream.

    Args:
        tune: Before the phrase.
        notes: Of the phrase, 1 or more.
    """
    onsets, release, _ = tune.places(notes)
    gaps = np.diff(onsets, append=release)
    room = MOST_OF_GAP * np.minimum(gaps, np.append(gaps[:1], gaps[:-1]))
    manner = tune.manner
    placed: NDArray[np.float64] = onsets - room
    return tune.start_ms + placed / manner.beat * manner.beat_ms
