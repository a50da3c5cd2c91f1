"""What a chain has played, drawn or heard, and the model's state after it.

In: notes, of the stream itself, of a file that it goes on from, or of a person who plays with it.
Out: the state of the network from which the next note is drawn, and what selection knows of the
past: figures, keys that are down, where home is. Thread: the generator's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine, State
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.codec import ChainCodec
from streamer.families.chain.continuity import CellBound, feed, follow, on_piano
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.ear import Ear
from streamer.families.chain.hands import KEYS_STATE, keys_after
from streamer.families.chain.homing import MEMORY_NOTES, Homing
from streamer.families.chain.recall import FigureMemory
from streamer.families.chain.wishing import Wishes
from streamer.generators.base import Choosing
from streamer.generators.stats import GenerationStats
from streamer.music.notes import ARGUMENTS, Note, NoteArray, Phrase, from_array, to_array

LEAST_HEARD = 8
"""Of fewer notes of a person nobody can say how dense or loud they are."""

DUET_MEMORY_NOTES = 24.0
"""Notes over which it is forgotten how the music was: an answer is to be like its call."""

MOST_HEARD = 128
"""And of more it is the last ones that count."""


class Past(Choosing):
    """The past of a chain; base of its generator. One thread.

    Args:
        engine: Plays a ``step`` bundle.
        settings: How much of the past counts.
        rng: All randomness.
        ear: Hears what was played; None where there is none.
    """

    counts_length: ClassVar[bool] = True
    marked = (
        *Choosing.marked, "_rng", "_homing", "_until_mood", "_state", "_past", "_memory",
        "_velocity", "_end_ms", "_cut_ms", "_since_anew", "_keys", "_ear", "_heard", "_at_once",
        "_origin_ms", "_beat_ms", "_lost", "_wishes",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, settings: StepSettings, rng: np.random.Generator, ear: Ear | None
    ) -> None:
        super().__init__(settings.candidates, GenerationStats())
        self._ear, self._engine, self._settings, self._rng = ear, engine, settings, rng
        self._codec = codec_as(engine.bundle.codec, ChainCodec)
        statistics = engine.bundle.manifest.statistics
        self._bound = CellBound(statistics)
        self._homing = Homing(statistics, self._codec, settings.homing)
        width = engine.further_inputs.get(ASKED_INPUT, (0,))[-1]
        self._wishes = Wishes(self._homing, rng, statistics, int(width))
        self._until_mood = 0
        self._state = engine.initial_state(1)
        # None where the bundle knows no law of two hands; otherwise exact, unlike the graph's own.
        self._keys = self._state.arrays.get(KEYS_STATE)
        # Each with the time since the note before it: phrases may be missing in between.
        self._past: deque[tuple[float, Note]] = deque(maxlen=settings.past_notes)
        self._memory = FigureMemory(settings.recall)
        self._velocity = 0
        self._end_ms = self._cut_ms = 0.0
        # Beats, which chords alone ask for, are counted from where the stream begins.
        self._origin_ms, self._beat_ms = 0.0, settings.beat_ms
        self._since_anew = 0
        self._heard: deque[Note] = deque(maxlen=MOST_HEARD)
        self._at_once = False
        self._lost = False  # whether no candidate of the last phrase passed the filters

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
        self._end_ms = self._origin_ms = played[-1].onset_ms
        self._remember(played, played[0].onset_ms)
        self._memory.add(played)
        if self._ear is not None:
            self._ear.begin(notes)
        recent = played[-self._settings.past_notes :]
        self._watch_keys(played, played[0].onset_ms)
        self._be_like(recent)
        self._build_anew()

    def hear(self, notes: Sequence[Note]) -> None:
        """Take in what a person plays (:meth:`streamer.generators.base.Listener.hear`).

        The model is given their classes as if it had drawn them.
        """
        place_ms = max(self._end_ms, self._cut_ms)
        heard = on_piano(to_array(replace(n, onset_ms=place_ms + n.onset_ms) for n in notes))
        self._cut_ms = place_ms + max(note.onset_ms for note in notes)
        if not len(heard):
            return
        if not self._past:
            self._end_ms = float(heard["onset_ms"][0])  # the first note of all has no shift
        known = self._known_state()
        state = follow(self._engine, self._codec, known, heard, self._end_ms, self._velocity)
        state, outside = self._bound.apply(state)
        self._state, self._velocity = state, int(heard["velocity"][-1])
        self._stats.clamped += outside
        played = from_array(heard)
        self._watch_keys(played, self._end_ms)
        self._remember(played, self._end_ms)
        self._memory.add(played)
        self._heard.extend(played)
        self._end_ms = played[-1].onset_ms
        self._since_anew += len(played)

    @property
    def accompanies(self) -> bool:
        """No: what is played meanwhile would be its own past."""
        return False

    def follow(self) -> bool:
        """Return that nothing changes."""
        return False

    def rest(self, silent_ms: float) -> None:
        """Take note of silence (:meth:`streamer.generators.base.Listener.rest`).

        Home, and what selection compares with, is now what the person has played.
        """
        self._cut_ms = max(self._end_ms, self._cut_ms) + silent_ms
        self._at_once = True
        if len(self._heard) >= LEAST_HEARD:
            self._be_like(tuple(self._heard), DUET_MEMORY_NOTES)
        if self._heard and self._ear is not None:
            self._ear.begin(to_array(self._past_notes()))
        self._heard.clear()

    def _be_like(self, notes: tuple[Note, ...], memory_notes: float = MEMORY_NOTES) -> None:
        """Let home be what these notes are like, for as long as a mood lasts."""
        unknown = np.zeros((len(notes), len(ARGUMENTS)), dtype=np.float32)
        like = Phrase(notes, unknown, notes[0].onset_ms, notes[-1].onset_ms)
        self._homing.begin_as(like, memory_notes)
        self._until_mood = self._settings.mood_notes

    def _known_state(self) -> State:
        """Return the model's state, with the keys as they are known exactly."""
        keys = self._keys
        return self._state if keys is None else self._state.replace(**{KEYS_STATE: keys})

    def _watch_keys(self, notes: Sequence[Note], since_ms: float) -> None:
        if self._keys is not None:
            self._keys = keys_after(notes, self._keys, since_ms)

    def _remember(self, notes: Sequence[Note], start_ms: float) -> None:
        for note in notes:
            self._past.append((note.onset_ms - start_ms, note))
            start_ms = note.onset_ms

    def _past_notes(self) -> list[Note]:
        """Return the recent past, phrases that are missing in it closed up."""
        onset_ms = np.cumsum([shift_ms for shift_ms, _ in self._past]).tolist()
        return [replace(n, onset_ms=t) for t, (_, n) in zip(onset_ms, self._past, strict=True)]

    def _build_anew(self) -> None:
        """Build the state from the recent past alone, as if a piece had begun there."""
        past = to_array(self._past_notes())
        self._velocity = int(past["velocity"][-1]) if len(past) else 0
        state, _ = self._bound.apply(feed(self._engine, self._codec, past))
        self._state = state
        self._since_anew = 0
        self._stats.reprimes += 1
