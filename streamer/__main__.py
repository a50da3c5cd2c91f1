"""Where ``perpetuo`` begins: nothing is imported before a signal can end it in order.

In: the arguments of the process. Out: its exit status. Until there is anything to end in order,
SIGINT and SIGTERM end the process at once with the status that a shell expects, also in the middle
of an import. Thread: main.
"""

# Built in: `signal` and its enum take milliseconds, in which Python itself would answer SIGINT.
from _signal import (  # type: ignore[import-not-found]
    SIG_IGN,
    SIGINT,
    SIGTERM,
    getsignal,
    signal,
)
from os import _exit

PATIENCE_SECONDS = 0.1
"""How long a thread may take to end when all else is done."""


def _leave(number: int, frame: object) -> None:
    _exit(128 + number)


def main() -> int:
    """Run the command and return its exit status; the entry point of the process."""
    for number in (SIGINT, SIGTERM):
        if getsignal(number) != SIG_IGN:  # what runs in the background stays there
            signal(number, _leave)
    from streamer.cli import main as run

    status = run()
    _leave_behind(status)
    return status


def _leave_behind(status: int) -> None:
    """End the process at once where a thread does not end: within a library, it would abort it."""
    import threading

    others = [one for one in threading.enumerate() if one is not threading.main_thread()]
    for thread in others:
        thread.join(PATIENCE_SECONDS)
    if any(thread.is_alive() for thread in others):
        _exit(status)


if __name__ == "__main__":
    import sys

    sys.exit(main())
