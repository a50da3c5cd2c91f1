"""The generator of ``window`` families: sections from a path through a latent space, joined.

In: a path, live controls, one random generator. Out: phrases, each a section of bars. The next K
places of the path are decoded in one batch; the selection that all families share picks one; what
is held across the line between two sections is one note. That is why a section is written when its
successor is known: the generator is one section ahead of what it gives.

Called in the generator thread of the daemon, and by render. The same bundle, settings, controls and
random state give the same phrases.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.controls import Controls, LiveControls
from streamer.generators.base import Choosing
from streamer.generators.choosing import Candidates, Chooser
from streamer.generators.latentpath import Path, Places
from streamer.generators.section import (
    Section,
    draw_turns,
    empty_section,
    even_cells,
    hand_over,
    join,
    read_section,
    sounding_after,
    without,
)
from streamer.generators.ties import Sounding
from streamer.notes import Note, NoteArray, Phrase
from streamer.selection.entropy import CorpusEntropy
from streamer.selection.filters import FILTERS, LOOP_TAIL_NOTES, Context, Filter, Limits
from streamer.selection.ranking import RANKINGS
from streamer.stats import GenerationStats
from streamer.windows import RollCodec
from streamer.windowspec import WindowSpec

PLAIN_VELOCITY, ACCENT, TOP_ACCENT = 66, 8, 6
"""Where nothing else gives dynamics: velocity, more on a bar line, more for the highest note."""

LEAST_MS = 1.0
"""So long before the end of its section a note begins at the latest, and so long it is at least."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How sections are drawn and chosen.

    Attributes:
        candidates: Sections drawn for each one played, 1 or more.
        redraws: How often all candidates may be dropped before the filters relax.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        limits: Bounds of the filters.
    """

    candidates: int = 8
    redraws: int = 3
    ranking: str = "mean"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.redraws < 0:
            raise ValueError("candidates must be 1 or more, redraws 0 or more")
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking}")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Notes of a section as they are given to whoever plays them.

    Attributes:
        pitch: ``(notes,)`` int64.
        onset: Quarters from the section's start, ``(notes,)``, ascending.
        length: Quarters.
        start_beat: Place of the section in the stream, quarters.
        bar_beats: Quarters of a bar.
        beat_ms: Length of a quarter.
    """

    pitch: NDArray[np.int64]
    onset: NDArray[np.float64]
    length: NDArray[np.float64]
    start_beat: float
    bar_beats: float
    beat_ms: float


class Player(Protocol):
    """Gives the notes of a section velocity and timing."""

    def play_bars(self, bars: Bars) -> tuple[Note, ...]:
        """Return one note for each, in their order but for onsets that it moves."""


class PlainPlayer:
    """Plays what is written, with an accent on the bar and on the highest note."""

    def play_bars(self, bars: Bars) -> tuple[Note, ...]:
        """Return one note for each."""
        place = (bars.start_beat + bars.onset) / bars.bar_beats
        accent = np.where(np.abs(place - np.rint(place)) < 1e-6, ACCENT, 0)
        top = np.array([bars.pitch[bars.onset == t].max() for t in bars.onset.tolist()])
        velocity = PLAIN_VELOCITY + accent + np.where(bars.pitch == top, TOP_ACCENT, 0)
        onset_ms = (bars.start_beat + bars.onset) * bars.beat_ms
        columns = (bars.pitch, onset_ms, bars.length * bars.beat_ms, velocity)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(Note(pitch, at, long, loud) for pitch, at, long, loud in rows)


@dataclass(frozen=True, slots=True)
class _Drawn(Candidates):
    """Candidates with the places and sections they are made of."""

    places: Places = field(kw_only=True)
    sections: list[Section] = field(kw_only=True)
    tails: list[NDArray[np.float64]] = field(kw_only=True)


class WindowGenerator(Choosing):
    """Implements :class:`streamer.generators.base.Generator` over a :class:`Path`.

    Args:
        path: Where sections come from.
        codec: What their cells mean.
        spec: Thresholds, tempo and limits of the bundle.
        settings: How sections are drawn and chosen.
        rng: All randomness.
        controls: Read once a section.
        filters: What drops candidates.
        corpus: Entropy statistics for the ranking, where the bundle has any.
        player: Gives velocity and timing.
        ahead: Whether to know the next section before one is given; without it what is held across
            a line is struck again, and nothing waits.
        timer: Seconds that only grow, for the figures on inference alone.
    """

    def __init__(
        self,
        path: Path,
        codec: RollCodec,
        spec: WindowSpec,
        settings: WindowSettings,
        rng: np.random.Generator,
        controls: LiveControls,
        filters: tuple[Filter, ...] = FILTERS,
        corpus: CorpusEntropy | None = None,
        player: Player | None = None,
        *,
        ahead: bool = True,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(settings.candidates, GenerationStats())
        self.path, self._spec = path, spec
        self.codec = replace(codec, steps=codec.steps - spec.overlap) if spec.overlap else codec
        """The grid of what is given: a section without its overlap."""
        self.longest_steps = spec.longest_steps
        self._settings, self._rng, self._controls = settings, rng, controls
        self._player = player or PlainPlayer()
        self._ahead, self._timer = ahead, timer
        self._chooser = Chooser(
            self._stats,
            filters,
            redraws=settings.redraws,
            ranking=settings.ranking,
            corpus=corpus,
        )
        self._recent: deque[Note] = deque(maxlen=LOOP_TAIL_NOTES)
        self._next: Section | None = None
        self._told: frozenset[int] = frozenset()
        self._tail: NDArray[np.float64] | None = None
        self._beat = 0.0
        self._present = controls.snapshot()
        self.beat_ms = 60_000.0 / spec.bpm
        """Length of a quarter, ms; beats are counted from 0."""

    def prime(self, notes: NoteArray) -> None:
        """Refuse: what a section is asked to be like is a query (ValueError)."""
        del notes
        raise ValueError("a model that composes bars takes no notes to go on from; use --query")

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next section; ``notes`` is not looked at, a section is a section."""
        del notes
        if self._next is None:
            self._next = self._choose()
        section, told = self._next, self._told
        if self._ahead:
            self._next = self._choose()
            rows, self._told = join(section, self._next, self._spec.longest_steps, told)
        else:
            self._next = None
            silence = empty_section(self.codec)
            rows, self._told = join(section, silence, self._spec.longest_steps, told)
        phrase = self._phrase(section, rows, without(rows, told), self._beat)
        self._beat += self.codec.beats
        return phrase

    def _choose(self) -> Section:
        """Return the section that comes after the last one that was chosen."""
        beat = self._beat + (self.codec.beats if self._next is not None else 0.0)
        choice = self._chooser.choose(lambda _: self._draw(beat))
        drawn = choice.candidates
        self.path.take(drawn.places, choice.best)
        self._tail = drawn.tails[choice.best] if self._spec.overlap else None
        self._recent.extend(choice.phrase.notes)
        return drawn.sections[choice.best]

    def _draw(self, beat: float) -> _Drawn:
        controls = self._present = self._controls.snapshot()
        count = self._count(controls)
        began = self._timer()
        places = self.path.propose(count, controls, self._rng)
        self._stats.inference_s += self._timer() - began
        turns = (
            draw_turns(self.codec, self._spec.overlap, self._rng) if self._spec.overlap else None
        )
        sounding = self._sounding()
        sections, tails = [], []
        for cells in places.probabilities:
            evened = even_cells(cells, self._spec)
            values = evened.values
            tails.append(values[self.codec.steps :])
            if self._tail is not None and turns is not None:
                values = hand_over(values, self._tail, turns)
            played = values[: self.codec.steps]
            sections.append(
                read_section(played, evened, self.codec, self._spec, controls, sounding)
            )
        everything = [np.ones(len(section.notes), dtype=np.bool_) for section in sections]
        phrases = [
            self._plain(section, section.notes, struck, beat)
            for section, struck in zip(sections, everything, strict=True)
        ]
        context = self._context(controls)
        return _Drawn(
            phrases,
            [context] * count,
            [None] * count,
            np.stack([section.entropies for section in sections], axis=1),
            places=places,
            sections=sections,
            tails=tails,
        )

    def _sounding(self) -> Sounding | None:
        """Return what sounds until the section to be drawn; None where no note can go on."""
        if not self._ahead:
            return None
        return Sounding() if self._next is None else sounding_after(self._next, self._told)

    def _context(self, controls: Controls) -> Context:
        return Context(self._settings.limits, tuple(self._recent), controls.density)

    def _plain(
        self, section: Section, rows: NDArray[Any], struck: NDArray[np.bool_], beat: float
    ) -> Phrase:
        """Return a candidate as the filters see it: on the grid, in plain dynamics."""
        return self._written(PlainPlayer(), section, rows, struck, beat)

    def _phrase(
        self, section: Section, rows: NDArray[Any], struck: NDArray[np.bool_], beat: float
    ) -> Phrase:
        """Return a section as it is given to the stream."""
        phrase = self._written(self._player, section, rows, struck, beat)
        phrase = replace(phrase, notes=tuple(_inside(note, phrase) for note in phrase.notes))
        # A player may be early, but not before the line that the section begins with.
        notes = [
            note if note.onset_ms >= phrase.start_ms else replace(note, onset_ms=phrase.start_ms)
            for note in phrase.notes
        ]
        order = np.argsort([note.onset_ms for note in notes], kind="stable").tolist()
        return replace(
            phrase,
            notes=tuple(notes[i] for i in order),
            entropies=phrase.entropies[order],
        )

    def _written(
        self,
        player: Player,
        section: Section,
        rows: NDArray[Any],
        struck: NDArray[np.bool_],
        beat: float,
    ) -> Phrase:
        chosen, unsure = rows[struck], section.unsure[struck]
        per_beat = self.codec.steps_per_beat
        bars = Bars(
            chosen["pitch"].astype(np.int64),
            chosen["onset"] / per_beat,
            chosen["length"] / per_beat,
            beat,
            self._spec.metre,
            self.beat_ms,
        )
        notes = player.play_bars(bars) if len(chosen) else ()
        start_ms = beat * self.beat_ms
        end_ms = (beat + self.codec.beats) * self.beat_ms
        return Phrase(notes, unsure[:, None], start_ms, end_ms)


def _inside(note: Note, phrase: Phrase) -> Note:
    """Return a note that begins within its section, wherever a player has moved it to."""
    last_ms = max(phrase.start_ms, phrase.end_ms - LEAST_MS)
    onset_ms = min(max(note.onset_ms, phrase.start_ms), last_ms)
    if onset_ms == note.onset_ms:
        return note
    return replace(note, onset_ms=onset_ms, duration_ms=max(note.end_ms - onset_ms, LEAST_MS))
