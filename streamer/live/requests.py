"""What other threads ask of the scheduler: to end, to be silent, to stand still, to say something.

In: calls from any thread. Out: flags and queues that the scheduler looks at in its next turn, and a
wake so that the turn comes at once. No caller waits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

from streamer.system.clock import Wake


class Requests:
    """Requests that wait for the scheduler's thread; any thread makes them.

    Args:
        wake: Ends the scheduler's wait.
    """

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._to_mute = frozenset[int]()
        self._stop, self._panic, self._pause, self._halt = (threading.Event() for _ in range(4))
        self._hush, self._yield, self._cut_off = (threading.Event() for _ in range(3))
        self._level = 1.0

    def stop(self) -> None:
        """End the run within a moment; what sounds is silenced by it."""
        self._stop.set()
        self._wake.set()

    def panic(self) -> None:
        """Silence everything at once, tails too; the music goes on after it."""
        self._panic.set()
        self._wake.set()

    def let_go(self, *, cut: bool = False) -> None:
        """Strike nothing more of what was taken from the buffer; the stream's time runs on.

        What sounds ends when it was to end, and the pedal comes up with it.

        Args:
            cut: End what sounds at once, and lift the pedal.
        """
        if cut:
            self._cut_off.set()
        self._yield.set()
        self._wake.set()

    def pause(self) -> None:
        """Silence everything and hold the music where it is."""
        self._pause.set()
        self._wake.set()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._pause.clear()
        self._wake.set()

    def dim(self, level: float) -> None:
        """Let notes be so loud from now on, 0..1 of what they are; 0 holds the music, silent.

        Raises:
            ValueError: ``level`` is out of range.
        """
        if not 0 <= level <= 1:
            raise ValueError(f"level must be in range 0..1, not {level}")
        # Held first and let go last: at level 0 notes are as loud as they are written.
        if level == 0:
            self._hush.set()
            self._level = level
        else:
            self._level = level
            self._hush.clear()
        self._wake.set()

    def mute(self, channels: frozenset[int]) -> None:
        """Let these channels be silent from now on, and no others: what sounds there ends.

        The music goes on in silence: a channel that is let go is heard from its next note on.
        """
        self._to_mute = channels
        self._wake.set()

    def tell(self, messages: Iterable[bytes]) -> None:
        """Send control or program changes now, and to each synth that comes from now on."""
        for message in messages:
            self._said.put(message)
        self._wake.set()

    @property
    def paused(self) -> bool:
        """Whether the music is held by :meth:`pause`."""
        return self._pause.is_set()

    @property
    def halted(self) -> bool:
        """Whether the music is held by another machine's Stop."""
        return self._halt.is_set()

    @property
    def hushed(self) -> bool:
        """Whether the music is held because it has faded out (:meth:`dim`)."""
        return self._hush.is_set()
