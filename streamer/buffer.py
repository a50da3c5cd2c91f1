"""The rolling buffer: phrases that are written and not yet played, a few seconds of music.

In: phrases from the generator thread. Out: the same phrases, in order, to the scheduler. It is
measured in seconds of music, between two marks: above the high one the generator rests, below the
low one it is in a hurry. Events, time bases and underruns are the scheduler's matter.
"""

from __future__ import annotations

import threading
from collections import deque

from streamer.clock import Wake
from streamer.notes import Phrase


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
        self._phrases: deque[Phrase] = deque()
        self._end_ms = 0.0
        self._played_ms = 0.0
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

    def put(self, phrase: Phrase) -> None:
        """Add the next phrase; it never waits, the marks are for :meth:`wait_for_space`.

        Raises:
            ValueError: The phrase starts before the end of the one before it.
            RuntimeError: The buffer is closed.
        """
        with self._space:
            if self._closed:
                raise RuntimeError("the buffer is closed")
            first_ms = phrase.notes[0].onset_ms if phrase.notes else phrase.end_ms
            if min(first_ms, phrase.end_ms) < self._end_ms:
                raise ValueError(
                    f"a phrase must not start before {self._end_ms} ms, where the one before it "
                    f"ends, but this one starts at {first_ms} ms"
                )
            self._phrases.append(phrase)
            self._end_ms = phrase.end_ms
        self.filled.set()

    def take(self) -> Phrase | None:
        """Return the next phrase and forget it, or None when there is none."""
        with self._space:
            return self._phrases.popleft() if self._phrases else None

    def played(self, now_ms: float) -> None:
        """Say how far the stream has come, in its own ms; with room, the generator wakes."""
        with self._space:
            self._played_ms = now_ms
            if self._closed or self.seconds_ahead(now_ms) < self.high_seconds:
                self._space.notify_all()

    def seconds_ahead(self, now_ms: float | None = None) -> float:
        """Return how much music is written beyond the present, in seconds, 0 or more.

        Args:
            now_ms: The present in ms of the stream; None takes what :meth:`played` was told last.
        """
        with self._space:
            present_ms = self._played_ms if now_ms is None else now_ms
            return max(self._end_ms - present_ms, 0.0) / 1000.0

    @property
    def is_low(self) -> bool:
        """Whether the generator should hurry."""
        return self.seconds_ahead() < self.low_seconds

    def wait_for_space(self, timeout: float | None = None) -> bool:
        """Wait until there is less music than the high mark; called by the generator thread.

        Args:
            timeout: Seconds after which to give up; None waits for ever.

        Returns:
            Whether there is room. Never when the buffer is closed, and then at once.
        """
        with self._space:
            self._space.wait_for(self._has_space_or_closed, timeout)
            return not self._closed and self.seconds_ahead() < self.high_seconds

    def _has_space_or_closed(self) -> bool:
        return self._closed or self.seconds_ahead() < self.high_seconds

    def clear(self) -> int:
        """Forget all phrases not yet taken and return how many; the next must follow the last."""
        with self._space:
            dropped = len(self._phrases)
            if dropped:
                self._end_ms = self._phrases[0].start_ms
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
