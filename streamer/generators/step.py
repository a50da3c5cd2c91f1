"""The generator of ``step`` families: blocks of an engine -> candidate phrases -> the next phrase.

In: an engine, live controls, and one random generator from which everything is drawn. Out: phrases,
committed one by one. A phrase is drawn K times from the state after the last one; hard filters drop
what is broken, a ranking by entropy orders the rest, and the first is committed: generation goes on
from its state (paper 000, section 4; DESIGN, "Selection").

Called in the generator thread of the daemon, and by render. The same engine, settings, controls and
random state give the same phrases.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamer.codec import ChainCodec
from streamer.codecs import codec_as
from streamer.controls import Controls, LiveControls
from streamer.engine import Engine, StepBlock
from streamer.generators.base import Choosing
from streamer.generators.choosing import Candidates, Choice, Chooser, Reasons
from streamer.generators.continuity import CellBound, feed, on_piano, with_velocity
from streamer.generators.homing import Homing
from streamer.generators.recall import LEAST_LOG_PROBABILITY, Figure, FigureMemory
from streamer.noise import TEMPERATURE_HIGH, gumbel_noise
from streamer.notes import (
    ARGUMENTS,
    PIANO_HIGH,
    PIANO_LOW,
    Note,
    NoteArray,
    Phrase,
    from_array,
    to_array,
)
from streamer.selection.filters import FILTERS, LOOP_TAIL_NOTES, Context, Filter, Limits
from streamer.selection.ranking import RANKINGS
from streamer.settings import RecallSettings
from streamer.stats import GenerationStats
from streamer.steering import allowed_pitches, noise_bias

ASTRAY = "astray"
"""Why a candidate is dropped that would lead the stream as a whole further from the corpus."""

ASTRAY_SHARE = 0.5
"""Share of the candidates that may be dropped as such."""

MOST_TEMPERATURE = TEMPERATURE_HIGH / 10.0
"""Of a setting or a bundle; the live control multiplies it."""

UNFIT_FIGURE = "figure"
"""Why a candidate is dropped whose recalled figure the model finds less likely than chance."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """How phrases are drawn and chosen.

    Attributes:
        phrase_notes: Notes of a phrase, 1 or more.
        candidates: Phrases drawn for each one played, 1 or more.
        temperature: One for each of :data:`streamer.notes.ARGUMENTS`, above 0.
        redraws: How often all candidates may be dropped before the filters relax.
        ranking: A name of :data:`streamer.selection.ranking.RANKINGS`.
        limits: Bounds of the filters.
        recall: How figures come back.
        past_notes: The past that the state is built anew from, notes.
        anew_notes: Notes after which it is; 0 never.
        homing: How strongly the stream as a whole is kept like the corpus; 0 not at all, 1 as much
            as should do (:mod:`streamer.generators.homing`).
        mood_notes: Notes, on average, until the stream takes on the mood of another training
            piece; 0 keeps it at the middle of the corpus.
    """

    phrase_notes: int = 32
    candidates: int = 16
    temperature: tuple[float, ...] = (1.0,) * len(ARGUMENTS)
    redraws: int = 3
    ranking: str = "regulated"
    limits: Limits = field(default_factory=Limits)
    recall: RecallSettings = field(default_factory=RecallSettings)
    past_notes: int = 256
    anew_notes: int = 1024
    homing: float = 1.0
    mood_notes: int = 1200

    def __post_init__(self) -> None:
        for name in ("phrase_notes", "candidates", "past_notes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)}")
        for name in ("redraws", "anew_notes", "homing", "mood_notes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if len(self.temperature) != len(ARGUMENTS) or not all(
            0 < one <= MOST_TEMPERATURE for one in self.temperature
        ):
            raise ValueError(
                f"temperature must be 5 numbers above 0, {MOST_TEMPERATURE:g} at most, "
                f"not {self.temperature}"
            )
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking}")


@dataclass(frozen=True, slots=True)
class _Draw(Candidates):
    """Candidates of one block, and the figure that each was offered."""

    block: StepBlock = field(kw_only=True)
    figures: list[Figure | None] = field(kw_only=True)


class StepGenerator(Choosing):
    """Implements :class:`streamer.generators.base.Generator` over an :class:`Engine`.

    Args:
        engine: Plays a ``step`` bundle.
        settings: How phrases are drawn and chosen.
        rng: All randomness; SFC64 for speed.
        controls: Read once a phrase.
        filters: What drops candidates.
        timer: Seconds that only grow, for the figures on inference alone.
    """

    def __init__(
        self,
        engine: Engine,
        settings: StepSettings,
        rng: np.random.Generator,
        controls: LiveControls | None = None,
        filters: tuple[Filter, ...] = FILTERS,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(settings.candidates, GenerationStats())
        self._engine = engine
        self._codec = codec_as(engine.bundle.codec, ChainCodec)
        self._settings = settings
        self._rng = rng
        self._controls = controls or LiveControls()
        self._timer = timer
        statistics = engine.bundle.manifest.statistics
        self._bound = CellBound(statistics)
        self._homing = Homing(statistics, self._codec, settings.homing)
        self._until_mood = 0
        self._state = engine.initial_state(1)
        # Each with the time since the note before it: phrases may be missing in between.
        self._past: deque[tuple[float, Note]] = deque(maxlen=settings.past_notes)
        self._memory = FigureMemory(settings.recall)
        self._velocity = 0
        self._end_ms = 0.0
        self._since_anew = 0
        self._chooser = Chooser(
            self._stats,
            filters,
            redraws=settings.redraws,
            ranking=settings.ranking,
            corpus=statistics.corpus_entropy(),
        )

    def prime(self, notes: NoteArray) -> None:
        """Let the stream go on from these notes, which it does not play; before the first phrase.

        The first phrase starts at the onset of the last of them. Only the last ``past_notes`` reach
        the model; all of the last minutes may come back as figures.

        Raises:
            ValueError: None of the notes lies on a piano.
        """
        notes = on_piano(notes)
        if not len(notes):
            raise ValueError("there must be 1 note or more in range 21..108 to continue from")
        played = from_array(notes)
        self._end_ms = played[-1].onset_ms
        self._remember(played, played[0].onset_ms)
        self._memory.add(played)
        recent = played[-self._settings.past_notes :]
        unknown = np.zeros((len(recent), len(ARGUMENTS)), dtype=np.float32)
        self._homing.begin_as(Phrase(recent, unknown, recent[0].onset_ms, recent[-1].onset_ms))
        self._until_mood = self._settings.mood_notes
        self._build_anew()

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream; see :class:`streamer.generators.base.Generator`."""
        controls = self._controls.snapshot()
        length = notes or self._settings.phrase_notes
        self._take_mood(length)
        if self._settings.anew_notes and self._since_anew >= self._settings.anew_notes:
            self._build_anew()
        recall = self._rng.random() < controls.recall

        def draw(before: int) -> _Draw:
            if before and before == self._settings.redraws:
                self._build_anew()  # perhaps it is the state itself that has gone astray
            return self._draw(controls, length, recall and not before)

        return self._commit(self._chooser.choose(draw), controls)

    def _take_mood(self, notes: int) -> None:
        """Take on another mood when the last has lasted long enough."""
        mean = self._settings.mood_notes
        self._until_mood -= notes
        if self._until_mood >= 0 or not (mean and self._homing.moods):
            return
        self._until_mood = int(self._rng.integers(mean // 2, mean + mean // 2 + 1))
        self._homing.change_mood(int(self._rng.integers(self._homing.moods)))
        self._stats.moods += 1

    def _draw(self, controls: Controls, length: int, recall: bool) -> _Draw:
        """Draw K candidates from the present state and judge each."""
        settings, codec = self._settings, self._codec
        count = self._count(controls)
        temperature = tuple(t * controls.temperature for t in settings.temperature)
        bias = noise_bias(controls, codec)
        bias += self._homing.bias(register=bool(allowed_pitches(controls).all()))
        shape = (length, count, codec.offsets[-1])
        noise = gumbel_noise(self._rng, shape, temperature, codec, bias)
        figures = self._figures(controls, length, count if recall else 0)
        figures += [None] * (count - len(figures))
        for k, figure in enumerate(figures):
            if figure is not None:
                figure.push(noise[:, k], settings.recall.strength)
        began = self._timer()
        block = self._engine.next_block(self._state.tile(count), noise)
        self._stats.inference_s += self._timer() - began
        phrases = [self._decode(block, k) for k in range(count)]
        return _Draw(
            phrases,
            [self._context(controls)] * count,
            [_unfit(block, k, figure) for k, figure in enumerate(figures)],
            block.entropies,
            lambda reasons: self._drop_astray(phrases, reasons, controls),
            block=block,
            figures=figures,
        )

    def _drop_astray(self, phrases: list[Phrase], reasons: Reasons, controls: Controls) -> None:
        """Of what the filters kept, drop the part that would lead furthest from home."""
        kept = [k for k, reason in enumerate(reasons) if reason is None]
        register = bool(allowed_pitches(controls).all())
        far = {k: self._homing.astray(phrases[k], controls, register=register) for k in kept}
        for k in sorted(kept, key=far.__getitem__)[math.ceil(len(kept) * (1 - ASTRAY_SHARE)) :]:
            # At home all are at distance 0, and none is dropped.
            if far[k] > min(far.values()):
                reasons[k] = ASTRAY

    def _figures(self, controls: Controls, length: int, count: int) -> list[Figure | None]:
        """Draw a figure for each candidate."""
        allowed = allowed_pitches(controls)
        figures = [self._memory.draw(self._rng, length, allowed) for _ in range(count)]
        self._stats.recalls_tried += any(figure is not None for figure in figures)
        return figures

    def _decode(self, block: StepBlock, candidate: int) -> Phrase:
        notes = self._codec.decode(
            block.classes[:, candidate], self._rng, self._end_ms, self._velocity
        )
        entropies = block.entropies[:, candidate]
        return Phrase(from_array(notes), entropies, self._end_ms, float(notes["onset_ms"][-1]))

    def _context(self, controls: Controls) -> Context:
        recent = tuple(note for _, note in self._past)[-LOOP_TAIL_NOTES:]
        limits = self._settings.limits
        if not allowed_pitches(controls).all():
            # Whoever narrows the range wants music where the corpus seldom dwells.
            limits = replace(limits, mean_pitch=(PIANO_LOW, PIANO_HIGH))
        return Context(limits, recent, controls.density, self._memory.returned_share)

    def _commit(self, choice: Choice[_Draw], controls: Controls) -> Phrase:
        draw, best, phrase = choice.candidates, choice.best, choice.phrase
        figure = draw.figures[best]
        self._end_ms = phrase.end_ms
        self._velocity = phrase.notes[-1].velocity
        state, outside = self._bound.apply(draw.block.state.select(best))
        self._state = with_velocity(state, float(self._velocity))
        self._memory.add(phrase.notes)
        self._homing.watch(phrase, controls)
        self._since_anew += len(phrase.notes)
        if not choice.given_up:
            self._remember(phrase.notes, phrase.start_ms)  # only sound music is gone back to
        self._stats.clamped += outside
        if figure is not None and figure.returned(draw.block.classes[:, best, 0]):
            self._stats.recalls += 1
        return phrase

    def _remember(self, notes: Sequence[Note], start_ms: float) -> None:
        for note in notes:
            self._past.append((note.onset_ms - start_ms, note))
            start_ms = note.onset_ms

    def _build_anew(self) -> None:
        """Build the state from the recent past alone, as if a piece had begun there."""
        onset_ms = np.cumsum([shift_ms for shift_ms, _ in self._past])
        notes = (replace(n, onset_ms=t) for t, (_, n) in zip(onset_ms, self._past, strict=True))
        past = to_array(notes)
        self._velocity = int(past["velocity"][-1]) if len(past) else 0
        state, _ = self._bound.apply(feed(self._engine, self._codec, past))
        self._state = state
        self._since_anew = 0
        self._stats.reprimes += 1


def _unfit(block: StepBlock, candidate: int, figure: Figure | None) -> str | None:
    """Return why a figure does not fit here, None when it does or was not taken up."""
    if figure is None:
        return None
    came = block.classes[figure.steps, candidate, 0] == figure.classes
    if not came.any():
        return None
    log_probability = block.log_probs[figure.steps, candidate, 0][came].mean()
    return UNFIT_FIGURE if log_probability < LEAST_LOG_PROBABILITY else None
