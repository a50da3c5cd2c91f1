"""The corpus's fingerprint as an ONNX graph: bits in, and whether all of a run's bits are set, out.

A bundle holds JSON and ONNX and nothing else; so the Bloom filter of
:mod:`streamer.families.tunes.fingerprint` is a table inside a graph that looks bits up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from export.nodes import INT, Graph, make_model, value


def build_fingerprint_graph(table: NDArray[np.uint8], each: int) -> ModelProto:
    """Build the look-up.

    Input ``places`` int64 (batch, each), 0 .. 8 * len(table) - 1; output ``known`` int64 (batch,):
    1 when all bits of a row are set, else 0.

    Args:
        table: Packed bits, least first.
        each: Bits of a run.
    """
    graph = Graph()
    eight = graph.constant("eight", 8, np.int64)
    row = graph("Div", ["places", eight])
    found = graph("Gather", [graph.constant("table", table, np.uint8), row], axis=0)
    byte = graph("Cast", [found], to=TensorProto.INT64)
    bit = graph("Mod", ["places", eight])
    power = graph("Gather", [graph.constant("powers", 1 << np.arange(8), np.int64), bit], axis=0)
    two = graph.constant("two", 2, np.int64)
    is_set = graph("Mod", [graph("Div", [byte, power]), two])
    last = graph.constant("last", [1], np.int64)
    graph("ReduceMin", [is_set, last], out="known", keepdims=0)
    return make_model(
        helper.make_graph(
            graph.nodes,
            "fingerprint",
            [value("places", INT, ["batch", each])],
            [value("known", INT, ["batch"])],
            graph.initializers,
        )
    )
