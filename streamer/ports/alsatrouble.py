"""Why ALSA's sequencer cannot be used on this machine, in a few words with the remedy.

In: its device node. Out: a line, or None. Any thread.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

ALSA_SEQUENCER = Path("/dev/snd/seq")

NO_ROOM = (
    "ALSA has no room for another client; close a few programs that use MIDI, or find the one that "
    "leaks in /proc/asound/seq/clients"
)


def alsa_problem(node: Path = ALSA_SEQUENCER, *, another: bool = False) -> str | None:
    """Say why ALSA's sequencer cannot be used, with the remedy; None when it can.

    RtMidi has one text for all of these. To open the node is to be a client for a moment.

    Args:
        node: Its device node.
        another: Whether room for another client is wanted: where there is none, what is open
            plays on all the same.
    """
    try:
        os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK))
    except PermissionError:
        return (
            f"{node} may not be opened; add the user to the group audio "
            "(sudo usermod -aG audio $USER), and log in again"
        )
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return f"there is no ALSA sequencer ({node}; sudo modprobe snd-seq)"
        if another and error.errno == errno.ENOMEM:
            return NO_ROOM
        # RtMidi's own attempt gives the last word.
        return None
    return None
