"""The daemon: the threads of a stream, its supervision, and what is shown and kept of it.

In: settings. Out: music, until a signal, an error or the end (:func:`play`); nothing is left
sounding. Around the stages: signals, restarts and what a crash left sounding (:class:`Upkeep`),
signs of life for systemd (:class:`Supervisor`), figures (:class:`StreamFigures`) and their views.
The main thread watches; each class says which thread it belongs to.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.service.daemon import play
    from streamer.service.display import make_view
    from streamer.service.embedded import Stream
    from streamer.service.figures import StreamFigures
    from streamer.service.signals import Signals
    from streamer.service.stream import StreamThreads
    from streamer.service.supervisor import Supervisor
    from streamer.service.upkeep import Upkeep
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        daemon="play",
        display="make_view",
        embedded="Stream",
        figures="StreamFigures",
        signals="Signals",
        stream="StreamThreads",
        supervisor="Supervisor",
        upkeep="Upkeep",
    )

__all__ = [
    "Signals", "Stream", "StreamFigures", "StreamThreads", "Supervisor", "Upkeep", "make_view",
    "play",
]  # fmt: skip
