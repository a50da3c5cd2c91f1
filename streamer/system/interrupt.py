"""What ends the work of one stream, and of no other, from outside of it.

In: a wish to end, from any thread. Out: everything that listens is told, once. Made by whoever runs
a stream and handed to what may take long in it: inference above all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Interrupt:
    """Ends what listens to it, now and from now on; any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []
        self._ended = False

    def listen(self, end: Callable[[], object]) -> None:
        """Let ``end`` be called when the work is to end; at once where it has ended already."""
        with self._lock:
            self._ends.append(end)
            if self._ended:
                end()

    def end_runs(self) -> None:
        """End the run that is under way, and every later one."""
        with self._lock:
            self._ended = True
            for end in self._ends:
                end()
