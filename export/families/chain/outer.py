"""What lies around the Scan of the chained step: the state taken apart, and put together again.

In: the outer graph with its weights, and the Scan's body (:mod:`export.families.chain.graph`). Out:
nodes of the outer graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from export.families.chain.frame import measure, scan_notes, write_velocities
from export.families.chain.hands import KEYS_STATES
from export.families.chain.memory import MemoryNodes
from export.families.chain.shape import GROUPS, SHIFT, VELOCITY_BIN, ChainShape
from export.nodes import FLOAT, INT, Graph, Nodes, value
from streamer.families.chain.hands import AGAIN_INPUT, KEYS_STATE, STILL_FORCED


def build_outer(graph: Graph, shape: ChainShape, body: Any, memory: MemoryNodes | None) -> None:
    """Take the state apart, run the Scan, measure all logits, put the state together.

    Args:
        graph: With all weights; gets the nodes.
        shape: Of the model.
        body: Of the Scan, one note.
        memory: Where there is one.
    """
    start = list(_first_rows(graph, shape))
    start += [*_take_apart(graph, shape, "h"), *_take_apart(graph, shape, "c")]
    kept = memory.kept_states if memory is not None else []
    keys = _keys_apart(graph) if shape.hands else []
    slices = _noises(graph, shape)
    last = [f"{name}_last" for name in (*shape.states("h"), *shape.states("c"))]
    keys_last = [f"{name}_last" for name in KEYS_STATES[: len(keys)]]
    kept_last = [f"{state.name}_last" for state in kept]
    start += [*keys, *(state.start for state in kept)]
    scan_notes(graph, body, start, slices, [*last, *keys_last, *kept_last])
    if keys:
        apart = [graph("Unsqueeze", [name, "axis_1"]) for name in keys_last]
        graph("Concat", apart, out=f"{KEYS_STATE}_out", axis=1)
    measure(graph, shape.columns)
    if memory is not None:
        memory.end("near_last", "since_last")
    _put_together(graph, shape, last)


def _noises(graph: Graph, shape: ChainShape) -> list[str]:
    """Noise of each argument with its head's bias; of the time shift both draws' noise."""
    sizes = graph.constant("sizes", shape.sizes, np.int64)
    noise = graph("Add", ["noise", "head_b"])
    slices = graph.many("Split", [noise, sizes], GROUPS, axis=2)
    if shape.hands:
        slices[SHIFT] = _noise_of_both(graph, slices[SHIFT], sizes)
        _number_batch(graph)
    return slices


def _put_together(graph: Graph, shape: ChainShape, last: list[str]) -> None:
    """Write velocities and the state after the last note."""
    write_velocities(graph, VELOCITY_BIN)
    half = len(last) // 2
    for kind, names in (("h", last[:half]), ("c", last[half:])):
        dims = [shape.layers, GROUPS, -1, shape.hidden]
        whole = graph("Concat", [graph("Unsqueeze", [x, "axis_0"]) for x in names], axis=0)
        target = graph.constant(f"{kind}_shape", dims, np.int64)
        graph("Reshape", [whole, target], out=f"{kind}_out")


def _noise_of_both(graph: Graph, noise: str, sizes: str) -> str:
    """Put a time shift's noise before that of its second draw: (notes, 2 * batch, ..)."""
    forced = graph("Add", [noise, graph.constant("still_forced", STILL_FORCED)])
    part = graph.many("Split", ["head_b", sizes], GROUPS, axis=0)[SHIFT]
    second = graph("Max", [graph("Add", [AGAIN_INPUT, part]), forced])
    return graph("Concat", [noise, second], axis=1)


def _number_batch(graph: Graph) -> None:
    """Make ``candidates``, 0 to batch - 1 in a column, by which the body picks rows.

    By a Scan over the batch, since a bundle may hold no operator whose output's size is data.
    """
    n = Nodes("z")
    n("Add", ["number", graph.constant("number_1", [1], np.int64)], out="number_next")
    n("Identity", ["number"], out="number_now")
    inputs = [value("number", INT, [1]), value("each", FLOAT, [])]
    outputs = [value("number_next", INT, [1]), value("number_now", INT, [1])]
    body = helper.make_graph(n.nodes, "number", inputs, outputs)
    start = graph.constant("number_0", [0], np.int64)
    outs = [graph.fresh(), "candidates"]
    graph.many("Scan", [start, "velocity"], outs, body=body, num_scan_inputs=1)


def _first_rows(graph: Graph, shape: ChainShape) -> tuple[str, str]:
    """Rows and velocity level that the first note starts from; -1 takes the rows of "no note"."""
    total = shape.offsets[-1]
    none = graph.constant("none_rows", [total, *[total + 1] * (GROUPS - 1)], np.int64)
    starts = graph.constant("argument_rows", shape.offsets[:GROUPS], np.int64)
    absent = graph("Less", ["previous", graph.constant("zero", 0, np.int64)])
    rows = graph("Where", [absent, none, graph("Add", ["previous", starts])])
    scale = graph.constant("bin_share", 1 / VELOCITY_BIN)
    level = graph("Mul", [graph("Unsqueeze", ["velocity", "axis_1"]), scale])
    if shape.velocity_bins:
        bounded = graph(
            "Clip",
            [
                level,
                graph.constant("first_bin", 0.0),
                graph.constant("last_bin", shape.velocity_bins - 1),
            ],
        )
        base = graph.constant("bin_rows", [total + 2], np.int64)
        bins = graph("Add", [graph("Cast", [bounded], to=INT), base])
        rows = graph("Concat", [rows, bins], axis=1)
    return rows, level


def _keys_apart(graph: Graph) -> list[str]:
    """Split (batch, 2, 88) into one (batch, 88) for each of its two times."""
    count = len(KEYS_STATES)
    parts = graph.many("Split", [KEYS_STATE], count, axis=1, num_outputs=count)
    return [graph("Squeeze", [part, "axis_1"]) for part in parts]


def _take_apart(graph: Graph, shape: ChainShape, kind: str) -> list[str]:
    """Split (layers, 5, batch, hidden) into one (batch, hidden) a layer and submodel."""
    count = shape.layers * GROUPS
    dims = graph.constant(f"{kind}_flat", [count, -1, shape.hidden], np.int64)
    flat = graph("Reshape", [kind, dims])
    parts = graph.many("Split", [flat], count, axis=0, num_outputs=count)
    return [graph("Squeeze", [part, "axis_0"]) for part in parts]
