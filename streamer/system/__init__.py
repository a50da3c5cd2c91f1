"""The machine beneath: time, memory, places of files, rights, logs.

In: the operating system. Out: what the rest needs of it, so that nothing above asks it directly:
a :class:`Clock` that is handed to whatever waits (:class:`MonotonicClock` in earnest), files that
are written whole or not at all (:func:`atomic_file`), the folders of the person or the service
(:func:`state_folder`), real-time priority for one thread (:func:`become_realtime`), log lines
that journald reads (:func:`configure_logging`). It knows nothing of music.

Threads: any, unless a function says otherwise.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.system.allocator import give_back, keep_flat
    from streamer.system.atomic import atomic_file, check_targets, write_whole
    from streamer.system.clock import Clock, MonotonicClock, Wake
    from streamer.system.folders import in_service, own_scenes_folder, runtime_folder, state_folder
    from streamer.system.installing import how_to_add
    from streamer.system.interrupt import Interrupt
    from streamer.system.lazy import lazy_names
    from streamer.system.logs import configure_logging
    from streamer.system.marks import Marked
    from streamer.system.realtime import become_realtime, settle, step_back
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        allocator="give_back keep_flat",
        atomic="atomic_file check_targets write_whole",
        clock="Clock MonotonicClock Wake",
        folders="in_service own_scenes_folder runtime_folder state_folder",
        installing="how_to_add",
        interrupt="Interrupt",
        lazy="lazy_names",
        logs="configure_logging",
        marks="Marked",
        realtime="become_realtime settle step_back",
    )

__all__ = [
    "Clock", "Interrupt", "Marked", "MonotonicClock", "Wake", "atomic_file", "become_realtime",
    "check_targets", "configure_logging", "give_back", "how_to_add", "in_service", "keep_flat",
    "lazy_names", "own_scenes_folder", "runtime_folder", "settle", "state_folder", "step_back",
    "write_whole",
]  # fmt: skip
