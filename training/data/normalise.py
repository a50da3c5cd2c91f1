"""What a file says -> what one pianist at one piano would have played; called by corpus.py.

A note array of any channels goes in; out comes one of a single keyboard, 21..108, that begins at
0 ms, in which no key is struck while it is held, and in which nothing is silent for long.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from streamer.midifile import strikes
from streamer.notes import PIANO_HIGH, PIANO_LOW, NoteArray, sort_notes


@dataclass(frozen=True)
class NormaliseOptions:
    """How a piece is brought into shape.

    Attributes:
        silence_ms: The longest silence kept, from the last release to the next onset, ms, > 0.
            A pause in music is seldom longer; a take with the tape left running is.
    """

    silence_ms: float = 5000.0

    def __post_init__(self) -> None:
        if not self.silence_ms > 0:
            raise ValueError(f"silence_ms must be above 0, not {self.silence_ms}")


def normalise(
    notes: NoteArray, options: NormaliseOptions = NormaliseOptions()
) -> tuple[NoteArray, Counter[str]]:
    """Return the piece on one keyboard, and what was changed.

    Args:
        notes: Any note array; it is not changed.
        options: See there.

    Returns:
        A sorted note array on channel 0, first onset 0, possibly empty, and counts of notes by
        ``out-of-range`` (dropped: not on a piano), ``same-key`` (dropped: struck by two tracks at
        once) and ``silence`` (silences made shorter).
    """
    counts: Counter[str] = Counter()
    on_piano = (notes["pitch"] >= PIANO_LOW) & (notes["pitch"] <= PIANO_HIGH)
    counts["out-of-range"] = int((~on_piano).sum())
    piece = one_keyboard(notes[on_piano])
    counts["same-key"] = int(on_piano.sum()) - len(piece)
    piece, counts["silence"] = cap_silence(piece, options.silence_ms)
    return piece, +counts


def one_keyboard(notes: NoteArray) -> NoteArray:
    """Return the notes of all channels on channel 0, as the keys of one instrument."""
    ends = notes["onset_ms"] + notes["duration_ms"]
    kept, ends, velocity = strikes(
        notes["onset_ms"], ends, notes["velocity"], notes["pitch"].astype(np.int64)
    )
    piece = notes[kept]
    piece["duration_ms"] = ends - piece["onset_ms"]
    piece["velocity"] = velocity
    piece["channel"] = 0
    return sort_notes(piece)


def cap_silence(notes: NoteArray, silence_ms: float) -> tuple[NoteArray, int]:
    """Return a copy that begins at 0 with no silence over ``silence_ms``, and how many there were.

    Silence runs from the last release so far to the next onset, whatever the pedal does.
    """
    piece = notes.copy()
    if not len(piece):
        return piece, 0
    onset = piece["onset_ms"]
    sounding_until = np.maximum.accumulate(onset + piece["duration_ms"])
    excess = np.maximum(onset[1:] - sounding_until[:-1] - silence_ms, 0.0)
    piece["onset_ms"] -= onset[0] + np.concatenate(([0.0], np.cumsum(excess)))
    return piece, int((excess > 0).sum())
