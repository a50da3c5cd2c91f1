"""The generator of bands: sections of four tracks from a walk among genres, joined ([Valenti2020]).

In: a path among the petals, live controls, one random generator. Out: phrases, each a section of
bars on four channels. For each section its genres are known first; K latents a step away are played
in one batch; the selection that all families share picks one; what sounds over the line between two
sections is one note. That is why a section is given when its successor is known: the generator is
one section ahead.

Thread: the generator's. The same bundle, settings, controls and random state give the same phrases.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamer.families.bands.chords import BandHarmony
from streamer.families.bands.codec import BandCodec
from streamer.families.bands.genres import Genres, PetalPath, SectionManner
from streamer.families.bands.key import Keys, in_key
from streamer.families.bands.player import BandBars, BandPlayer, PlainBand
from streamer.families.bands.section import (
    BandSection,
    Floats,
    Joined,
    StateNoise,
    draw_states,
    entropies_of,
    nothing,
    section_after,
    strikes_of,
)
from streamer.families.bands.tracks import TRACKS
from streamer.generators.base import Ahead
from streamer.generators.choosing import Candidates, Chooser
from streamer.generators.cutting import Rest, SectionTrail, rest_after, rest_of
from streamer.generators.sections import WindowSettings, in_order
from streamer.generators.sectionspec import WindowSpec
from streamer.generators.stats import GenerationStats, Playing
from streamer.measures.entropy import CorpusEntropy
from streamer.music.notes import Note, Phrase, ProgramChange
from streamer.selection.filters import FILTERS, LOOP_TAIL_NOTES, Context, Filter
from streamer.settings.controls import Controls, LiveControls


@dataclass(frozen=True, slots=True)
class BandDrawing:
    """How sections of a band are drawn.

    Attributes:
        window: How many, and how they are chosen.
        temperature: Of the states, above 0.
        channels: Of each track, 0..15.
        programs: Of each track, 0..127; None takes the genre's.
        related_keys: Whether sections are moved to the key of what was heard.
    """

    window: WindowSettings
    temperature: float = 1.0
    channels: tuple[int, ...] = (9, 0, 1, 2)
    programs: tuple[int | None, ...] = (None,) * len(TRACKS)
    related_keys: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """A section that was chosen, and how it is played."""

    section: BandSection
    manner: SectionManner
    programs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Drawn(Candidates):
    """Candidates with the places and sections they are made of."""

    places: Floats = field(kw_only=True)
    sections: list[BandSection] = field(kw_only=True)


class BandGenerator(Ahead):
    """Implements :class:`streamer.generators.base.Generator` for bands.

    Args:
        path: Where sections come from.
        genres: How each is played.
        codec: What states mean.
        spec: Tempo and limits of the bundle.
        drawing: How sections are drawn and chosen.
        rng: All randomness.
        controls: Read once a section.
        filters: What drops candidates.
        corpus: Entropy statistics for the ranking, where the bundle has any.
        player: Gives velocity and timing.
        timer: Seconds that only grow, for the figures on inference alone.
    """

    marked = (
        *Ahead.marked, "_rng", "_path", "_genres", "_recent", "_before", "_keys", "_first", "_next",
        "_beat", "_start_ms", "programs", "beat_ms", "_player", "_rest",
    )  # fmt: skip
    told = ("_beat", "_start_ms", "programs", "beat_ms", "_player", "_rest")

    def __init__(
        self,
        path: PetalPath,
        genres: Genres,
        codec: BandCodec,
        spec: WindowSpec,
        drawing: BandDrawing,
        rng: np.random.Generator,
        controls: LiveControls,
        filters: tuple[Filter, ...] = FILTERS,
        corpus: CorpusEntropy | None = None,
        player: BandPlayer | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(drawing.window.candidates, GenerationStats(arguments=TRACKS))
        self._path, self._genres, self.codec, self._spec = path, genres, codec, spec
        self.longest_steps = spec.longest_steps
        self._drawing, self._rng, self._controls = drawing, rng, controls
        self._plain = PlainBand(drawing.channels)
        self._player = player or self._plain
        self._timer = timer
        self._chooser = Chooser(
            self._stats,
            filters,
            redraws=drawing.window.redraws,
            ranking=drawing.window.ranking,
            corpus=corpus,
        )
        self._keys = Keys(related=drawing.related_keys)
        self._recent: deque[Note] = deque(maxlen=LOOP_TAIL_NOTES)
        self.bar_beats = spec.metre
        self._bar_steps = round(spec.metre * codec.steps_per_beat)
        self._beat, self._start_ms = 0.0, 0.0
        self._rest: Rest | None = None
        self._before = nothing(codec.steps)
        self._next: _Written | None = None
        self._first: SectionManner | None = self._genres.next(controls.snapshot(), codec.beats)
        self.programs = self._programs(self._first)
        """Of each track, 0..127, in the phrase that was returned last, or in the first."""
        self.beat_ms = self._first.beat_ms
        """Length of a quarter in the phrase that was returned last, ms."""

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next section; ``notes`` is not looked at, a section is a section."""
        del notes
        mark = self.mark()
        written = self._next = self._next or self._choose()
        manner, rest = written.manner, self._rest
        self._note_ahead()
        self._next = self._choose()
        if rest is not None:  # in the tempo of now, from the beat on
            self._start_ms = rest.beat_at_ms - rest.beat * manner.beat_ms
        phrase, whole_ms = self._phrase(written, self._next), self._start_ms
        if rest is not None:
            phrase, self._rest = rest_of(phrase, rest), None
        tempo_bpm = round(60_000.0 / manner.beat_ms, 1)
        self._stats.playing = Playing(
            kind="band",
            line=manner.genre,
            text=f"{manner.genre}, {tempo_bpm:.0f} bpm",
            data={"genre": manner.genre, "tempo_bpm": tempo_bpm},
        )
        self._start_ms, self._beat = phrase.end_ms, self._beat + self.codec.beats
        self.programs, self.beat_ms = written.programs, manner.beat_ms
        self.trail = SectionTrail(
            mark=mark, start_ms=whole_ms, from_ms=phrase.start_ms, beat_ms=manner.beat_ms,
            beats=self.codec.beats, step_beats=1.0 / self.codec.steps_per_beat,
        )  # fmt: skip
        return phrase

    def anew(self, heard: Sequence[Note]) -> None:
        """Let the next section be drawn anew, whatever was ``heard``: it follows on a silence."""
        del heard
        self._before, self._next, self._rest = nothing(self.codec.steps), None, None
        self._before_next = None

    def cut(self, trail: SectionTrail, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a section at one of its beats (:meth:`streamer.generators.base.Generator.cut`)."""
        rest = rest_after(trail, phrase, least_ms)
        if rest is None:
            return None
        self.go_back(trail.mark)
        self._rest = rest
        changed = {one.channel: one.program for one in phrase.programs}
        told = zip(self._drawing.channels, self.programs, strict=True)
        self.programs = tuple(changed.get(channel, program) for channel, program in told)
        return rest.from_ms - trail.from_ms

    def _programs(self, manner: SectionManner) -> tuple[int, ...]:
        chosen = zip(self._drawing.programs, manner.programs, strict=True)
        return tuple(own if said is None else said for said, own in chosen)

    def _choose_ahead(self) -> None:
        self._next = self._choose()

    def _choose(self) -> _Written:
        """Return the section that comes after the last one that was chosen."""
        manner, self._first = self._first, None
        if manner is None:
            manner = self._genres.next(self._controls.snapshot(), self.codec.beats)
        ahead = self.codec.beats if self._next is not None else 0.0
        beat, now_ms = self._beat + ahead, self._start_ms + ahead * self.beat_ms
        self._keys_walked.go_on(self._controls.snapshot(), now_ms, self._rng)
        choice = self._chooser.choose(lambda _: self._draw(manner, beat))
        drawn = choice.candidates
        self._path.take(drawn.places[choice.best])
        self._recent.extend(note for note in choice.phrase.notes if not note.unpitched)
        self._before = drawn.sections[choice.best]
        self._keys.hear(self._before.states, self.codec.beats, self._rng)
        return _Written(self._before, manner, self._programs(manner))

    def _draw(self, manner: SectionManner, beat: float) -> _Drawn:
        controls, codec = self._controls.snapshot(), self.codec
        count = self._count(controls)
        began = self._timer()
        places, shown = self._path.propose(manner, count, controls, self._rng)
        self._stats.inference_s += self._timer() - began
        temperature = self._drawing.temperature * controls.temperature
        bars = math.ceil(codec.steps / self._bar_steps)
        entropies = entropies_of(shown)
        sections = []
        chords = BandHarmony.of(self._harmony(controls), codec, beat, self._spec.metre)
        for k in range(count):
            noise = StateNoise.draw(self._rng, self._bar_steps, bars)
            heard = in_key(shown[k]) if self._drawing.related_keys else shown[k]
            if chords is None:
                states = draw_states(heard, noise, temperature, controls.density)
            else:
                heard = chords.moved(heard)
                states = draw_states(heard, noise, temperature, controls.density, chords.nats)
            states = self._keys.move(states, controls, settled=chords is not None)
            sections.append(
                section_after(states, entropies[k], codec, self._before, self.longest_steps)
            )
        context = self._context(controls)
        return _Drawn(
            [self._candidate(section) for section in sections],
            [context] * count,
            [None] * count,
            np.stack([section.entropies for section in sections], axis=1),
            places=places,
            sections=sections,
        )

    def _context(self, controls: Controls) -> Context:
        return Context(self._drawing.window.limits, tuple(self._recent), controls.density)

    def _candidate(self, section: BandSection) -> Phrase:
        """Return a candidate as the filters hear it: on the grid, at the bundle's own tempo."""
        beat_ms = 60_000.0 / self._spec.bpm
        joined = strikes_of(section, nothing(self.codec.steps), self.longest_steps)
        bars = self._bars(joined, 0.0, 0.0, (beat_ms, beat_ms), {})
        return self._played(self._plain, section, joined, bars)

    def _phrase(self, written: _Written, after: _Written) -> Phrase:
        """Return a section as it is given to the stream."""
        joined = strikes_of(written.section, after.section, self.longest_steps)
        manner = written.manner
        weights = dict(zip(self._genres.names, manner.weights.tolist(), strict=True))
        tempos = (manner.beat_ms, after.manner.beat_ms)
        bars = self._bars(joined, self._beat, self._start_ms, tempos, weights)
        phrase = self._played(self._player, written.section, joined, bars)
        changed = tuple(
            ProgramChange(phrase.start_ms, channel, program)
            for channel, program, past in zip(
                self._drawing.channels, written.programs, self.programs, strict=True
            )
            if program != past
        )
        return replace(in_order(phrase), programs=changed)

    def _bars(
        self,
        joined: Joined,
        beat: float,
        start_ms: float,
        tempos: tuple[float, float],
        weights: dict[str, float],
    ) -> BandBars:
        notes, per_beat = joined.notes, self.codec.steps_per_beat
        beat_ms, next_beat_ms = tempos
        return BandBars(
            track=notes["track"].astype(np.int64),
            pitch=notes["pitch"].astype(np.int64),
            onset=notes["onset"] / per_beat,
            length=notes["length"] / per_beat,
            more=joined.more / per_beat,
            start_beat=beat,
            start_ms=start_ms,
            bar_beats=self._spec.metre,
            beat_ms=beat_ms,
            next_beat_ms=next_beat_ms,
            weights=weights,
        )

    def _played(
        self, player: BandPlayer, section: BandSection, joined: Joined, bars: BandBars
    ) -> Phrase:
        notes = player.play_band(bars) if len(bars.pitch) else ()
        end_ms = bars.start_ms + self.codec.beats * bars.beat_ms
        return Phrase(notes, section.entropies[joined.notes["onset"]], bars.start_ms, end_ms)
