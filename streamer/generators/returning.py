"""Déjà vu: the last bars come back, as exactly as the control ``again`` asks (ours, after Marbles).

    generator -> what returns -> performer -> buffer

In: any generator, and the controls ``again``, ``again_bars``, ``vary``. Out: its phrases as they
are while ``again`` is 0. Else figures of a bar (:mod:`streamer.generators.figures`): in the loop of
the last bars each has its place, and as its turn comes it returns with the likelihood that
``again`` says, or the generator plays on for a bar, which takes the place. At 1 nothing is new: the
loop is locked, and the generator is not asked. Below 0 what returns are figures of the loop in an
order that is drawn for each round, and some of them an octave away.

A loop is as long as whole bars and begins where the music stands, so that bar lines stay where they
are. What sounds over its end sounds on, as long as it did, or until its key is struck. When the
loop is let go the generator goes on as if there had been none: in music with bars at the end of
the figure, in free time at once.

Thread: the generator's; ``vary`` may be wished for by any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamer.generators.base import Generator, Listener
from streamer.generators.figures import (
    BAR_BEATS,
    LEAST_BEATS,
    SLACK_SHARE,
    Piece,
    beats_of,
    last_figures,
    line_in,
)
from streamer.generators.loop import Loop
from streamer.music.notes import Note, Phrase
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.returning import MOST_AGAIN_BARS, ReturnControls
from streamer.system.marks import Mark, Marked

RETURNS = 7
"""What the seed of the returns has beside the stream's: no note of the generator depends on it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What it takes to cut what the generator has drawn.

    Attributes:
        phrase: As it returned it.
        trail: The generator's, after it.
        passed_ms: So much of it lies before what is played.
    """

    phrase: Phrase
    trail: Any
    passed_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Trail:
    """What it takes to cut a phrase.

    Attributes:
        mark: Just before it was given.
        piece: The phrase.
        drawn: What of the generator it is a part of; None where it returned.
        passes: Whether it is the generator's phrase as it was.
    """

    mark: Any
    piece: Piece
    drawn: _Drawn | None = None
    passes: bool = False


class Returning(Marked):
    """Implements :class:`streamer.generators.base.Generator` over another; see the module.

    Args:
        inner: Draws.
        controls: Live; read once a figure.
        seed: Of the stream.
        listener: The generator, where it can take in what a person plays.

    Attributes:
        trail: See :attr:`streamer.generators.base.Generator.trail`.
        beat_ms: Length of a quarter in what was returned last; None in free time.
    """

    marked = ("inner", "loop")

    def __init__(
        self,
        inner: Generator,
        controls: LiveControls,
        seed: int,
        listener: Listener | None = None,
    ) -> None:
        self.inner = inner
        self.loop = Loop(np.random.Generator(np.random.SFC64([seed, RETURNS])))
        self.trail: Any = None
        self._listener = listener
        self.beat_ms, self._wishes = inner.beat_ms, 0
        self._controls, self._heard, self._granted = controls, tuple[Piece, ...](), 0
        self._drawn: _Drawn | None = None
        self._at = object()  # stands for the state of the generator: another one each time it moves
        self._marked: tuple[Any, Any] = (None, None)

    @property
    def stats(self) -> Any:
        """Figures of the generator."""
        return self.inner.stats

    @property
    def bar_beats(self) -> float:
        """Quarters of a bar; of music that counts none, a bar of two seconds."""
        return self.inner.bar_beats or BAR_BEATS

    def vary(self) -> None:
        """Let some of the loop be drawn anew, the next figure among it; any thread."""
        self._wishes += 1

    @property
    def counts_length(self) -> bool:
        """As the generator says (:attr:`streamer.generators.base.Listener.counts_length`)."""
        return self._listener is not None and self._listener.counts_length

    @property
    def accompanies(self) -> bool:
        """As the generator says (:attr:`streamer.generators.base.Listener.accompanies`)."""
        return self._listener is not None and self._listener.accompanies

    def follow(self) -> bool:
        """Let the generator draw by what was heard; return whether that is something else."""
        return self._listener is not None and self._listener.follow()

    def hear(self, notes: Sequence[Note]) -> None:
        """Let the generator take in notes (:meth:`streamer.generators.base.Listener.hear`)."""
        if self._listener is not None:
            self._listener.hear(notes)
            self._turn_away()

    def rest(self, silent_ms: float) -> None:
        """Let the generator rest (:meth:`streamer.generators.base.Listener.rest`)."""
        if self._listener is not None:
            self._listener.rest(silent_ms)
            self._turn_away()

    def _turn_away(self) -> None:
        """Leave what the generator had drawn: it has moved."""
        self._at, self._drawn, self.loop.fresh = object(), None, []

    def settle(self, programs: Mapping[int, int]) -> None:
        """Begin, or go on from what was put back, with a synth that has been told these programs.

        Args:
            programs: 0..127, by channel, 0..15.

        Raises:
            ValueError: What was put back is no loop.
        """
        self.loop.check()
        self.loop.told = dict(programs)
        self.loop.own = self.loop.own or dict(programs)

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream; see :class:`streamer.generators.base.Generator`."""
        loop = self.loop
        amount = self._obey(self._controls.snapshot())
        if not loop.rest and not loop.missing and loop.bars:
            loop.choose(amount, self.bar_beats)
        if loop.rest:
            return self._give_again()
        if loop.bars or loop.fresh:
            return self._give_fresh(notes)
        return self._pass(notes)

    def mark(self) -> Any:
        """Return where the stream stands."""
        if self._marked[0] is not self._at:
            self._marked = self._at, self.inner.mark()
        return self._marked, *self._own_mark()

    def go_back(self, mark: Any, only: Any = None) -> None:
        """Go back to a mark; the generator only where it has moved since."""
        del only
        (at, inner), *rest = mark
        if at is not self._at:
            self.inner.go_back(inner)
            self._at = at
        self._restore(*rest)

    def cut(self, trail: _Trail, phrase: Phrase, least_ms: float) -> float | None:
        """Cut a phrase (:meth:`streamer.generators.base.Generator.cut`).

        What is new is cut where its generator can cut it, what returns anywhere, since it goes on
        as it was.
        """
        if trail.passes:
            # Of the phrase an earlier cut may have left less than was drawn.
            drawn = None if trail.drawn is None else replace(trail.drawn, phrase=phrase)
            return None if drawn is None else self._cut_drawn(trail, drawn, least_ms)
        if least_ms >= trail.piece.length_ms:
            return None
        if trail.drawn is not None:
            kept_ms = self._cut_drawn(trail, trail.drawn, least_ms)
            if kept_ms is not None:
                return kept_ms
        least_ms = trail.piece.off_onsets(least_ms)
        self.go_back(trail.mark)
        loop, head = self.loop, trail.piece.until(least_ms)
        if loop.rest:
            loop.rest[0] = loop.rest[0].since(least_ms)
        else:
            loop.fresh[0] = loop.fresh[0].since(least_ms)
            self._pass_by(least_ms)
            self._play_new(head, ends=False)
        self._hear(head)
        return least_ms

    def _cut_drawn(self, trail: _Trail, drawn: _Drawn, least_ms: float) -> float | None:
        """Cut what the generator has drawn; None where it cannot, and nothing of it has changed."""
        if drawn.trail is None:
            return None
        end = None if trail.passes else self.mark()
        kept_ms = self.inner.cut(drawn.trail, drawn.phrase, drawn.passed_ms + least_ms)
        if kept_ms is None:
            return None
        self._at, kept_ms = object(), kept_ms - drawn.passed_ms
        if end is not None and kept_ms >= trail.piece.length_ms:
            self.go_back(end)
            return None
        self._restore(*trail.mark[-5:])
        head = trail.piece.until(kept_ms)
        self.loop.fresh, self._drawn = [], None
        self.loop.own = head.sounds_after()
        if not trail.passes:
            self._play_new(head, ends=False)
        self._hear(head)
        return kept_ms

    def _own_mark(self) -> tuple[Any, ...]:
        """Return where it stands itself, without the generator."""
        return self.loop.mark(), self._heard, self._drawn, self._granted, self.beat_ms

    def _restore(
        self,
        loop: Mark,
        heard: tuple[Piece, ...],
        drawn: _Drawn | None,
        granted: int,
        beat_ms: float | None,
    ) -> None:
        self.loop.go_back(loop)
        self._heard, self._drawn, self._granted, self.beat_ms = heard, drawn, granted, beat_ms

    def _obey(self, controls: Controls) -> float:
        """Let as much return as is asked for now; return how much."""
        loop, wanted = self.loop, controls.of(ReturnControls)
        amount = wanted.again
        if not amount:
            if loop.bars:
                loop.forget()
            if self.inner.beat_ms is None:
                loop.rest = []
        elif loop.bars != wanted.again_bars:
            figures = last_figures(self._heard, wanted.again_bars, self.bar_beats)
            loop.begin(figures, wanted.again_bars)
        elif self._granted != self._wishes:
            loop.vary()
        self._granted = self._wishes
        return amount

    def _give_again(self) -> Phrase:
        """Return the next piece of a figure that returns."""
        mark = self.mark()
        piece = self.loop.rest.pop(0)
        self.trail = _Trail(mark=mark, piece=piece)
        return self._given(piece)

    def _give_fresh(self, notes: int | None) -> Phrase:
        """Return what the generator goes on with, as far as the figure reaches."""
        loop = self.loop
        if not loop.fresh:
            phrase, trail, piece = self._draw(notes)
            loop.fresh, self._drawn = [piece], _Drawn(phrase, trail)
        mark, drawn, piece = self.mark(), self._drawn, loop.fresh[0]
        line_ms = line_in(piece, loop.missing, self.bar_beats) if loop.missing else None
        if line_ms is None:
            loop.fresh, self._drawn = [], None
        else:
            piece, rest = piece.split(line_ms)
            loop.fresh = [rest]
            self._pass_by(line_ms)
        self._play_new(piece, ends=line_ms is not None)
        self.trail = _Trail(mark=mark, piece=piece, drawn=drawn)
        return self._given(piece)

    def _pass(self, notes: int | None) -> Phrase:
        """Return the generator's next phrase as it is."""
        mark, told = self._own_mark(), self.loop.told
        phrase, trail, piece = self._draw(notes)
        self.trail = _Trail(mark=mark, piece=piece, drawn=_Drawn(phrase, trail), passes=True)
        self._hear(piece)
        self.beat_ms = piece.beat_ms
        if all(told.get(channel) == program for channel, program in piece.sounds):
            return phrase
        programs = piece.phrase(told).programs
        moved = (replace(one, onset_ms=phrase.start_ms + one.onset_ms) for one in programs)
        return replace(phrase, programs=tuple(moved))

    def _draw(self, notes: int | None) -> tuple[Phrase, Any, Piece]:
        """Return the generator's next phrase, what it takes to cut it, and the same as a piece."""
        phrase = self.inner.next_phrase(notes)
        self._at = object()
        piece = Piece.of(phrase, self.inner.beat_ms, self.loop.own)
        self.loop.own = piece.sounds_after()
        return phrase, self.inner.trail, piece

    def _play_new(self, piece: Piece, *, ends: bool) -> None:
        """Take a piece that is new into the loop, where there is one."""
        if self.loop.missing:
            free = piece.beat_ms is None
            slack = SLACK_SHARE * self.bar_beats if free else LEAST_BEATS
            self.loop.play_new(piece, slack, ends=ends)

    def _pass_by(self, ms: float) -> None:
        """Take note that so much more of what was drawn lies behind."""
        if self._drawn is not None:
            self._drawn = replace(self._drawn, passed_ms=self._drawn.passed_ms + ms)

    def _given(self, piece: Piece) -> Phrase:
        """Return a piece as the next phrase."""
        phrase = piece.phrase(self.loop.told)
        self.beat_ms = piece.beat_ms
        self._hear(piece)
        return phrase

    def _hear(self, piece: Piece) -> None:
        """Remember what is heard, as much as could come back."""
        loop = self.loop
        loop.told = {**loop.told, **piece.sounds_after()}
        most = (MOST_AGAIN_BARS + 1) * self.bar_beats
        heard = [*self._heard, piece]
        beats = beats_of(heard) - heard[0].beats
        while len(heard) > 1 and beats > most:
            del heard[0]
            beats -= heard[0].beats
        self._heard = tuple(heard)
