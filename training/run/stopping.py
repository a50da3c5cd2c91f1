"""A training that is told to stop: SIGINT and SIGTERM become a number that is read between updates.

In: signals. Out: :class:`StopTraining`, raised where everything can be saved. Main thread.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StopTraining(Exception):
    """Raised between updates after SIGINT or SIGTERM; ``signum`` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextmanager
def stop_flag() -> Iterator[Callable[[], int]]:
    """Turn SIGINT and SIGTERM into a number that the loop reads between updates."""
    seen = [0]

    def note(signum: int, _frame: Any) -> None:
        seen[0] = signum

    old = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: seen[0]
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)
