"""Where a phrase of a tune can be cut: before each note but the first, and while one is held.

In: a tune, the notes of its next phrase, and how they are played. Out: places in ms, and what it
takes to go on from there. Before a note the cut lies where the note is, or as much earlier as it is
played. A note that is held gives way on the next beat, and lasts until there; a closing note, and
the rest after it, on each beat but its first: the next tune begins there.

Thread: any; nothing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamer.expression.expression import MOST_OF_GAP
from streamer.families.tunes.codec import END, TuneArray, TuneCodec
from streamer.families.tunes.key import Key
from streamer.families.tunes.line import GRID_BEATS, ON_THE_LINE, Line, Tune
from streamer.music.notes import Phrase
from streamer.system.marks import Mark

BEFORE_MS = 1.0
"""A cut lies so long before the note that it takes away, which nothing that is rounded may save."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place at which a phrase can be cut.

    Attributes:
        at_ms: From the phrase's start.
        notes: So many stay.
        length: Of the last of them, in twelfths of the unit; None leaves it as it was drawn.
        early: How much sooner than it was written the next note begins then, in the same measure.
    """

    at_ms: float
    notes: int
    length: int | None = None
    early: float = 0.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trail:
    """What it takes to cut a phrase.

    Attributes:
        mark: Of the generator just before the phrase was drawn, within its tune.
        notes: Those of the phrase.
        classes: The same, ``(notes, 3)``.
        key: In which they are written, and how far they are moved to sound, octaves too.
        transpose: How far without them.
        cuts: Where the phrase can be cut, ascending.
    """

    mark: Mark
    notes: TuneArray
    classes: NDArray[np.int64]
    key: tuple[Key, int]
    transpose: int
    cuts: Sequence[Cut]

    def after(self, least_ms: float) -> Cut | None:
        """Return the first cut of which so much of the phrase stays; None where all of it does."""
        return next((cut for cut in self.cuts if cut.at_ms >= least_ms), None)

    def until(self, cut: Cut, codec: TuneCodec) -> tuple[TuneArray, NDArray[np.int64]]:
        """Return the notes that stay, and their classes."""
        notes, classes = self.notes[: cut.notes].copy(), self.classes[: cut.notes].copy()
        if cut.length is not None:
            notes["length"][-1] = cut.length
            classes[-1:] = codec.encode(notes[-1:])
        return notes, classes


def places_to_cut(
    tune: Tune, phrase: Phrase, notes: TuneArray, line: Line, codec: TuneCodec
) -> list[Cut]:
    """Return where the next phrase of a tune can be cut, ascending.

    Args:
        tune: Before the phrase.
        phrase: As it is heard.
        notes: Those that it is made of, 1 or more.
        line: The same as it was given to whoever played it.
        codec: Says which lengths there are.
    """
    onsets, release, next_place = tune.places(notes)
    gaps = np.diff(onsets, append=release)
    room = MOST_OF_GAP * np.minimum(gaps, np.append(gaps[:1], gaps[:-1]))
    cuts = list[Cut]()
    for index, onset in enumerate(onsets.tolist()):
        # The note is heard between these, as early or late as it may be played.
        first_ms, last_ms = (tune.ms(onset + way * room[index]) for way in (-1, 1))
        heard = [n for n in phrase.notes if first_ms <= n.onset_ms <= last_ms]
        struck = [n.onset_ms for n in heard if n.pitch == line.pitch[index]]
        if index:
            earliest_ms = min([tune.ms(onset), *(n.onset_ms for n in heard)])
            cuts.append(Cut(earliest_ms - BEFORE_MS, index))
        if notes["length"][index] == END:
            held = _rest(tune, onset, next_place, index + 1)
        else:
            held = _held(tune, notes[: index + 1], onset, onset + gaps[index], codec)
        cuts += (cut for cut in held if cut.at_ms > min(struck, default=last_ms))
    ascending = sorted(cuts, key=lambda cut: cut.at_ms)
    return [replace(cut, at_ms=cut.at_ms - phrase.start_ms) for cut in ascending]


def _rest(tune: Tune, onset: float, end: float, count: int) -> Iterator[Cut]:
    """Yield whole beats, ms of the stream, from a closing note's second to the next tune."""
    beat = tune.manner.beat
    for place in _beats(onset + beat, end, beat):
        yield Cut(tune.ms(place), count)


def _held(
    tune: Tune, notes: TuneArray, onset: float, end: float, codec: TuneCodec
) -> Iterator[Cut]:
    """Yield beats on which the last note is held, or places near by that it can last until."""
    beat = tune.manner.beat
    for place in _beats(onset + GRID_BEATS * beat, end, beat):
        shorter = notes.copy()
        shorter["length"][-1] = round(place - onset)
        shorter = codec.decode(codec.encode(shorter))
        until = float(tune.ends(shorter)[-1])
        if onset < until < end - ON_THE_LINE:
            yield Cut(tune.ms(until), len(notes), int(shorter["length"][-1]), end - until)


def _beats(least: float, end: float, beat: float) -> Iterator[float]:
    """Yield the whole beats from a place to before another."""
    first = math.ceil(least / beat - ON_THE_LINE)
    yield from np.arange(first * beat, end - ON_THE_LINE, beat).tolist()
