"""Melodies of ``lm``, ``vae`` and ``vrash``: graphs, trained filters, fingerprint.

In: a trained model of tunes and its tune file. Out: :data:`TUNES`, what the pipeline builds,
measures and proves it with; filters added to a bundle (:func:`add_filters`), and a bundle measured
anew (:func:`restate`).
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from export.families.tunes.exporter import TUNES
    from export.families.tunes.filters import add_filters
    from export.families.tunes.graph import build_encoder_graph, build_start_graph, build_tune_graph
    from export.families.tunes.kinds import restate
    from export.families.tunes.statistics import measure_tune_statistics
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="export",
        exporter="TUNES",
        filters="add_filters",
        graph="build_encoder_graph build_start_graph build_tune_graph",
        kinds="restate",
        statistics="measure_tune_statistics",
    )

__all__ = [
    "TUNES", "add_filters", "build_encoder_graph", "build_start_graph", "build_tune_graph",
    "measure_tune_statistics", "restate",
]  # fmt: skip
