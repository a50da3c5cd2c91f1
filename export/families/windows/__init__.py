"""Sections of a piano roll: DRAW's passes and the answers of the query VAE.

In: a trained model and its score file. Out: :data:`DRAW` and :data:`QUERY`, what the pipeline
builds, measures and proves them with.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from export.families.windows.draw_graph import build_draw_graph
    from export.families.windows.exporter import DRAW, QUERY
    from export.families.windows.query_graph import build_answer_graph
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="export",
        draw_graph="build_draw_graph",
        exporter="DRAW QUERY",
        query_graph="build_answer_graph",
    )

__all__ = ["DRAW", "QUERY", "build_answer_graph", "build_draw_graph"]
