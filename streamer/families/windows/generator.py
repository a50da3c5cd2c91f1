"""The generator of ``window`` families: sections from a path through a latent space, joined.

In: a path, live controls, one random generator. Out: phrases, each a section of bars. The next K
places of the path are decoded in one batch; the selection that all families share picks one; what
is held across the line between two sections is one note. That is why a section is written when its
successor is known: the generator is one section ahead of what it gives.

Thread: the generator's. The same bundle, settings, controls and random state give the same phrases.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.barquery import bars_of
from streamer.families.windows.chords import SectionHarmony, moved_to
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.home import HomeKey
from streamer.families.windows.path import AnswerPath, Path, Places
from streamer.families.windows.player import PlainPlayer, SectionPlayer, WrittenBars
from streamer.families.windows.section import (
    Section,
    draw_turns,
    empty_section,
    even_cells,
    hand_over,
    join_sections,
    read_section,
    sounding_after,
    without,
)
from streamer.families.windows.ties import Sounding
from streamer.generators.base import Ahead
from streamer.generators.choosing import Candidates, Chooser, Reasons
from streamer.generators.cutting import Rest, SectionTrail, rest_after, rest_of
from streamer.generators.sections import WindowSettings, in_order
from streamer.generators.sectionspec import WindowSpec
from streamer.generators.stats import SET_ASIDE, GenerationStats
from streamer.measures.entropy import CorpusEntropy
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import FILTERS, LOOP_TAIL_NOTES, Context, Filter
from streamer.settings.controls import Controls, LiveControls


@dataclass(frozen=True, slots=True)
class _Drawn(Candidates):
    """Candidates with the places and sections they are made of."""

    places: Places = field(kw_only=True)
    sections: list[Section] = field(kw_only=True)
    tails: list[NDArray[np.float64]] = field(kw_only=True)


class WindowGenerator(Ahead):
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
        key_sections: Sections that a walk stays in a key of its own; with 0 it is in none.
        timer: Seconds that only grow, for the figures on inference alone.
    """

    marked = (
        *Ahead.marked, "_rng", "path", "_recent", "_tail", "_next", "_told", "_beat", "_player",
        "_rest", "_home",
    )  # fmt: skip
    told = ("_told", "_beat", "_player", "_rest")

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
        player: SectionPlayer | None = None,
        *,
        ahead: bool = True,
        key_sections: int = 0,
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
        self._home = HomeKey(key_sections)
        self._rest: Rest | None = None
        self._present = controls.snapshot()
        self.beat_ms = 60_000.0 / spec.bpm
        """Length of a quarter, ms; beats are counted from 0."""
        self.bar_beats = spec.metre

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next section; ``notes`` is not looked at, a section is a section."""
        del notes
        mark = self.mark() if self._ahead else None
        if self._next is None:
            self._next = self._choose()
        section, told = self._next, self._told
        if self._ahead:
            self._note_ahead()
            self._choose_ahead()
            rows, self._told = join_sections(section, self._next, self._spec.longest_steps, told)
        else:
            self._next = None
            silence = empty_section(self.codec)
            rows, self._told = join_sections(section, silence, self._spec.longest_steps, told)
        phrase = self._phrase(section, rows, without(rows, told), self._beat)
        whole_ms, rest, self._rest = phrase.start_ms, self._rest, None
        if rest is not None:
            phrase = rest_of(phrase, rest)
        self._beat += self.codec.beats
        if mark is not None:
            self.trail = SectionTrail(
                mark=mark, start_ms=whole_ms, from_ms=phrase.start_ms, beat_ms=self.beat_ms,
                beats=self.codec.beats, step_beats=1.0 / self.codec.steps_per_beat,
            )  # fmt: skip
        return phrase

    def anew(self, heard: Sequence[Note]) -> None:
        """Let the next section be drawn anew: it follows on a silence.

        Args:
            heard: What a bundle that answers answers first, bar by bar, sorted by onset.
        """
        self._told, self._tail, self._rest = frozenset(), None, None
        self._next = self._before_next = None
        if isinstance(self.path, AnswerPath):
            self.path.ask_only(bars_of(heard, self.codec, self.beat_ms))

    def cut(self, trail: SectionTrail, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a section at one of its beats (:meth:`streamer.generators.base.Generator.cut`)."""
        rest = rest_after(trail, phrase, least_ms)
        if rest is None:
            return None
        self.go_back(trail.mark)
        self._rest = rest
        return rest.from_ms - trail.from_ms

    def _choose_ahead(self) -> None:
        self._next = self._choose()

    def _choose(self) -> Section:
        """Return the section that comes after the last one that was chosen."""
        beat = self._beat + (self.codec.beats if self._next is not None else 0.0)
        self._keys_walked.go_on(self._controls.snapshot(), beat * self.beat_ms, self._rng)
        choice = self._chooser.choose(lambda _: self._draw(beat))
        drawn = choice.candidates
        self.path.take(drawn.places, choice.best)
        self._tail = drawn.tails[choice.best] if self._spec.overlap else None
        self._recent.extend(choice.phrase.notes)
        self._home.hear(choice.phrase.notes, self._rng, walks=not drawn.places.answers)
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
        harmony = self._harmony(controls)
        if harmony is None and not places.answers and controls.scale == "off":
            harmony = self._home.harmony()
        chords = SectionHarmony.of(harmony, self.codec, beat, self._spec.metre)
        for cells in places.probabilities:
            if chords is not None:
                cells = moved_to(cells, self.codec, chords)
            evened = even_cells(cells, self._spec)
            values = evened.values
            tails.append(values[self.codec.steps :])
            if self._tail is not None and turns is not None:
                values = hand_over(values, self._tail, turns)
            played = values[: self.codec.steps]
            sections.append(
                read_section(played, evened, self.codec, self._spec, controls, sounding, chords)
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
            set_aside=None if chords is None else partial(_set_moved_aside, sections),
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
        return in_order(phrase)

    def _written(
        self,
        player: SectionPlayer,
        section: Section,
        rows: NDArray[Any],
        struck: NDArray[np.bool_],
        beat: float,
    ) -> Phrase:
        chosen, unsure = rows[struck], section.unsure[struck]
        per_beat = self.codec.steps_per_beat
        bars = WrittenBars(
            pitch=chosen["pitch"].astype(np.int64),
            onset=chosen["onset"] / per_beat,
            length=chosen["length"] / per_beat,
            start_beat=beat,
            bar_beats=self._spec.metre,
            beat_ms=self.beat_ms,
        )
        notes = player.play_bars(bars) if len(chosen) else ()
        start_ms = beat * self.beat_ms
        end_ms = (beat + self.codec.beats) * self.beat_ms
        return Phrase(notes, unsure[:, None], start_ms, end_ms)


def _set_moved_aside(sections: Sequence[Section], reasons: Reasons) -> None:
    """Of what is kept, set the half aside of which chords have moved more notes."""
    kept = [k for k, reason in enumerate(reasons) if reason is None]
    order = sorted(kept, key=lambda k: sections[k].moved)
    for k in order[max(len(order) // 2, 1) :]:
        reasons[k] = SET_ASIDE
