"""The generator of tunes: a stream of melodies without end, each with an end ([Yamshchikov2020]).

In: an engine, live controls, the bundle's styles, and one random generator from which everything is
drawn. Out: phrases, committed one by one; the last one of a tune holds the rest after it. Before a
tune: a style, a latent from that style's own, tempo, bar, key and about how long it will be. Within
it: blocks of notes, K candidates each, chosen as in every family
(:mod:`streamer.generators.choosing`). A phrase is cut at its last bar line where it has one, so
that phrases begin with bars. The end is the model's own class, made ever likelier and in the end
forced.

Ours: the latent wanders in a long tune; a tune's phrases return, varied; it keeps to the notes of
its key as far as it has one; keys are related; what other tunes lately had does not come again.

Thread: the generator's. The same engine, settings, controls and random state give the same phrases.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine, State, StepBlock
from streamer.engine.noise import Noise, force_classes, gumbel_noise
from streamer.engine.session import Array
from streamer.families.tunes.chords import block_in, in_written_key
from streamer.families.tunes.codec import (
    TUNE_ARGUMENTS,
    TUNE_DTYPE,
    TuneArray,
    TuneCodec,
)
from streamer.families.tunes.context import TuneContext, TuneRules, limits_under
from streamer.families.tunes.cutting import Trail, places_to_cut
from streamer.families.tunes.drawing import TuneDrawing
from streamer.families.tunes.filters import TUNE_FILTERS, TUNE_RELAX_ORDER
from streamer.families.tunes.key import Key, Modulation
from streamer.families.tunes.line import PlainVoice, Tune, Voice, drop_open_bars, inside, told_of
from streamer.families.tunes.memory import TuneMemory
from streamer.families.tunes.noise import octave_shift, phrase_bias
from streamer.families.tunes.returns import came_back, push_phrase, pushed_notes, unfit_return
from streamer.families.tunes.style import Latent, Styles, asked_returning
from streamer.generators.base import Choosing
from streamer.generators.choosing import Candidates, Choice, Chooser
from streamer.generators.stats import GenerationStats
from streamer.measures.entropy import Floats
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import LOOP_TAIL_NOTES, Filter, Limits, Panel
from streamer.selection.ranking import TYPICAL, Order, rank_typical_of
from streamer.settings.controls import Controls, LiveControls
from streamer.system.marks import Mark

WALK_AFTER_NOTES = 48
"""Notes of a tune after which its latent begins to wander."""

PURE_SHARE = 0.75
"""A tune keeps the rules of a style that has this weight in it."""

Start = Callable[..., dict[str, Array]]
"""``z``, ``style`` -> ``s``: :class:`streamer.engine.engine.Function` of the graph ``start``."""


@dataclass(frozen=True, slots=True)
class _Draw(Candidates):
    """Candidates of one block, each as far as it is played."""

    block: StepBlock = field(kw_only=True)
    tunes: list[TuneArray] = field(kw_only=True)
    keys: list[tuple[Key, int]] = field(kw_only=True)
    again: NDArray[np.int64] | None = field(kw_only=True)


class TuneGenerator(Choosing):
    """Implements :class:`streamer.generators.base.Generator` over an :class:`Engine`.

    Args:
        engine: Plays a ``step`` bundle of tunes.
        start: Its first state.
        drawing: How phrases are drawn and chosen.
        rng: All randomness; SFC64 for speed.
        controls: Read once a phrase.
        filters: What drops candidates one by one.
        panels: What drops them all at once: trained classifiers.
        voice: Plays what was chosen.
        timer: Seconds that only grow, for the figures on inference alone.

    Raises:
        BundleError: The bundle says nothing of its styles, or has not the one that is asked for.
    """

    marked = (
        *Choosing.marked, "_rng", "_voice", "_memory", "_recent", "_primed", "_key", "_end_ms",
        "_tune", "_tunes", "_state", "beat_ms", "bar_beats", "last_tune",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        start: Start,
        drawing: TuneDrawing,
        rng: np.random.Generator,
        controls: LiveControls | None = None,
        filters: tuple[Filter, ...] = TUNE_FILTERS,
        panels: tuple[Panel, ...] = (),
        voice: Voice | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(drawing.candidates, GenerationStats(arguments=TUNE_ARGUMENTS))
        manifest = engine.bundle.manifest
        self._engine, self._start, self._drawing, self._rng = engine, start, drawing, rng
        self._codec = codec_as(engine.bundle.codec, TuneCodec)
        self._controls = controls or LiveControls()
        self._voice, self._plain = voice or PlainVoice(), PlainVoice()
        self._timer = timer
        self._styles = Styles(manifest, drawing.styles)
        self._memory = TuneMemory(drawing.tunes.memory_minutes * 60_000.0)
        self._recent: deque[Note] = deque(maxlen=LOOP_TAIL_NOTES)
        self._primed: Latent | None = None
        self._key: Key | None = None
        self._chooser = Chooser(
            self._stats,
            filters,
            panels=panels,
            redraws=drawing.redraws,
            ranking=drawing.ranking,
            corpus=manifest.statistics.corpus_entropy(),
            relax_order=TUNE_RELAX_ORDER,
        )
        self._end_ms = 0.0
        self._tune: Tune | None = None
        self._tunes = 0
        self._state = engine.initial_state(1)
        self.bar_beats: float | None = None
        self.beat_ms = 500.0
        self.last_tune: TuneArray = np.zeros(0, dtype=TUNE_DTYPE)
        """Notes of the phrase that was returned last, in the key that the model writes in."""

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the bundle's styles."""
        return self._styles.names

    def prime(self, latent: Latent) -> None:
        """Let the next tune start from this latent, ``(Z,)``: that of a melody.

        Raises:
            ValueError: It is not of the model's size, or not finite.
        """
        shape = self._state.arrays["z"].shape[1:]
        if latent.shape != shape or not np.isfinite(latent).all():
            raise ValueError(f"the latent must be {shape[0]} numbers, not {latent.shape}")
        self._primed = latent.astype(np.float32)

    def anew(self, heard: Sequence[Note]) -> None:
        """Let the next phrase begin a tune, whatever was ``heard``."""
        del heard
        self._tune = None

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream; see :class:`streamer.generators.base.Generator`."""
        controls, tune = self._controls.snapshot(), self._tune
        self._keys_walked.go_on(controls, self._end_ms, self._rng)
        if tune is None or tune.ended:
            tune = self._tune = self._begin(controls)
        else:
            self._move(tune, controls)
        tune = self._tune = in_written_key(tune, self._harmony(controls))
        length = notes or self._drawing.phrase_notes
        share = asked_returning(tune.manner, controls.recall)
        returning = tune.returns.draw(self._rng, share, length)
        offered = returning if tune.on_bar_line else None
        if offered is not None:
            tune.returns.came(offered[0])
        mark = self.mark()

        def draw(before: int) -> _Draw:
            return self._draw(tune, controls, length, None if before or not offered else offered[1])

        return self._commit(tune, self._chooser.choose(draw), mark)

    def cut(self, trail: Trail, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a phrase before a note, or while one is held (``streamer.generators.base``)."""
        found = trail.after(least_ms)
        if found is None:
            return None
        self.go_back(trail.mark)
        if (tune := self._tune) is None:
            return None
        notes, classes = trail.until(found, self._codec)
        line = tune.line(notes, *trail.key)
        self._voice.play(line)  # that what it plays next goes on from there
        plain = self._plain.play(line)  # a second voice is not counted
        self._state = self._behind(classes)
        self._end_ms += found.at_ms
        self._take_in(tune, notes, classes, plain)
        tune.transpose, tune.early = trail.transpose, found.early
        self._key = line.key if tune.ended else self._key
        entropies = phrase.entropies[: found.notes]
        self._stats.count_committed(replace(phrase, notes=plain, entropies=entropies))
        self._rng.random(1 + found.notes)  # what was drawn once is not drawn again
        return found.at_ms

    def _begin(self, controls: Controls) -> Tune:
        """Draw the next tune, and its first state."""
        rng, settings = self._rng, self._drawing.tunes
        style = self._styles.draw(rng)
        if self._primed is not None and not self._drawing.styles:
            style = self._styles.nearest(self._primed)
        weights = self._styles.mixed(style, controls.style_mix)
        manner = self._styles.manner(rng, weights, settings.least_notes, settings.most_notes)
        latent = self._primed
        if latent is None:
            latent = self._styles.latent(rng, weights, manner)
        self._primed = None
        modulation = Modulation.draw(rng, self._key)
        # A scale that is set is a key already.
        free = settings.keys == "free" or controls.scale != "off"
        self._tunes += 1
        tune = Tune(
            number=self._tunes,
            manner=manner,
            style=style,
            latent=latent,
            modulation=None if free else modulation,
            start_ms=self._end_ms,
            rest_bars=int(rng.integers(settings.least_rest_bars, settings.most_rest_bars + 1)),
            weights=weights,
        )
        state = self._engine.initial_state(1)
        rows = {"z": latent[None], "style": weights[None]}
        self._state = state.replace(**rows, s=self._start(**rows)["s"])
        self.beat_ms, self.bar_beats = tune.manner.beat_ms, tune.manner.bar_beats
        return tune

    def _move(self, tune: Tune, controls: Controls) -> None:
        """Follow the style control, and let the latent of a long tune wander."""
        weights = self._styles.mixed(tune.style, controls.style_mix)
        if (weights != tune.weights).any():
            tune.latent = self._styles.moved(tune.latent, tune.manner, tune.weights, weights)
            tune.weights = weights
        if tune.count >= WALK_AFTER_NOTES and self._drawing.tunes.walk:
            tune.latent = self._styles.walk(
                self._rng, weights, tune.manner, tune.latent, self._drawing.tunes.walk
            )
        self._state = self._state.replace(z=tune.latent[None], style=weights[None])

    def _draw(
        self, tune: Tune, controls: Controls, length: int, again: NDArray[np.int64] | None
    ) -> _Draw:
        """Draw K candidates from the present state, as far as each is to be played.

        Args:
            tune: That is being written.
            controls: Live.
            length: Notes at most.
            again: Classes of a phrase that is offered again, ``(notes, 3)``.
        """
        codec, settings = self._codec, self._drawing.tunes
        count = self._count(controls)
        temperature = tuple(t * controls.temperature for t in self._drawing.temperature)
        moved = octave_shift(controls, *self._styles.spec(tune.manner.style).pitch)
        harmony = self._harmony(controls)
        bias = phrase_bias(tune, length, controls, codec, settings, moved, harmony)
        shape = (length, count, codec.offsets[-1])
        noise = gumbel_noise(self._rng, shape, temperature, codec, bias)
        if again is not None:
            self._stats.recalls_tried += 1
            part = again[: pushed_notes(self._rng, len(again))]
            push = settings.return_strength * (1.0 if harmony is None else harmony.freedom)
            for k in range(count):
                push_phrase(noise[:, k], part, codec, push)
        drawn = self._block
        block = drawn(noise) if harmony is None else block_in(harmony, drawn, noise, tune, codec)
        whole = (codec.decode(block.classes[:, k]) for k in range(count))
        tunes = [notes[: tune.reach(notes)] for notes in whole]
        keys = [(key, octaves + moved) for key, octaves in map(tune.key_with, tunes)]
        phrases = [
            self._phrase(tune, notes, key, block.entropies[: len(notes), k])
            for k, (notes, key) in enumerate(zip(tunes, keys, strict=True))
        ]
        recent, limits = tuple(self._recent), limits_under(self._drawing.limits, controls)
        return _Draw(
            phrases,
            [
                self._context(tune, notes, key, controls, limits, recent)
                for notes, key in zip(tunes, keys, strict=True)
            ],
            [unfit_return(block, k, again) for k in range(count)],
            rank=self._rank(tune),
            also_drop=partial(drop_open_bars, [*map(tune.closes_bar, tunes)]),
            prefer=partial(tune.keeps_time, tunes),
            block=block,
            tunes=tunes,
            keys=keys,
            again=again,
        )

    def _block(self, noise: Noise) -> StepBlock:
        """Draw candidates from the present state with this noise, ``(notes, K, classes)``."""
        began = self._timer()
        block = self._engine.next_block(self._state.tile(noise.shape[1]), noise)
        self._stats.inference_s += self._timer() - began
        return block

    def _phrase(
        self,
        tune: Tune,
        notes: TuneArray,
        key: tuple[Key, int],
        entropies: NDArray[np.float32],
    ) -> Phrase:
        """Return a candidate as the filters hear it: played plainly."""
        _, _, next_place = tune.places(notes)
        played = self._plain.play(tune.line(notes, *key))
        return Phrase(played, entropies, self._end_ms, tune.ms(next_place))

    def _context(
        self,
        tune: Tune,
        notes: TuneArray,
        key: tuple[Key, int],
        controls: Controls,
        limits: Limits,
        recent: tuple[Note, ...],
    ) -> TuneContext:
        whole = np.concatenate([tune.past(), notes])
        return TuneContext(
            limits,
            recent,
            controls.density,
            tune=whole,
            fresh=len(notes),
            style=tune.weights,
            z=tune.latent,
            onsets=tune.places(notes)[0],
            beat=tune.manner.beat,
            bar=tune.manner.bar,
            transpose=key[1],
            heard=self._memory.heard(whole, len(notes), tune.count),
            closing=key[0].closing[:1],
            rules=self._rules(tune),
        )

    def _rank(self, tune: Tune) -> Callable[[Floats], Order] | None:
        """Return the typical ranking against the tune's style, where that is asked for."""
        known = self._styles.entropy(tune.weights)
        if self._drawing.ranking != TYPICAL or known is None:
            return None
        return partial(rank_typical_of, known=known)

    def _rules(self, tune: Tune) -> TuneRules:
        """Return the rules of the tune's style, or those of all where it lies between styles."""
        best = int(tune.weights.argmax())
        rules = self._drawing.style_rules
        return rules[best] if rules and tune.weights[best] >= PURE_SHARE else self._drawing.rules

    def _commit(self, tune: Tune, choice: Choice[_Draw], mark: Mark) -> Phrase:
        draw, best, plain = choice.candidates, choice.best, choice.phrase
        notes = draw.tunes[best]
        classes = draw.block.classes[: len(notes), best]
        line = tune.line(notes, *draw.keys[best])
        played = inside(self._voice.play(line), plain.start_ms, plain.end_ms)
        self._stats.recalls += came_back(draw.again, classes)
        phrase = replace(plain, notes=played, lifts=True)
        cuts = places_to_cut(tune, phrase, notes, line, self._codec)
        if len(notes) == len(draw.block.classes):
            self._state = draw.block.state.select(best)
        else:  # the phrase was cut at a bar line
            self._state = self._behind(classes)
        self._end_ms = plain.end_ms
        self._take_in(tune, notes, classes, plain.notes)
        self.trail = Trail(
            mark=mark, notes=notes, classes=classes, key=draw.keys[best],
            transpose=tune.transpose, cuts=cuts,
        )  # fmt: skip
        if tune.ended:
            self._key = line.key
        self._stats.playing = told_of(tune, self._styles.shown(tune.weights), line.key)
        return phrase

    def _take_in(
        self, tune: Tune, notes: TuneArray, classes: NDArray[np.int64], plain: tuple[Note, ...]
    ) -> None:
        """Go on behind notes that are played."""
        tune.add(notes, classes)
        self.last_tune = notes
        self._memory.add(notes, tune.ended, self._end_ms)
        self._recent.extend(plain)

    def _behind(self, classes: NDArray[np.int64]) -> State:
        """Return the state after notes that were drawn from the present one."""
        noise = np.zeros((len(classes), 1, self._codec.offsets[-1]), dtype=np.float32)
        return self._block(force_classes(noise, classes, self._codec)).state
