"""What a generator is to the rest of the stream: phrases, one after the other, without end.

Families differ behind this: the daemon, the buffer and the scheduler never ask which one runs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from streamer.generators.harmony import KeyWalk, harmony_of
from streamer.generators.stats import GenerationStats
from streamer.music.harmony import Harmony
from streamer.music.notes import Note, Phrase
from streamer.music.pulse import Pulse
from streamer.settings.controls import Controls
from streamer.system.clock import Clock
from streamer.system.marks import Mark, Marked

LEAST_MS = 1.0
"""A note is at least this long, and begins at least this long before the end of its phrase."""


class Generator(Protocol):
    """Draws, filters, ranks and commits phrases. All methods belong to one thread."""

    @property
    def stats(self) -> GenerationStats:
        """Running figures; other threads may read them."""
        ...

    @property
    def beat_ms(self) -> float | None:
        """Length of a quarter in its phrases' time, above 0; beats are counted from 0 ms.

        None in free time.
        """
        ...

    @property
    def bar_beats(self) -> float | None:
        """Quarters of a bar in the phrase that was returned last; None where none are counted."""
        ...

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase of the stream.

        Args:
            notes: Its length; None takes the model's own. The first may be short, to sound soon.

        Raises:
            EngineError: The model cannot be run.
        """
        ...

    def mark(self) -> Any:
        """Return where the stream stands, cheaply: a plain value to go back to."""
        ...

    def go_back(self, mark: Any) -> None:
        """Let the next phrase be the one that followed :meth:`mark`, drawn again.

        What phrases before it have promised over their end stays. With the same controls the same
        phrase is drawn.

        Raises:
            EngineError: The model cannot be run.
        """
        ...

    @property
    def trail(self) -> Any:
        """What it takes to cut the phrase that was returned last: a plain value.

        None where it can only be heard to its end.
        """
        ...

    def cut(self, trail: Any, phrase: Phrase, least_ms: float) -> float | None:
        """Go back to within a phrase: the next one takes the place of its rest.

        What of the phrase begins before the cut stays, and sounds as long as it was to.

        Args:
            trail: :attr:`trail` after the phrase.
            phrase: The same, or what earlier cuts have left of it, wherever in the stream it lies.
            least_ms: So much of it stays at least, ms from its start, above 0.

        Returns:
            How much of it stays, ms: the next phrase starts there, and nothing in it begins before.
            None where that would be all of it; then nothing has changed.

        Raises:
            EngineError: The model cannot be run.
        """
        ...

    @property
    def candidates(self) -> int:
        """How many candidates a phrase is drawn."""
        ...

    def set_candidates(self, candidates: int) -> None:
        """Draw this many candidates a phrase from now on, 1 or more."""
        ...


class ChannelMixer(Protocol):
    """The mixing desk of music with tracks, each on a channel; any thread."""

    @property
    def names(self) -> dict[int, str]:
        """The name of the track on each channel, 0..15."""
        ...

    def muted(self, controls: Controls) -> frozenset[int]:
        """Return the channels that are silent, 0..15."""
        ...

    def audible(self, controls: Controls) -> tuple[str, ...]:
        """Return the names of the tracks that are heard."""
        ...

    def silent(self, controls: Controls) -> tuple[str, ...]:
        """Return the names of the tracks that are not."""
        ...

    def volumes(self, controls: Controls) -> list[bytes]:
        """Return the messages that set the channels' volumes."""
        ...

    def greeting(self, controls: Controls) -> list[bytes]:
        """Return what a synth is told before it plays, volumes among it."""
        ...


class Listener(Protocol):
    """A generator that takes in what a person plays, as if it had drawn it itself.

    Times are counted from where its next phrase would start. All methods belong to the generator's
    thread.
    """

    @property
    def counts_length(self) -> bool:
        """Whether it is told again of notes whose length was not known when it was told first.

        What :meth:`hear` changes is in the generator's marks then.
        """
        ...

    @property
    def accompanies(self) -> bool:
        """Whether it can take notes in while it plays."""
        ...

    def follow(self) -> bool:
        """Draw by what was heard while the music goes on; return whether that is something else."""
        ...

    def hear(self, notes: Sequence[Note]) -> None:
        """Take in notes: the next phrase goes on from the last of them.

        Args:
            notes: Sorted by onset, one or more. Those that the model has no keys for are left out.

        Raises:
            EngineError: The model cannot be run.
        """
        ...

    def rest(self, silent_ms: float) -> None:
        """Take note that nothing was struck for so long: the next phrase starts after it.

        Its first note falls on its start.

        Args:
            silent_ms: 0 or more.
        """
        ...


class Turns(Protocol):
    """Takes turns with a person who plays: a phrase is drawn when theirs is over.

    :meth:`hear`, :meth:`see` and :meth:`wait` belong to one thread each; the others to any.
    """

    @property
    def bar_beats(self) -> float:
        """Quarters of a bar."""
        ...

    def hear(self, message: bytes, at: float) -> None:
        """Take in a note message, ``at`` in seconds of the clock; the input's thread."""
        ...

    def see(self, pulse: Pulse) -> None:
        """Take note of where the music is; the scheduler's thread."""
        ...

    def wait(self, clock: Clock) -> bool:
        """Wait until the next phrase is to be drawn; False when there is none any more."""
        ...

    def seconds_left(self, now: float) -> float:
        """Return the seconds from ``now`` to the line at which the next phrase begins."""
        ...

    def close(self) -> None:
        """End every wait."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a family makes of a bundle (:attr:`streamer.registry.Family.open`).

    Attributes:
        generator: Draws and chooses.
        mixer: Of music with tracks; None where there are none.
        turns: With a person who plays; None where the music plays by itself.
        listener: Takes in what a person plays; None where nothing does.
    """

    generator: Generator
    mixer: ChannelMixer | None = None
    turns: Turns | None = None
    listener: Listener | None = None


class Choosing(Marked):
    """What all generators have: running figures, and how many candidates a phrase is drawn.

    Args:
        candidates: At the start, 1 or more.
        stats: Figures that it fills.
    """

    marked: ClassVar[tuple[str, ...]] = ("_stats", "_keys_walked")
    bar_beats: float | None = None
    """See :attr:`Generator.bar_beats`."""
    trail: Any = None
    """See :attr:`Generator.trail`; a family that can cut its phrases says what it needs for it."""

    def __init__(self, candidates: int, stats: GenerationStats) -> None:
        self._candidates, self._stats = candidates, stats
        self._keys_walked = KeyWalk()

    @property
    def stats(self) -> GenerationStats:
        """Running figures; other threads may read them."""
        return self._stats

    @property
    def candidates(self) -> int:
        """How many candidates a phrase is drawn, when nothing lowers it."""
        return self._candidates

    def set_candidates(self, candidates: int) -> None:
        """Draw this many candidates a phrase from now on.

        Raises:
            ValueError: Below 1.
        """
        if candidates < 1:
            raise ValueError(f"candidates must be 1 or more, not {candidates}")
        self._candidates = candidates

    def cut(self, trail: Any, phrase: Phrase, least_ms: float) -> float | None:
        """Return None: a phrase is heard to its end (:meth:`Generator.cut`)."""
        del trail, phrase, least_ms
        return None

    def _harmony(self, controls: Controls) -> Harmony | None:
        """Return what chords and keys ask of the next phrase; None where nothing is asked."""
        return harmony_of(controls, self._keys_walked.key(controls))

    def _count(self, controls: Controls) -> int:
        """Return how many are drawn now: no more than the live control allows."""
        return min(self._candidates, controls.candidates or self._candidates)


def onset_within(onset_ms: float, start_ms: float, end_ms: float) -> float:
    """Return an onset within a phrase, wherever a player has moved it to; all in ms."""
    return min(max(onset_ms, start_ms), max(start_ms, end_ms - LEAST_MS))


class Ahead(Choosing):
    """What generators have that choose a section ahead of the one that they give.

    A section is given when its successor is known, so that what sounds over the line between them
    is one note. When it is taken back, the one that was chosen ahead is chosen again too: what was
    told of it before the line, its held notes, stays as it was told.

    Attributes:
        told: Names of the attributes that say what was told before the line.
    """

    told: ClassVar[tuple[str, ...]] = ()
    _before_next: Mark | None = None

    def mark(self) -> Any:
        """Return where the stream stands, and where the section ahead was chosen."""
        return self._before_next, super().mark()

    def go_back(self, mark: Any, only: Collection[str] | None = None) -> None:
        """Choose the section ahead of a mark again (:meth:`Generator.go_back`)."""
        before_next, whole = mark
        self._before_next = before_next
        if before_next is None:
            super().go_back(whole, only)
            return
        super().go_back(before_next)
        self._choose_ahead()
        super().go_back(whole, self.told)

    def _note_ahead(self) -> None:
        """Take note of where the section ahead is about to be chosen."""
        self._before_next = super().mark()

    def _choose_ahead(self) -> None:
        """Choose the section after the last that was chosen."""
        raise NotImplementedError
