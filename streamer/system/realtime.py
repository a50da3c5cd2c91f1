"""What the system can do for punctual threads: real-time priority, timer slack, quiet collections.

:func:`become_realtime` belongs inside the timing thread, :func:`step_back` inside threads that can
wait, :func:`settle` after everything is loaded. Each works as far as the system allows, and says so
in the log when it does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import logging
import os
import sys
import threading

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0008
"""How long a thread may keep the interpreter from another that asks for it.

It is below the millisecond for which the timing thread is awake before each deadline, and above
half of it: the timing thread then has the interpreter in time, and is not asked to give it back
before it has sent."""

NICEST = 19

_PR_SET_TIMERSLACK = 29


def become_realtime(priority: int) -> str:
    """Give the calling thread, and no other, real-time priority where that is allowed.

    Args:
        priority: 1..99 of SCHED_FIFO; 0 asks for nothing.

    Returns:
        The policy that holds now: ``"SCHED_FIFO 50"`` or ``"SCHED_OTHER"``.
    """
    _tighten_timer()
    if not priority:
        return "SCHED_OTHER"
    if not hasattr(os, "sched_setscheduler"):
        logger.info("this system has no SCHED_FIFO; notes may be some milliseconds late")
        return "SCHED_OTHER"
    try:
        policy = take_priority(priority)
    except OSError as error:
        logger.warning(
            "no real-time priority %d (%s): notes may be some milliseconds late; allow it with "
            "LimitRTPRIO=%d in the service, or rtprio for the group audio in "
            "/etc/security/limits.d",
            priority,
            error.strerror,
            priority,
        )
        return "SCHED_OTHER"
    logger.info("the timing thread runs at real-time priority %s", policy)
    return policy


def take_priority(priority: int) -> str:
    """Give the calling thread a priority of SCHED_FIFO, and say nothing of it.

    Args:
        priority: In range 1..99.

    Returns:
        The policy that holds now.

    Raises:
        OSError: This user may not have it, or the system has no SCHED_FIFO.
    """
    if not hasattr(os, "sched_setscheduler"):
        raise OSError(errno.ENOSYS, "this system has no SCHED_FIFO")
    # On Linux pid 0 is the calling thread. RESET_ON_FORK: a child (fluidsynth) starts as usual.
    policy = os.SCHED_FIFO | getattr(os, "SCHED_RESET_ON_FORK", 0)
    os.sched_setscheduler(0, policy, os.sched_param(priority))
    return f"SCHED_FIFO {priority}"


def step_back(steps: int = 5) -> None:
    """Let the calling thread, and no other, yield to the rest of the program; Linux only.

    Args:
        steps: How much nicer than it was: who gives the service a place before others (Nice=)
            means all of it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + steps
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, NICEST))


def settle() -> None:
    """Collect garbage once and leave all that is loaded out of later collections.

    A full collection then takes microseconds instead of 4-25 ms (docs/design/engine.md). Called
    once the bundle and the session are there, before the first note.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def _tighten_timer() -> None:
    """Ask for timers that are not put off by 50 us, as those of common threads are."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
