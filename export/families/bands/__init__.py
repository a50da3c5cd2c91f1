"""Bands of four tracks: MusAE's encoder and decoder as graphs, and where genres lie.

In: a trained model and its band file. Out: :data:`BANDS`, what the pipeline builds, measures and
proves it with.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from export.families.bands.exporter import BANDS
    from export.families.bands.graph import build_decode_graph, build_encode_graph
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="export",
        exporter="BANDS",
        graph="build_decode_graph build_encode_graph",
    )

__all__ = ["BANDS", "build_decode_graph", "build_encode_graph"]
