"""The generator of ``step`` families: blocks of an engine -> candidate phrases -> the next phrase.

In: an engine, live controls, and one random generator from which everything is drawn. Out: phrases,
committed one by one. A phrase is drawn K times from the state after the last one; hard filters drop
what is broken, a ranking by entropy orders the rest, and the first is committed: generation goes on
from its state ([Liu2025], section 4; docs/design/selection.md).

Thread: the generator's. The same engine, settings, controls and random state give the same phrases.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import Engine, State, StepBlock
from streamer.engine.noise import gumbel_noise
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.chords import ROUNDS, ChordBeat, biased, guessed_onsets, in_rhythm
from streamer.families.chain.continuity import again, with_velocity
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.ear import CHAIN_RELAX_ORDER, Ear, Heard, HeardContext
from streamer.families.chain.echo import offer_echoes
from streamer.families.chain.hands import (
    AGAIN_INPUT,
    release_in_time,
    second_noise,
    withhold_past,
)
from streamer.families.chain.past import Past
from streamer.families.chain.recall import LEAST_LOG_PROBABILITY, Figure
from streamer.families.chain.soon import LEAST_DENSITY, freely_drawn, hasten, soonest
from streamer.families.chain.steady import as_asked, forbid_rests, steadied
from streamer.families.chain.steering import allowed_pitches, noise_bias
from streamer.families.chain.trail import Trail
from streamer.generators.choosing import Candidates, Choice, Chooser, Reasons
from streamer.generators.stats import SET_ASIDE
from streamer.music.harmony import Harmony
from streamer.music.notes import (
    PIANO_HIGH,
    PIANO_LOW,
    NoteArray,
    Phrase,
    from_array,
)
from streamer.selection.filters import FILTERS, LOOP_TAIL_NOTES, Context, Filter
from streamer.settings.controls import Controls, LiveControls

ASTRAY_SHARE = 0.5
"""Share of the candidates that may be dropped as such."""

UNFIT_FIGURE = "figure"
"""Why a candidate is dropped whose recalled figure the model finds less likely than chance."""


@dataclass(frozen=True, slots=True)
class _Draw(Candidates):
    """Candidates of one block, the figure that each was offered, and what the ear heard."""

    block: StepBlock = field(kw_only=True)
    figures: list[Figure | None] = field(kw_only=True)
    notes: list[NoteArray] = field(kw_only=True)
    heard: Heard | None = field(kw_only=True)


class StepGenerator(Past):
    """Implements :class:`streamer.generators.base.Generator` over an :class:`Engine`.

    Args:
        engine: Plays a ``step`` bundle.
        settings: How phrases are drawn and chosen.
        rng: All randomness; SFC64 for speed.
        controls: Read once a phrase.
        filters: What drops candidates.
        timer: Seconds that only grow, for the figures on inference alone.
        ear: Picks among the candidates, in the place of the ranking.
    """

    def __init__(
        self,
        engine: Engine,
        settings: StepSettings,
        rng: np.random.Generator,
        controls: LiveControls | None = None,
        filters: tuple[Filter, ...] = FILTERS,
        timer: Callable[[], float] = time.perf_counter,
        ear: Ear | None = None,
    ) -> None:
        super().__init__(engine, settings, rng, ear)
        self._controls = controls or LiveControls()
        self._timer = timer
        statistics = engine.bundle.manifest.statistics
        self._chooser = Chooser(
            self._stats,
            filters,
            redraws=settings.redraws,
            ranking=settings.ranking,
            corpus=statistics.corpus_entropy(),
            relax_order=CHAIN_RELAX_ORDER,
        )

    @property
    def beat_ms(self) -> None:
        """None: its music is in free time."""

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream; see :class:`streamer.generators.base.Generator`."""
        controls = self._controls.snapshot()
        length = notes or self._settings.phrase_notes
        self._keys_walked.go_on(controls, max(self._end_ms, self._cut_ms), self._rng)
        self._take_mood(length)
        self._homing.wish(controls)
        self._wishes.tell(controls)
        self._wishes.wander()
        if self._settings.anew_notes and self._since_anew >= self._settings.anew_notes:
            self._build_anew()
        before = self.mark()
        recall = self._rng.random() < controls.recall

        def draw(before: int) -> _Draw:
            if before and before == self._settings.redraws:
                if self._lost:  # its past leads there again: it begins as a piece begins
                    self._past.clear()
                self._build_anew()  # perhaps it is the state itself that has gone astray
            return self._draw(controls, length, recall and not before)

        choice = self._chooser.choose(draw)
        drawn, best = choice.candidates, choice.best
        features = None if drawn.heard is None else drawn.heard.features[best]
        classes, notes_in = drawn.block.classes[:, best], drawn.notes[best]
        self.trail = Trail(before, classes, notes_in, features, not choice.given_up)
        self._lost = bool(choice.given_up)
        return self._commit(choice, controls)

    def cut(self, trail: Trail, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a phrase at any time (:meth:`streamer.generators.base.Generator.cut`).

        The model hears the notes that stay once more, and then that nothing was struck until the
        cut.
        """
        place_ms = phrase.start_ms + least_ms
        if place_ms >= phrase.end_ms:
            return None
        self.go_back(trail.mark)
        start_ms = max(self._end_ms, self._cut_ms)
        self._cut_ms = start_ms + least_ms
        count = sum(note.onset_ms < place_ms for note in phrase.notes)
        if count:
            notes = from_array(trail.notes[:count])
            part = Phrase(notes, phrase.entropies[:count], start_ms, self._cut_ms)
            state = again(self._engine, self._codec, self._known_state(), trail.classes[:count])
            self._stats.count_committed(part)
            self._go_on(part, trail.until(count), state, self._controls.snapshot())
            if trail.sound:
                self._remember(notes, self._end_ms)
            self._end_ms = notes[-1].onset_ms
        self._rng.random(1 + count)  # what was drawn once is not drawn again
        return least_ms

    @property
    def _was_cut(self) -> bool:
        """Whether the next phrase takes the place of the rest of another."""
        return self._cut_ms > self._end_ms and not self._at_once

    def _take_mood(self, notes: int) -> None:
        """Take on another mood when the last has lasted long enough."""
        mean = self._settings.mood_notes
        self._until_mood -= notes
        if self._until_mood >= 0 or not (mean and self._homing.moods):
            return
        self._until_mood = int(self._rng.integers(mean // 2, mean + mean // 2 + 1))
        if self._wishes.trained and not self._past:
            self._homing.begin_in_mood(self._rng)
        else:
            self._homing.change_mood(int(self._rng.integers(self._homing.moods)))
        self._wishes.change_mood()
        self._stats.moods += 1

    def _draw(self, controls: Controls, length: int, recall: bool) -> _Draw:
        """Draw K candidates from the present state and judge each."""
        settings, codec = self._settings, self._codec
        count = self._count(controls)
        temperature = tuple(t * controls.temperature for t in settings.temperature)
        trained = self._wishes.trained
        bias = noise_bias(controls, codec, asked=trained)
        register = bool(allowed_pitches(controls).all())
        bias += self._homing.bias(register=register, asked=trained)
        density, waited_ms = self._homing.density, self._cut_ms - self._end_ms
        forbid_rests(bias, codec, density, controls, waited_ms)
        shape = (length, count, codec.offsets[-1])
        noise = gumbel_noise(self._rng, shape, temperature, codec, bias)
        figures = self._figures(controls, length, count if recall else 0)
        figures += [None] * (count - len(figures))
        for k, figure in enumerate(figures):
            if figure is not None:
                figure.push(noise[:, k], settings.recall.strength)
        if self._ear is not None:
            allowed = allowed_pitches(controls)
            offer_echoes(noise, self._rng, self._past, allowed, codec, settings.recall)
        more, state = {}, self._known_state()
        if trained:
            more[ASKED_INPUT] = np.repeat(self._wishes.asked(controls)[None], count, axis=0)
        self._time_first(noise[0, :, codec.offsets[1] : codec.offsets[2]])
        if self._keys is not None:
            shift = bias[codec.offsets[1] : codec.offsets[2]]
            noise_again = second_noise(self._rng, (length, count), temperature[1], shift)
            self._time_first(noise_again[0])
            more[AGAIN_INPUT] = noise_again
        harmony = self._harmony(controls)
        if harmony is None:
            block = self._block(state, noise, more)
        else:
            block = self._block_in(harmony, state, noise, more)
        notes = [self._decode(block, k) for k in range(count)]
        phrases = [self._phrase(block, k, own) for k, own in enumerate(notes)]
        heard = self._ear.hear(notes) if self._ear is not None else None
        return _Draw(
            phrases,
            self._contexts(controls, count, heard),
            [_unfit(block, k, figure) for k, figure in enumerate(figures)],
            block.entropies,
            prefer=partial(self._prefer_soon, phrases, controls) if self._was_cut else None,
            set_aside=lambda reasons: self._drop_astray(phrases, reasons, controls),
            pick=None
            if heard is None
            else lambda kept: heard.pick(as_asked(phrases, kept, density, controls), self._rng),
            block=block,
            figures=figures,
            notes=notes,
            heard=heard,
        )

    def _block(
        self, state: State, noise: NDArray[np.float32], more: dict[str, NDArray[np.float32]]
    ) -> StepBlock:
        """Draw K candidates with this noise, ``(notes, K, classes)``."""
        began = self._timer()
        block = self._engine.next_block(state.tile(noise.shape[1]), noise, more)
        self._stats.inference_s += self._timer() - began
        return block

    def _block_in(
        self,
        harmony: Harmony,
        state: State,
        noise: NDArray[np.float32],
        more: dict[str, NDArray[np.float32]],
    ) -> StepBlock:
        """Draw K candidates in a harmony: their rhythm, then their pitches by the beat."""
        beat = ChordBeat(self._origin_ms, self._beat_ms)
        start_ms = max(self._end_ms, self._cut_ms)
        onsets_ms = guessed_onsets(self._past, start_ms, len(noise))
        block = self._block(state, biased(noise, harmony, onsets_ms, beat), more)
        if harmony.even:  # wherever the beats lie
            return block
        for _ in range(ROUNDS):
            onsets_ms = self._onsets(block)
            block = self._block(state, biased(noise, harmony, onsets_ms, beat), more)
        onsets_ms = self._onsets(block)
        last = in_rhythm(noise, harmony, block.classes, onsets_ms, self._codec, beat)
        return self._block(state, last, more)

    def _onsets(self, block: StepBlock) -> NDArray[np.float64]:
        """Return when the notes of a block would begin, ``(notes, K)`` ms; nothing is drawn."""
        drawn = self._rng.bit_generator.state
        notes = [self._decode(block, k) for k in range(block.classes.shape[1])]
        self._rng.bit_generator.state = drawn  # the next drawing gets the same times
        return np.stack([one["onset_ms"] for one in notes], axis=1)

    def _time_first(self, noise: NDArray[np.float32]) -> None:
        """Let no candidate's first note come before a cut, and that of some soon after it."""
        passed_ms = self._cut_ms - self._end_ms
        withhold_past(noise, self._codec, passed_ms)
        if self._was_cut:
            hasten(noise, self._codec, passed_ms)

    def _drop_astray(self, phrases: list[Phrase], reasons: Reasons, controls: Controls) -> None:
        """Of what the filters kept, drop the part that would lead furthest from home."""
        kept = [k for k, reason in enumerate(reasons) if reason is None]
        for k in {*kept} - {*self._near_home(phrases, controls, kept)}:
            reasons[k] = SET_ASIDE

    def _near_home(
        self, phrases: list[Phrase], controls: Controls, kept: Sequence[int]
    ) -> list[int]:
        """Return the part of some candidates that would not lead furthest from home."""
        register = bool(allowed_pitches(controls).all())
        far = {k: self._homing.astray(phrases[k], controls, register=register) for k in kept}
        near = math.ceil(len(kept) * (1 - ASTRAY_SHARE))
        # At home all are at distance 0, and none is dropped.
        return [
            k
            for place, k in enumerate(sorted(kept, key=far.__getitem__))
            if place < near or far[k] == min(far.values())
        ]

    def _prefer_soon(
        self, phrases: list[Phrase], controls: Controls, kept: Sequence[int]
    ) -> list[int]:
        """Return those that begin soon after a cut and last as long as what homing would take."""
        free = freely_drawn(len(phrases), kept)
        return soonest(phrases, kept, self._near_home(phrases, controls, free))

    def _figures(self, controls: Controls, length: int, count: int) -> list[Figure | None]:
        """Draw a figure for each candidate."""
        allowed = allowed_pitches(controls)
        figures = [self._memory.draw(self._rng, length, allowed) for _ in range(count)]
        if any(figure is not None for figure in figures):
            self._stats.recalls_tried += 1
        return figures

    def _decode(self, block: StepBlock, candidate: int) -> NoteArray:
        notes = self._codec.decode(
            block.classes[:, candidate], self._rng, self._end_ms, self._velocity
        )
        start_ms = max(self._end_ms, self._cut_ms)
        early_ms = start_ms - float(notes["onset_ms"][0])
        notes["onset_ms"] += early_ms if self._at_once else max(early_ms, 0.0)
        if self._keys is not None:
            release_in_time(notes)
        return notes

    def _phrase(self, block: StepBlock, candidate: int, notes: NoteArray) -> Phrase:
        entropies = block.entropies[:, candidate]
        start_ms = max(self._end_ms, self._cut_ms)
        return Phrase(from_array(notes), entropies, start_ms, float(notes["onset_ms"][-1]))

    def _contexts(self, controls: Controls, count: int, heard: Heard | None) -> list[Context]:
        recent = tuple(note for _, note in self._past)[-LOOP_TAIL_NOTES:]
        limits = self._settings.limits
        if not allowed_pitches(controls).all():
            # Whoever narrows the range wants music where the corpus seldom dwells.
            limits = replace(limits, mean_pitch=(PIANO_LOW, PIANO_HIGH))
        if self._homing.density is not None:
            limits = steadied(limits, self._homing.density, controls, self._homing.velocity)
        if self._was_cut:
            low, high = limits.density
            limits = replace(limits, density=(LEAST_DENSITY * low, high))
        if self._wishes.may_return(controls):
            limits = replace(limits, returned_share=1.0)
        told = (limits, recent, controls.density, self._memory.returned_share)
        if heard is None or self._ear is None:
            return [Context(*told)] * count
        floor = self._ear.floor
        return [HeardContext(*told, logit, floor) for logit in heard.logits.tolist()]

    def _commit(self, choice: Choice[_Draw], controls: Controls) -> Phrase:
        draw, best, phrase = choice.candidates, choice.best, choice.phrase
        figure = draw.figures[best]
        self._go_on(phrase, self.trail, draw.block.state.select(best), controls)
        if self.trail.sound:
            self._remember(phrase.notes, self._end_ms)
        self._end_ms = phrase.end_ms
        if figure is not None and figure.returned(draw.block.classes[:, best, 0]):
            self._stats.recalls += 1
        return phrase

    def _go_on(self, phrase: Phrase, trail: Trail, state: State, controls: Controls) -> None:
        """Take in notes that are played, and the model's state after them."""
        self._at_once = False
        self._watch_keys(phrase.notes, self._end_ms)
        self._velocity = phrase.notes[-1].velocity
        state, outside = self._bound.apply(state)
        self._state = with_velocity(state, float(self._velocity))
        self._wishes.watch(self._memory.returned_share(phrase), controls)
        self._memory.add(phrase.notes)
        if self._ear is not None and trail.features is not None:
            self._ear.commit(trail.notes, trail.features)
        self._homing.watch(phrase, controls)
        self._since_anew += len(phrase.notes)
        self._stats.clamped += outside


def _unfit(block: StepBlock, candidate: int, figure: Figure | None) -> str | None:
    """Return why a figure does not fit here, None when it does or was not taken up."""
    if figure is None:
        return None
    came = block.classes[figure.steps, candidate, 0] == figure.classes
    if not came.any():
        return None
    log_probability = block.log_probs[figure.steps, candidate, 0][came].mean()
    return UNFIT_FIGURE if log_probability < LEAST_LOG_PROBABILITY else None
