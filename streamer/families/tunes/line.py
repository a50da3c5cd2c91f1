"""The tune that is being written: its place in the stream, its notes so far, and how it ends.

In: what was drawn for it, and phrases of :data:`streamer.families.tunes.codec.TUNE_DTYPE` as they
    are committed.
Out: places in ms, the notes that the filters look at, the line that is given to whoever plays it.

Places are counted in twelfths of the tune's unit from its first bar line; its notes are in the key
that the model writes in, and are moved by ``transpose`` to sound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, TUNE_DTYPE, TuneArray
from streamer.families.tunes.key import Key, Modulation, find_key
from streamer.families.tunes.returns import Returns
from streamer.families.tunes.style import Latent, TuneManner
from streamer.generators.base import LEAST_MS, onset_within
from streamer.generators.stats import Playing
from streamer.generators.styles import Weights
from streamer.music.notes import Note
from streamer.music.scales import fold
from streamer.system.marks import Marked

CONTEXT_NOTES = 256
"""Notes of the tune that filters may look back on."""

LEAST_CUT_SHARE = 0.5
"""A phrase is cut at a bar line only where so much of it is left."""

OPEN_BAR = "open-bar"
"""Why a candidate is dropped that ends within a bar, where others end with one."""

ON_THE_LINE = 1e-6
"""So near to a bar line a place is on it, bars."""

LONG_BEATS, GRID_BEATS = 1.5, 0.5
"""A note of at least this many quarters lasts until a place on this grid: the corpus's long notes
and rests are of any length once they are counted in units, and every one would shift the beat."""

NEAREST_SHARE = 0.25
"""Of the candidates, where the next note comes before its time."""

PLAIN_VELOCITY, PLAIN_SHARE = 72, 0.9
ACCENTS = (8, 3)
"""Of the first note of a bar, and of notes on other beats, where nothing else plays the notes."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A phrase of a tune as it is given to whoever plays it.

    Attributes:
        pitch: What sounds, ``(notes,)`` int64, 0..127.
        onset: Quarters from the tune's first bar line, ``(notes,)`` float64, ascending.
        length: Quarters to the next onset; of a closing note until it is to be released.
        bar_beats: Quarters in a bar.
        beat_ms: Length of a quarter, ms.
        start_ms: Place of the tune's first bar line in the stream, ms.
        index: Notes of the tune before this phrase.
        planned: About how many notes the tune will have.
        ends: Whether the tune ends with it.
        key: In which it sounds.
        style: Weights of the bundle's styles, ``(S,)``.
    """

    pitch: NDArray[np.int64]
    onset: NDArray[np.float64]
    length: NDArray[np.float64]
    bar_beats: float
    beat_ms: float
    start_ms: float
    index: int
    planned: int
    ends: bool
    key: Key
    style: Weights


class Voice(Protocol):
    """Plays a line: velocity, length and timing of each note."""

    def play(self, line: Line) -> tuple[Note, ...]:
        """Return the notes, sorted by onset; called once for each phrase that is committed."""


class PlainVoice(Marked):
    """Plays what is written, with an accent on the beat."""

    def play(self, line: Line) -> tuple[Note, ...]:
        """Return one note for each of the line's."""
        place = line.onset / line.bar_beats
        on_bar = np.abs(place - np.rint(place)) < ON_THE_LINE
        on_beat = np.abs(line.onset - np.rint(line.onset)) < ON_THE_LINE
        velocity = PLAIN_VELOCITY + np.where(on_bar, ACCENTS[0], np.where(on_beat, ACCENTS[1], 0))
        onset_ms = line.start_ms + line.onset * line.beat_ms
        columns = (line.pitch, onset_ms, PLAIN_SHARE * line.length * line.beat_ms, velocity)
        return tuple(
            Note(pitch, onset, duration, loud)
            for pitch, onset, duration, loud in zip(*(c.tolist() for c in columns), strict=True)
        )


@dataclass(slots=True, eq=False)
class Tune(Marked):
    """A tune from its first note to the rest after its last.

    Attributes:
        number: From 1.
        manner: Tempo, unit, bar and length.
        style: Weights without the live control.
        latent: Where it was drawn from, and has wandered to.
        modulation: Where its key is to go; None leaves it to the model.
        start_ms: Place of its first bar line in the stream, ms.
        rest_bars: Bars of rest after it.
        weights: Weights with the live control, as of the last phrase.
        key: In which it is written, once a phrase is there.
        transpose: From written to sounding pitch, without octaves, semitones.
        place: Where the next note begins.
        count: Notes so far.
        returns: Its phrases, as they may come back.
        ended: Whether its last note is written.
        early: By how much the next note comes before its time, because a control has changed.
    """

    marked: ClassVar = (
        "latent", "weights", "key", "transpose", "place", "count", "returns", "ended", "early",
        "_past",
    )  # fmt: skip

    number: int
    manner: TuneManner
    style: Weights
    latent: Latent
    modulation: Modulation | None
    start_ms: float
    rest_bars: int
    weights: Weights
    key: Key | None = None
    transpose: int = 0
    place: float = 0.0
    count: int = 0
    returns: Returns = field(default_factory=Returns)
    ended: bool = False
    early: float = 0.0
    _past: TuneArray = field(default_factory=lambda: np.zeros(0, dtype=TUNE_DTYPE))

    def past(self) -> TuneArray:
        """Return the notes so far, the last some hundreds of them."""
        return self._past

    @property
    def on_bar_line(self) -> bool:
        """Whether the next note begins a bar."""
        return bool(self.is_line(np.array([self.place]))[0])

    def is_line(self, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which places lie on bar lines."""
        bars = places / self.manner.bar
        return np.asarray(np.abs(bars - np.rint(bars)) < ON_THE_LINE)

    def ms(self, place: float) -> float:
        """Return a place as ms of the stream."""
        return self.start_ms + place / self.manner.beat * self.manner.beat_ms

    def key_with(self, notes: TuneArray) -> tuple[Key, int]:
        """Return key and transposition of the notes so far; where there are none, of ``notes``."""
        if self.key is not None:
            return self.key, self.transpose
        key = find_key(notes)
        return key, 0 if self.modulation is None else self.modulation.transposition(key)

    def ends(self, notes: TuneArray) -> NDArray[np.float64]:
        """Return where the note after each of the next notes would begin, ``(notes,)``.

        Long notes end on a half of a beat, and what follows is moved with them.
        """
        lengths = notes["length"].astype(np.float64)
        ends: NDArray[np.float64] = self.place + np.cumsum(lengths)
        grid = GRID_BEATS * self.manner.beat
        for i in np.flatnonzero(lengths >= LONG_BEATS * self.manner.beat).tolist():
            ends[i:] += np.rint(ends[i] / grid) * grid - ends[i]
        return ends

    def places(self, notes: TuneArray) -> tuple[NDArray[np.float64], float, float]:
        """Return where each of the next notes begins, how far the last is held, and what is next.

        A closing note is held to a bar line, a quarter at least; after the rest the next tune
        begins on a whole quarter, and on a bar line where bars are whole quarters.
        """
        ends = self.ends(notes)
        onsets = np.concatenate([[self.place], ends[:-1]])
        if notes["length"][-1] != END:
            return onsets, float(ends[-1]), float(ends[-1])
        bar, beat = self.manner.bar, self.manner.beat
        release = math.ceil((onsets[-1] + beat) / bar - ON_THE_LINE) * bar
        quarters = (release + self.rest_bars * bar) / beat
        return onsets, float(release), math.ceil(quarters - ON_THE_LINE) * beat

    def reach(self, notes: TuneArray) -> int:
        """Return how many of the next notes are played: up to an end, or a bar line, or all."""
        ended = np.flatnonzero(notes["length"] == END)
        if len(ended):
            return int(ended[0]) + 1
        cuts = np.flatnonzero(self.is_line(self.ends(notes))) + 1
        least = math.ceil(LEAST_CUT_SHARE * len(notes))
        return int(cuts[-1]) if len(cuts) and cuts[-1] >= least else len(notes)

    def closes_bar(self, notes: TuneArray) -> bool:
        """Whether the next notes end with a bar or the tune, or are early and need not."""
        return bool(
            self.early or notes["length"][-1] == END or self.is_line(self.ends(notes)[-1:])[0]
        )

    def line(self, notes: TuneArray, key: Key, transpose: int) -> Line:
        """Return the next notes as they are given to whoever plays them."""
        onsets, release, _ = self.places(notes)
        beat = self.manner.beat
        ends = np.append(onsets[1:], release)
        pitch = [fold(int(p) + transpose, 0, 127) for p in notes["pitch"]]
        return Line(
            pitch=np.array(pitch, dtype=np.int64),
            onset=onsets / beat,
            length=(ends - onsets) / beat,
            bar_beats=self.manner.bar_beats,
            beat_ms=self.manner.beat_ms,
            start_ms=self.start_ms,
            index=self.count,
            planned=self.manner.notes,
            ends=bool(notes["length"][-1] == END),
            key=key.moved(transpose),
            style=self.weights,
        )

    def add(self, notes: TuneArray, classes: NDArray[np.int64]) -> None:
        """Go on behind the next notes, which are committed."""
        on_bar_line = self.on_bar_line
        _, self.transpose = self.key_with(notes)
        _, _, self.place = self.places(notes)
        self._past = np.concatenate([self._past, notes])[-CONTEXT_NOTES:]
        self.key = find_key(self._past)
        self.returns.add(classes, notes, on_bar_line)
        self.count += len(notes)
        self.ended, self.early = bool(notes["length"][-1] == END), 0.0

    def keeps_time(self, candidates: Sequence[TuneArray], kept: Sequence[int]) -> list[int]:
        """Return which candidates are preferred where the next note comes before its time.

        Those whose first note lasts for about as much longer: the one after it comes when it would
        have come, and music whose controls are moved all the time is no denser.

        Args:
            candidates: All of them.
            kept: Indices of those that may be chosen, 1 or more.
        """
        if not self.early:
            return list(kept)
        lasts = {k: float(self.ends(each[:1])[0]) - self.place for k, each in enumerate(candidates)}
        usual = fmean(lasts.values()) + self.early
        nearest = sorted(kept, key=lambda k: abs(lasts[k] - usual))
        return nearest[: max(round(NEAREST_SHARE * len(kept)), 1)]


def told_of(tune: Tune, style: str, key: Key) -> Playing:
    """Return what a person may know of a tune.

    Args:
        tune: That is being written.
        style: As it is shown.
        key: In which it sounds.
    """
    bpm = round(tune.manner.tempo_bpm, 1)
    data = {
        "number": tune.number,
        "style": style,
        "key": str(key),
        "tempo_bpm": bpm,
        "bar_beats": tune.manner.bar_beats,
        "notes": tune.count,
    }
    return Playing(
        kind="tune",
        line=f"tune {tune.number} ({style})",
        text=f"{tune.number}, {style}, {key}, {bpm:.0f} bpm, {tune.count} notes",
        data=data,
        totals={"tunes": tune.number},
    )


def drop_open_bars(closes: list[bool], reasons: list[str | None]) -> None:
    """Of what the filters kept, drop what ends within a bar where something ends with one."""
    kept = [k for k, reason in enumerate(reasons) if reason is None]
    if any(closes[k] for k in kept):
        for k in kept:
            if not closes[k]:
                reasons[k] = OPEN_BAR


def inside(notes: tuple[Note, ...], start_ms: float, end_ms: float) -> tuple[Note, ...]:
    """Return notes that begin within start_ms..end_ms, ascending, none sounding past it.

    Whoever plays a line may be early or late; the stream's order stands above it. Other than in a
    section (:func:`streamer.generators.sections.in_order`) nothing goes on into the next phrase.
    """
    kept = []
    for note in sorted(notes, key=lambda note: note.onset_ms):
        onset_ms = onset_within(note.onset_ms, start_ms, end_ms)
        long_ms = max(min(note.duration_ms, end_ms - onset_ms), LEAST_MS)
        kept.append(replace(note, onset_ms=onset_ms, duration_ms=long_ms))
    return tuple(kept)
