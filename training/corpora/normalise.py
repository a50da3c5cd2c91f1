"""What a file says -> what one pianist at one piano would have played.

A note array of any channels goes in; out comes one of a single keyboard, 21..108, that begins at
0 ms, in which no key is struck while it is held, and in which nothing is silent for long.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from streamer.midi.ticks import strikes
from streamer.music.notes import CHORD_MS, PIANO_HIGH, PIANO_LOW, NoteArray, sort_notes


@dataclass(frozen=True)
class NormaliseOptions:
    """How a piece is brought into shape.

    Attributes:
        silence_ms: The longest silence kept, from the last release to the next onset, ms, > 0.
            A pause in music is seldom longer; a take with the tape left running is.
        restrike_ms: A key struck again sooner than this was struck once; 0 believes all strikes.
        shortest_ms: No note is shorter; 0 leaves lengths as they are.
        chord_keys: Most keys that begin as one chord, the loudest are kept; 0 for any.
    """

    silence_ms: float = 5000.0
    restrike_ms: float = 0.0
    shortest_ms: float = 0.0
    chord_keys: int = 0

    def __post_init__(self) -> None:
        if not self.silence_ms > 0:
            raise ValueError(f"silence_ms must be above 0, not {self.silence_ms}")
        for name in ("restrike_ms", "shortest_ms", "chord_keys"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")


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
        once), ``restrike`` and ``chord`` (dropped: two hands cannot), ``brief`` (made longer) and
        ``silence`` (silences made shorter).
    """
    counts: Counter[str] = Counter()
    on_piano = (notes["pitch"] >= PIANO_LOW) & (notes["pitch"] <= PIANO_HIGH)
    counts["out-of-range"] = int((~on_piano).sum())
    piece = one_keyboard(notes[on_piano])
    counts["same-key"] = int(on_piano.sum()) - len(piece)
    piece, mended = mend(piece, options)
    counts.update(mended)
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


def mend(notes: NoteArray, options: NormaliseOptions) -> tuple[NoteArray, Counter[str]]:
    """Return a sorted piece without what two hands cannot do, and counts of what that changed.

    Transcriptions and doubled voices strike a key twice at once, and hold notes for no time; a
    model that learns it does it more often than they do.
    """
    counts: Counter[str] = Counter()
    if options.restrike_ms:
        notes, counts["restrike"] = _join_restrikes(notes, options.restrike_ms)
    if options.chord_keys:
        notes, counts["chord"] = _thin_chords(notes, options.chord_keys)
    if options.shortest_ms:
        brief = notes["duration_ms"] < options.shortest_ms
        notes = notes.copy()
        notes["duration_ms"][brief] = options.shortest_ms
        counts["brief"] = int(brief.sum())
    return notes, counts


def _join_restrikes(notes: NoteArray, within_ms: float) -> tuple[NoteArray, int]:
    """Let a strike that comes too soon be a part of the one before; the later end holds."""
    notes = notes.copy()
    kept = np.ones(len(notes), dtype=np.bool_)
    last: dict[int, int] = {}
    for i, pitch in enumerate(notes["pitch"].tolist()):
        before = last.get(pitch, -1)
        if before >= 0 and notes["onset_ms"][i] - notes["onset_ms"][before] < within_ms:
            end = notes["onset_ms"][i] + notes["duration_ms"][i] - notes["onset_ms"][before]
            notes["duration_ms"][before] = max(notes["duration_ms"][before], end)
            kept[i] = False
        else:
            last[pitch] = i
    return notes[kept], int((~kept).sum())


def _thin_chords(notes: NoteArray, keys: int) -> tuple[NoteArray, int]:
    """Keep no more than ``keys`` notes that begin as one chord: the softest go."""
    kept = np.ones(len(notes), dtype=np.bool_)
    onset = notes["onset_ms"]
    ends = np.searchsorted(onset, onset + CHORD_MS)
    for first in np.flatnonzero(ends - np.arange(len(notes)) > keys).tolist():
        chord = first + np.flatnonzero(kept[first : ends[first]])
        order = np.argsort(-notes["velocity"][chord].astype(np.int64), kind="stable")
        kept[chord[order[keys:]]] = False
    return notes[kept], int((~kept).sum())


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
