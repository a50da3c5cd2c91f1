"""Figures: bars of music that were heard and can be heard again, as plain data.

In: phrases as they are committed. Out: pieces of them, cut at bar lines, or in free time where the
longest gap lies, and phrases again. A piece holds what begins in it: its notes with their own
lengths, wherever these end, the pedal under them, channels, tempo and programs. Thread: any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import (
    NOTE_DTYPE,
    Note,
    NoteArray,
    Phrase,
    ProgramChange,
)
from streamer.music.scales import OCTAVE

PIECE_DTYPE = np.dtype([*NOTE_DTYPE.descr, ("unpitched", np.bool_)])
"""A note, onset from the beginning of its piece, and whether its pitch names an instrument."""

FREE_BEAT_MS = 500.0
"""Music in free time counts beats of half a second."""

BAR_BEATS = 4.0
"""A bar of music that counts none: two seconds in free time."""

SLACK_SHARE = 0.25
"""In free time a figure is longer or shorter by so much of a bar, to be cut in a gap."""

EARLY_MS = 15.0
"""A note that is played so soon before a bar line belongs to the bar."""

ONSET_MS = 0.02
"""A place so near to an onset is that onset."""

LEAST_BEATS = 1e-6
"""Less than this is rounding."""

LONGEST_BEAT_MS = 60_000.0
LONGEST_PIECE_MS = 3_600_000.0
"""What a piece that was kept may say of itself at most."""

PIANO_MIDDLE = (48.0, 72.0)
"""Music whose middle lies below is not moved down, above not up; MIDI numbers."""

Sounds = tuple[tuple[int, int], ...]
"""The program, 0..127, of each channel, 0..15, that has one."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Piece:
    """A stretch of music at one tempo.

    Attributes:
        notes: Of :data:`PIECE_DTYPE`, sorted by onset; they begin within the piece.
        entropies: Those of the phrase, ``(notes, arguments)``, nats; 0 of notes that no model
            drew, as those of a second voice.
        length_ms: Until the next piece begins.
        beat_ms: Length of a quarter; None in free time.
        sounds: Programs in force as it begins.
        changes: Those that change in it: ms from its beginning, channel, program.
    """

    notes: NoteArray
    entropies: NDArray[np.float32]
    length_ms: float
    beat_ms: float | None
    sounds: Sounds = ()
    changes: tuple[tuple[float, int, int], ...] = ()

    @classmethod
    def of(cls, phrase: Phrase, beat_ms: float | None, sounds: Mapping[int, int]) -> Piece:
        """Return a whole phrase as a piece.

        Args:
            phrase: Wherever in the stream it lies.
            beat_ms: Length of a quarter in it; None in free time.
            sounds: Programs in force before it, by channel.
        """
        start_ms = phrase.start_ms
        rows = [
            (n.onset_ms - start_ms, n.duration_ms, n.pitch, n.velocity, n.pedal, n.channel,
             n.unpitched)
            for n in phrase.notes
        ]  # fmt: skip
        changes = tuple((c.onset_ms - start_ms, c.channel, c.program) for c in phrase.programs)
        return cls(
            notes=np.array(rows, dtype=PIECE_DTYPE),
            entropies=_one_each(phrase.entropies, len(rows)),
            length_ms=phrase.end_ms - start_ms,
            beat_ms=beat_ms,
            sounds=tuple(sorted(sounds.items())),
            changes=changes,
        )

    def phrase(self, told: Mapping[int, int]) -> Phrase:
        """Return the piece as a phrase that begins at 0 ms.

        Args:
            told: Programs that the synth has been told, by channel; where the piece has others they
                change with its beginning.
        """
        notes = tuple(
            Note(int(r["pitch"]), float(r["onset_ms"]), float(r["duration_ms"]),
                 int(r["velocity"]), bool(r["pedal"]), int(r["channel"]), bool(r["unpitched"]))
            for r in self.notes
        )  # fmt: skip
        at_once = {channel for at_ms, channel, _ in self.changes if at_ms <= 0.0}
        programs = [
            ProgramChange(0.0, channel, program)
            for channel, program in self.sounds
            if told.get(channel) != program and channel not in at_once
        ]
        programs += (ProgramChange(at_ms, *rest) for at_ms, *rest in self.changes)
        return Phrase(notes, self.entropies, 0.0, self.length_ms, None, tuple(programs))

    @property
    def beats(self) -> float:
        """Length in beats."""
        return self.length_ms / (FREE_BEAT_MS if self.beat_ms is None else self.beat_ms)

    def sounds_after(self, at_ms: float = math.inf) -> dict[int, int]:
        """Return the programs in force before a place in it; of the whole piece after it."""
        passed = {channel: program for ms, channel, program in self.changes if ms < at_ms}
        return {**dict(self.sounds), **passed}

    def off_onsets(self, at_ms: float) -> float:
        """Return a place, or one just behind it where a note begins there.

        On which side of a cut a note lies must not hang on how its place is rounded.
        """
        while (np.abs(self.notes["onset_ms"] - at_ms) < ONSET_MS).any():
            at_ms += 2.0 * ONSET_MS
        return at_ms

    def until(self, at_ms: float) -> Piece:
        """Return what begins before a place in it."""
        kept = self.notes["onset_ms"] < at_ms
        changes = tuple(one for one in self.changes if one[0] < at_ms)
        return replace(
            self,
            notes=self.notes[kept],
            entropies=self.entropies[kept],
            length_ms=at_ms,
            changes=changes,
        )

    def since(self, at_ms: float) -> Piece:
        """Return what begins at a place in it or later."""
        kept = self.notes["onset_ms"] >= at_ms
        notes = self.notes[kept]
        notes["onset_ms"] -= at_ms
        changes = tuple((ms - at_ms, *rest) for ms, *rest in self.changes if ms >= at_ms)
        return replace(
            self,
            notes=notes,
            entropies=self.entropies[kept],
            length_ms=self.length_ms - at_ms,
            sounds=tuple(sorted(self.sounds_after(at_ms).items())),
            changes=changes,  # type: ignore[arg-type]  # three numbers still
        )

    def split(self, at_ms: float) -> tuple[Piece, Piece]:
        """Return both sides of a line; what is played early belongs behind it, and begins on it."""
        onsets = self.notes["onset_ms"]
        early = (onsets >= at_ms - EARLY_MS) & (onsets < at_ms)
        if self.beat_ms is not None and early.any():
            notes = self.notes.copy()
            notes["onset_ms"][early] = at_ms
            lined = replace(self, notes=notes)
            return lined.until(at_ms), lined.since(at_ms)
        return self.until(at_ms), self.since(at_ms)

    def octave(self, octaves: int) -> Piece:
        """Return it so many octaves higher; what names an instrument stays, and what has no room.

        Returns:
            The piece itself where it would be moved further from the middle of a piano than it is,
            or a pitch would leave 0..127.
        """
        pitched = ~self.notes["unpitched"]
        pitches = self.notes["pitch"][pitched].astype(np.int64) + OCTAVE * octaves
        if not len(pitches) or not 0 <= pitches.min() <= pitches.max() <= 127:
            return self
        middle = float(pitches.mean()) - OCTAVE * octaves
        if middle < PIANO_MIDDLE[0] if octaves < 0 else middle > PIANO_MIDDLE[1]:
            return self
        notes = self.notes.copy()
        notes["pitch"][pitched] = pitches
        return replace(self, notes=notes)

    def check(self) -> None:
        """Refuse a piece, read from anywhere, that could not be played (ValueError)."""
        count = len(self.notes)
        whole = self.notes.dtype == PIECE_DTYPE and self.entropies.shape[:1] == (count,)
        beat_ms = FREE_BEAT_MS if self.beat_ms is None else self.beat_ms
        if not whole or not 1.0 <= beat_ms <= LONGEST_BEAT_MS:
            raise ValueError("a piece of it is none")
        onsets = self.notes["onset_ms"]
        inside = not count or 0 <= onsets[0] <= onsets[-1] <= self.length_ms + 1.0
        if not 0 <= self.length_ms <= LONGEST_PIECE_MS or not inside or (np.diff(onsets) < 0).any():
            raise ValueError("the times of a piece of it are none")
        for note in self.phrase({}).notes:
            if not math.isfinite(note.onset_ms + note.duration_ms):
                raise ValueError("a length in a piece of it is none")
        told = [*self.sounds, *(one[1:] for one in self.changes)]
        if any(not (0 <= channel <= 15 and 0 <= program <= 127) for channel, program in told):
            raise ValueError("a program in a piece of it is none")


Figure = tuple[Piece, ...]
"""A bar, in more than one piece where a phrase ends in it, or the tempo changes."""


def _one_each(entropies: NDArray[np.float32], notes: int) -> NDArray[np.float32]:
    """Return entropies for each note, ``(notes, arguments)``: 0 of those that no model drew."""
    lacking = notes - len(entropies)
    return np.pad(entropies, ((0, lacking), (0, 0))) if lacking > 0 else entropies


def beats_of(pieces: Iterable[Piece]) -> float:
    """Return how long pieces are together, in beats."""
    return sum(piece.beats for piece in pieces)


def has_notes(figures: Iterable[Figure]) -> bool:
    """Whether anything is struck in them."""
    return any(len(piece.notes) for figure in figures for piece in figure)


def line_in(piece: Piece, beats: float, bar_beats: float) -> float | None:
    """Return where a figure that has so many beats to go ends in a piece, ms from its beginning.

    Music with a beat is cut where they are over. Music in free time is cut before the note that
    comes after the longest gap within a quarter of a bar of there.

    Args:
        piece: In which the figure goes on.
        beats: Left of it, above 0.
        bar_beats: Of a whole bar.

    Returns:
        None where all of the piece belongs to it.
    """
    beat_ms = FREE_BEAT_MS if piece.beat_ms is None else piece.beat_ms
    wanted_ms, end_ms = beats * beat_ms, piece.length_ms
    if piece.beat_ms is not None:
        return wanted_ms if wanted_ms < end_ms - LEAST_BEATS * beat_ms else None
    slack_ms = SLACK_SHARE * bar_beats * beat_ms
    onsets = np.unique(piece.notes["onset_ms"])
    gaps = np.diff(onsets, prepend=0.0)
    near = (np.abs(onsets - wanted_ms) <= slack_ms) & (onsets > 0) & (onsets < end_ms)
    if near.any():
        return float(onsets[near][np.argmax(gaps[near])])
    return wanted_ms if wanted_ms < end_ms else None


def last_figures(heard: Sequence[Piece], count: int, bar_beats: float) -> list[Figure]:
    """Return the last bars of what was heard: the last one ends with it.

    Args:
        heard: Pieces in order.
        count: How many bars, 1 or more.
        bar_beats: Quarters of a bar, above 0.

    Returns:
        As many as there are whole, in order.
    """
    left, figures = list(heard), list[Figure]()
    slack = _slack(left, bar_beats)
    while len(figures) < count:
        missing, pieces = bar_beats, list[Piece]()
        while left and missing > slack:
            piece = left.pop()
            before = piece.beats - missing
            at_ms = line_in(piece, before, bar_beats) if before > slack else None
            if at_ms is not None:
                earlier, piece = piece.split(at_ms)
                left.append(earlier)
            pieces.insert(0, piece)
            missing = 0.0 if at_ms is not None else missing - piece.beats
        if missing > slack:
            break
        figures.insert(0, tuple(pieces))
    return figures


def _slack(pieces: Sequence[Piece], bar_beats: float) -> float:
    """Return by how many beats a bar may be shorter than it is to be."""
    free = bool(pieces) and pieces[-1].beat_ms is None
    return SLACK_SHARE * bar_beats if free else LEAST_BEATS
