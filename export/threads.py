"""A function of torch on one thread, whatever the process has set."""

from __future__ import annotations

from collections.abc import Callable


def on_one_thread(play: Callable[[], int]) -> Callable[[], int]:
    """Return the function with torch on one thread while it runs, and as it was afterwards.

    Raises:
        ImportError: torch is not installed.
    """
    import torch

    def played() -> int:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return play()
        finally:
            torch.set_num_threads(before)

    return played
