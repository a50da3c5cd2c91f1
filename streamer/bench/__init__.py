"""What ``perpetuo bench`` measures, on this machine and with this bundle.

In: settings. Out: a report as plain data (:func:`run`): how fast the engine is beside its floor and
other ways to run the same model, how late messages leave while it works, and what a playing
process costs. Everything that is compared is measured in turns, so that a busy machine slows all
of it alike. One process, and children that play.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.bench.process import measure_process, resident_bytes
    from streamer.bench.report import run
    from streamer.bench.sections import section_report
    from streamer.bench.speed import measure_speed
    from streamer.bench.timing import measure_timing
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        process="measure_process resident_bytes",
        report="run",
        sections="section_report",
        speed="measure_speed",
        timing="measure_timing",
    )

__all__ = [
    "measure_process", "measure_speed", "measure_timing", "resident_bytes", "run",
    "section_report",
]  # fmt: skip
