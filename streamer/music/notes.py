"""Notes and phrases: the vocabulary that all three packages share.

Two forms of the same thing. :class:`Note` is one note as the stream handles it, twenty a second at
most. A *note array* is a numpy structured array of :data:`NOTE_DTYPE`, sorted by onset and then
pitch, as files, codec, training and evaluation handle them, a million at a time.

Units: times are milliseconds (``_ms``), float64, from the start of the piece or of the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOTE_DTYPE = np.dtype(
    [
        ("onset_ms", np.float64),
        ("duration_ms", np.float64),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
        ("pedal", np.bool_),
        ("channel", np.uint8),
    ]
)
"""One note: onset and duration in ms, pitch 0..127, velocity 1..127, sustain pedal down at the
onset (CC64 > 64), MIDI channel 0..15. The duration is that of the key, not of the pedal."""

NoteArray = NDArray[Any]
"""A numpy structured array of :data:`NOTE_DTYPE`, sorted by (onset_ms, pitch)."""

ARGUMENTS = ("pitch", "shift", "duration", "velocity", "pedal")
"""The five arguments of a note in the order in which they are sampled ([Liu2025], section 3)."""

PIANO_LOW, PIANO_HIGH = 21, 108
"""MIDI numbers of the lowest and highest key of a piano."""

CHORD_MS = 30.0
"""Notes that begin within this time of one another are one chord."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note of the stream.

    Attributes:
        pitch: MIDI note number, 0..127.
        onset_ms: Start, in ms from the start of the stream or piece, >= 0.
        duration_ms: How long the key is held, in ms, > 0.
        velocity: 1..127.
        pedal: Whether the sustain pedal is down at the onset.
        channel: MIDI channel, 0..15.
        unpitched: Whether the pitch names an instrument, as a drum kit's do: nothing moves it.
    """

    pitch: int
    onset_ms: float
    duration_ms: float
    velocity: int
    pedal: bool = False
    channel: int = 0
    unpitched: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.pitch <= 127:
            raise ValueError(f"pitch must be in range 0..127, not {self.pitch}")
        if not 1 <= self.velocity <= 127:
            raise ValueError(f"velocity must be in range 1..127, not {self.velocity}")
        if not self.duration_ms > 0:
            raise ValueError(f"duration_ms must be above 0, not {self.duration_ms}")
        if not self.onset_ms >= 0:
            raise ValueError(f"onset_ms must be 0 or more, not {self.onset_ms}")
        if not 0 <= self.channel <= 15:
            raise ValueError(f"channel must be in range 0..15, not {self.channel}")

    @property
    def end_ms(self) -> float:
        """When the key is released, in ms."""
        return self.onset_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the beats of a phrase lie, in music that has a beat; a beat is a quarter.

    Attributes:
        beat: Place of the phrase's start in beats, counted from the stream's own beginning.
        beat_ms: Length of a beat, ms.
    """

    beat: float
    beat_ms: float


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """A channel takes on another sound.

    Attributes:
        onset_ms: When, in ms from the start of the stream; before what is struck at that time.
        channel: MIDI channel, 0..15.
        program: General MIDI programme, 0..127.
    """

    onset_ms: float
    channel: int
    program: int


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """One candidate: some notes in order, and how sure the model was of them.

    Attributes:
        notes: The notes, sorted by onset; onsets are absolute in the stream.
        entropies: Natural-log entropy of the model's distribution, ``(len(notes), arguments)``,
            float32, nats, untempered.
        start_ms: Onset of the note before the first, from which time runs on.
        end_ms: Onset of the last note: the next phrase starts from here.
        grid: Where its beats lie; None in free time.
        programs: Sounds that change in it.
        opens: Where another bundle begins with it, the number of that beginning in the stream, 1 or
            more; None elsewhere.
        lifts: Whether what sounds ends where this takes the place of another phrase's rest: music
            of one line, in which a held note gives way to the next.
    """

    notes: tuple[Note, ...]
    entropies: NDArray[np.float32]
    start_ms: float
    end_ms: float
    grid: Grid | None = None
    programs: tuple[ProgramChange, ...] = ()
    opens: int | None = None
    lifts: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds of music, onset to onset."""
        return (self.end_ms - self.start_ms) / 1000.0


def to_array(notes: Iterable[Note]) -> NoteArray:
    """Return the notes as a note array, sorted by onset and then pitch."""
    rows = [(n.onset_ms, n.duration_ms, n.pitch, n.velocity, n.pedal, n.channel) for n in notes]
    return sort_notes(np.array(rows, dtype=NOTE_DTYPE))


def from_array(array: NoteArray) -> tuple[Note, ...]:
    """Return the rows of a note array as notes, in their order."""
    return tuple(
        Note(int(r["pitch"]), float(r["onset_ms"]), float(r["duration_ms"]), int(r["velocity"]),
             bool(r["pedal"]), int(r["channel"]))
        for r in array
    )  # fmt: skip


def sort_notes(array: NoteArray) -> NoteArray:
    """Return a copy sorted by onset, then pitch, then channel; equal rows keep their order."""
    return array[np.lexsort((array["channel"], array["pitch"], array["onset_ms"]))]
