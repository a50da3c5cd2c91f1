"""The rolling buffer: phrases that are written and not yet played, a few seconds of music.

In: phrases from the generator thread. Out: the same phrases, in order, to the scheduler. It is
measured in seconds of music, between two marks: above the high one the generator rests, below the
low one it is in a hurry. Events, time bases and underruns are the scheduler's matter.

What has begun is remembered until it has ended, so that another phrase can take the place of its
rest: the scheduler then finds a cut, and lets go of what it holds from there on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamer.music.notes import Phrase
from streamer.system.clock import Wake

MOST_ENDED = 4
"""Phrases that are remembered after they have ended."""


class RollingBuffer:
    """A queue of phrases with a low and a high water mark; any thread may call any method.

    Attributes:
        low_seconds: Below this much music ahead the generator is in a hurry.
        high_seconds: From this much on the generator rests.
        filled: Set whenever the scheduler has reason to look: a phrase came, or no more will.
    """

    def __init__(self, low_seconds: float, high_seconds: float) -> None:
        """Make an empty buffer.

        Raises:
            ValueError: The marks are not 0 < low < high.
        """
        self._space = threading.Condition()
        self.low_seconds, self.high_seconds = low_seconds, high_seconds
        self.set_marks(low_seconds, high_seconds)
        self.filled = Wake()
        self._phrases: deque[tuple[Phrase, Any]] = deque()
        self._begun: deque[tuple[Phrase, Any]] = deque()
        self._ended: deque[Phrase] = deque(maxlen=MOST_ENDED)
        self._cut_ms: float | None = None
        self._turn = 0
        self._roused = False
        self._end_ms = 0.0
        self._played_ms = 0.0
        self._played_at: float | None = None
        self._rate = 1.0
        self._underruns = 0
        self._closed = False

    def set_marks(self, low_seconds: float, high_seconds: float) -> None:
        """Move the marks; what is written already is played all the same.

        Raises:
            ValueError: The marks are not 0 < low < high.
        """
        if not 0 < low_seconds < high_seconds:
            raise ValueError(
                f"low_seconds must be in range 0..{high_seconds} (high_seconds), not {low_seconds}"
            )
        with self._space:
            self.low_seconds, self.high_seconds = low_seconds, high_seconds
            self._space.notify_all()

    def put(self, phrase: Phrase, before: Any = None, turn: int | None = None) -> bool:
        """Add the next phrase; it never waits, the marks are for :meth:`wait_for_space`.

        Args:
            phrase: Follows the one before it.
            before: What it takes to write it again; :meth:`from_place` gives it back.
            turn: In which it was drawn; None where no turns are taken.

        Returns:
            Whether it was added: not where its turn is over (:meth:`forget`).

        Raises:
            ValueError: The phrase starts before the end of the one before it.
            RuntimeError: The buffer is closed.
        """
        with self._space:
            if self._closed:
                raise RuntimeError("the buffer is closed")
            if self._is_over(turn):
                return False
            first_ms = phrase.notes[0].onset_ms if phrase.notes else phrase.end_ms
            if min(first_ms, phrase.end_ms) < self._end_ms:
                raise ValueError(
                    f"a phrase must not start before {self._end_ms} ms, where the one before it "
                    f"ends, but this one starts at {first_ms} ms"
                )
            self._phrases.append((phrase, before))
            self._end_ms = phrase.end_ms
        self.filled.set()
        return True

    def take(self) -> Phrase | None:
        """Return the next phrase, or None when there is none, or a cut comes before it."""
        with self._space:
            if not self._phrases or self._cut_ms is not None:
                return None
            self._begun.append(self._phrases.popleft())
            return self._begun[-1][0]

    def take_cut(self) -> float | None:
        """Return the place in ms of the stream from which on what was taken is not played.

        Each cut is given once; None where there is none.
        """
        with self._space:
            cut_ms, self._cut_ms = self._cut_ms, None
            return cut_ms

    def played(self, now_ms: float, rate: float = 1.0, at: float | None = None) -> None:
        """Say how far the stream has come, and how fast it runs; with room, the generator wakes.

        Args:
            now_ms: The present in ms of the stream.
            rate: How many times as fast as written it is played, above 0.
            at: The present in seconds of the clock; None where the stream stands.
        """
        with self._space:
            self._played_ms, self._rate, self._played_at = now_ms, rate, at
            while self._begun and self._begun[0][0].end_ms <= now_ms:
                self._ended.append(self._begun.popleft()[0])
            if self._closed or self.seconds_ahead(now_ms) < self.high_seconds:
                self._space.notify_all()

    def seconds_ahead(self, now_ms: float | None = None) -> float:
        """Return how much music is written beyond the present, in seconds as heard, 0 or more.

        Args:
            now_ms: The present in ms of the stream; None takes what :meth:`played` was told last.
        """
        with self._space:
            present_ms = self._played_ms if now_ms is None else now_ms
            return max(self._end_ms - present_ms, 0.0) / (1000.0 * self._rate)

    @property
    def rate(self) -> float:
        """How many times as fast as written the stream is played."""
        return self._rate

    @property
    def is_low(self) -> bool:
        """Whether the generator should hurry."""
        return self.seconds_ahead() < self.low_seconds

    def wait_for_space(self, timeout: float | None = None) -> bool:
        """Wait until there is less music than the high mark; called by the generator thread.

        Args:
            timeout: Seconds after which to give up; None waits for ever.

        Returns:
            Whether there is room. Never when the buffer is closed, and then at once; at once too
            after :meth:`rouse`.
        """
        with self._space:
            self._space.wait_for(self._is_wanted, timeout)
            self._roused = False
            return not self._closed and self.seconds_ahead() < self.high_seconds

    def _is_wanted(self) -> bool:
        return self._closed or self._roused or self.has_space

    @property
    def has_space(self) -> bool:
        """Whether there is less music than the high mark."""
        return self.seconds_ahead() < self.high_seconds

    def rouse(self) -> None:
        """End :meth:`wait_for_space` at once, or the next one: there is something else to do."""
        with self._space:
            self._roused = True
            self._space.notify_all()

    def place_ms(self, now: float, ahead_seconds: float = 0.0) -> float:
        """Return a place in ms of the stream.

        Args:
            now: The present in seconds of the clock.
            ahead_seconds: How long after the present, as heard.
        """
        with self._space:
            seconds = ahead_seconds
            if self._played_at is not None:
                seconds += max(now - self._played_at, 0.0)
            return self._played_ms + seconds * 1000.0 * self._rate

    def from_place(self, place_ms: float) -> list[tuple[Phrase, Any]]:
        """Return the phrases that end after a place, in order, each with what :meth:`put` was told.

        Args:
            place_ms: In ms of the stream, not before the present.
        """
        with self._space:
            return [one for one in (*self._begun, *self._phrases) if one[0].end_ms > place_ms]

    def heard(self, place_ms: float) -> list[Phrase]:
        """Return what has begun by a place, newest first: what sounds, and the last that ended."""
        with self._space:
            phrases = [*self._ended, *(phrase for phrase, _ in self._begun)]
        return [phrase for phrase in reversed(phrases) if phrase.start_ms <= place_ms]

    @property
    def end_ms(self) -> float:
        """Where what is written ends, in ms of the stream."""
        with self._space:
            return self._end_ms

    def replace(
        self, fresh: Sequence[tuple[Phrase, Any]], least_ms: float, turn: int | None = None
    ) -> bool:
        """Let phrases take the place of all that begins after the start of the first.

        Notes that have begun by then, or begin before it, stay as they are.

        Args:
            fresh: Phrases in order, 1 or more, with what :meth:`put` is told of each; the first
                starts within what is written, or at its end.
            least_ms: It must not start before this, in ms of the stream.
            turn: In which they were drawn; None where no turns are taken.

        Returns:
            Whether they did: not where they come too late, their turn is over, or the buffer is
            closed. Then nothing is changed.
        """
        start_ms = fresh[0][0].start_ms
        with self._space:
            if self._closed or start_ms < least_ms or self._is_over(turn):
                return False
            while self._phrases and self._phrases[-1][0].start_ms >= start_ms:
                self._phrases.pop()
            while self._begun and self._begun[-1][0].start_ms >= start_ms:
                self._begun.pop()
            for phrases in (self._phrases, self._begun):
                if phrases and phrases[-1][0].end_ms > start_ms:
                    last, its = phrases.pop()
                    phrases.append((until(last, start_ms), its))
            self._phrases.extend(fresh)
            self._end_ms = fresh[-1][0].end_ms
            cut_ms = self._cut_ms
            self._cut_ms = start_ms if cut_ms is None else min(cut_ms, start_ms)
        self.filled.set()
        return True

    def forget(self, now: float, turn: int) -> tuple[float, list[tuple[Phrase, Any]]]:
        """Let a turn begin in which nothing is written yet: forget all that has not begun.

        What is drawn in an earlier turn is not put any more.

        Args:
            now: The present in seconds of the clock.
            turn: Its number, above those before it.

        Returns:
            The present in ms of the stream, and what of the phrases ended after it, as
            :meth:`from_place`.
        """
        with self._space:
            self._turn = turn
            place_ms = self.place_ms(now)
            forgotten = self.from_place(place_ms)
            self._phrases.clear()
            self._ended.extend(
                until(phrase, place_ms) for phrase, _ in self._begun if phrase.start_ms < place_ms
            )
            self._begun.clear()
            self._end_ms = min(self._end_ms, place_ms)
            self._cut_ms = place_ms if self._cut_ms is None else min(self._cut_ms, place_ms)
            self._roused = True
            self._space.notify_all()
        self.filled.set()
        return place_ms, forgotten

    def _is_over(self, turn: int | None) -> bool:
        return turn is not None and turn < self._turn

    def clear(self) -> int:
        """Forget all phrases not yet taken and return how many; the next must follow the last."""
        with self._space:
            dropped = len(self._phrases)
            if dropped:
                self._end_ms = self._phrases[0][0].start_ms
            self._phrases.clear()
            self._space.notify_all()
        return dropped

    def count_underrun(self) -> None:
        """Count one: the scheduler had to put off the music because it came too late."""
        with self._space:
            self._underruns += 1

    @property
    def underruns(self) -> int:
        """How often music came too late, so that a rest was lengthened."""
        with self._space:
            return self._underruns

    def close(self) -> None:
        """End the stream: nothing more is put, what is here is still played, waits end."""
        with self._space:
            self._closed = True
            self._space.notify_all()
        self.filled.set()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        with self._space:
            return self._closed

    def __len__(self) -> int:
        with self._space:
            return len(self._phrases)


def until(phrase: Phrase, end_ms: float) -> Phrase:
    """Return a phrase without what begins at a place or after it."""
    kept = sum(note.onset_ms < end_ms for note in phrase.notes)
    programs = tuple(one for one in phrase.programs if one.onset_ms < end_ms)
    return replace(
        phrase,
        notes=phrase.notes[:kept],
        entropies=phrase.entropies[:kept],
        end_ms=end_ms,
        programs=programs,
    )
