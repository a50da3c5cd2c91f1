"""The end of a stream: no thread is left inside ONNX Runtime, which would abort the process.

In: the generator's thread, to which nobody listens any more. Called by the daemon's main thread.
"""

from __future__ import annotations

import logging
import threading

from streamer.engine import interrupt

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.25
"""How long a phrase may take to be finished before it is given up, and between two tries."""

END_SECONDS = 5.0
"""How long a thread may take to end after that."""


def give_up_drawing(thread: threading.Thread) -> None:
    """End a thread that draws, and with it a phrase that nobody will hear.

    One that does not end, because something else than inference holds it, is left and told of in
    the log: the music has ended well without it.
    """
    if thread.ident is None:
        return
    thread.join(PATIENCE_SECONDS)
    for _ in range(round(END_SECONDS / PATIENCE_SECONDS)):
        if not thread.is_alive():
            return
        interrupt()
        thread.join(PATIENCE_SECONDS)
    if thread.is_alive():
        logger.warning("the %s does not end; what it draws is left to itself", thread.name)
