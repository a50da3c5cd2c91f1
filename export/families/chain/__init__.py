"""Chained LSTMs: the whole step of a note as one graph, and the corpus's statistics.

In: a trained chain and its tensor file. Out: :data:`CHAIN`, what the pipeline builds, measures and
proves it with.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from export.families.chain.exporter import CHAIN
    from export.families.chain.graph import build_chain_graph
    from export.families.chain.statistics import measure_statistics
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="export",
        exporter="CHAIN",
        graph="build_chain_graph",
        statistics="measure_statistics",
    )

__all__ = ["CHAIN", "build_chain_graph", "measure_statistics"]
