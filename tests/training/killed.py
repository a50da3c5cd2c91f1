"""A run that gets SIGTERM in the middle of an epoch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any


def killed_at(update: int, task: Any) -> Any:
    """Return a task that is as it was, but for one batch: as it is handed out, SIGTERM arrives.

    Args:
        update: The update that this batch is for, from 1, counted over all epochs.
        task: Any task of the training loop.
    """
    hand_out, given = task.batches, 0

    def batches(epoch: int) -> Iterator[Any]:
        nonlocal given
        for batch in hand_out(epoch):
            given += 1
            if given == update:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    task.batches = batches
    return task
