"""A baseline's step as one ONNX graph: M notes of B candidates in a single call.

In: plain arrays (``NoteModel.export_arrays``) and the shape. Out: a ``ModelProto`` with the inputs
and outputs of the chain's graph, but for the state of the network, which is the backbone's
(:mod:`export.families.chain.note_nets`). Needs onnx and numpy, not torch.

As in the chain's graph (:mod:`export.families.chain.graph`) a note is rows of one table, one
``Scan`` runs over the notes, only the choice of classes happens inside, and matrices that are exact
in float16 are stored so. There is no law of two hands: what is drawn is the model's alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, helper

from export.families.chain.frame import (
    close_body,
    measure,
    move_level,
    outside,
    scan_notes,
    write_rows,
    write_velocities,
)
from export.families.chain.note_nets import Arrays, Backbone, silu
from export.families.chain.shape import GROUPS, VELOCITY_BIN
from export.nodes import FLOAT, INT, Graph, Nodes, make_model
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW

COLUMNS = GROUPS + 1
"""What is kept of each note: its classes, and the bin of its velocity."""

GRAPH_NAME = "notes"


def build_note_graph(arrays: Arrays, backbone: Backbone) -> ModelProto:
    """Build the step graph.

    Inputs ``previous`` int64 (batch, 5), -1 for none; ``velocity`` (batch,), 0 for none; the
    backbone's states; ``noise`` (notes, batch, classes). Outputs ``classes`` int64, ``entropies``,
    ``log_probs`` (notes, batch, 5), ``velocities`` (notes, batch), and each state with ``_out``
    behind its name.

    Args:
        arrays: Weights by the names that torch has for them, and ``velocity_centres``.
        backbone: What lies between embeddings and heads.

    Raises:
        KeyError: An array is missing.
    """
    sizes = tuple(arrays[f"heads.{m}.2.weight"].shape[0] for m in range(GROUPS))
    graph = Graph()
    _add_weights(graph, arrays, sizes)
    backbone.add_weights(graph)
    body = _build_body(graph, backbone, sizes)
    _build_outer(graph, backbone, sizes, body)
    inputs, outputs = outside(sizes, backbone.states())
    proto = helper.make_graph(graph.nodes, GRAPH_NAME, inputs, outputs, graph.initializers)
    return make_model(proto)


def _add_weights(graph: Graph, arrays: Arrays, sizes: tuple[int, ...]) -> None:
    """Add what is not the backbone's: one table of all that a note is made of, and the heads."""
    tables = [arrays[f"before.{m}.weight"] for m in range(GROUPS)]
    graph.constant("rows_table", np.concatenate([*tables, arrays["loudness.weight"]]))
    # Class -1, no note, is row 0 of each argument's table.
    starts = np.cumsum([0, *(size + 1 for size in sizes)])
    graph.inner("first_rows", [*(starts[:GROUPS] + 1), starts[-1]], np.int64)
    graph.constant("argument_rows", starts[:GROUPS] + 1, np.int64)
    graph.constant("bin_rows", [starts[-1]], np.int64)
    graph.inner("ones", np.ones((1, COLUMNS)))
    graph.inner("middle", [1], np.int64)
    for m in range(GROUPS):
        graph.constant(f"hidden_w_{m}", arrays[f"heads.{m}.0.weight"].T)
        graph.inner(f"hidden_b_{m}", arrays[f"heads.{m}.0.bias"])
        graph.constant(f"head_w_{m}", arrays[f"heads.{m}.2.weight"].T)
        if m < GROUPS - 1:
            graph.constant(f"current_{m}", arrays[f"current.{m}.weight"])
    graph.constant("head_b", np.concatenate([arrays[f"heads.{m}.2.bias"] for m in range(GROUPS)]))
    graph.inner("last_norm_w", arrays["norm.weight"])
    graph.inner("last_norm_b", arrays["norm.bias"])
    graph.inner("centres", arrays["velocity_centres"])
    graph.inner("lowest", VELOCITY_LOW)
    graph.inner("highest", VELOCITY_HIGH)
    graph.inner("bin_share", 1 / VELOCITY_BIN)
    graph.constant("sizes", sizes, np.int64)


def _build_body(graph: Graph, backbone: Backbone, sizes: tuple[int, ...]) -> Any:
    """One note: its rows, velocity, the network's state and noise in, what is drawn out."""
    n = Nodes("y")
    # A product with ones sums the rows, in a sixth of ReduceSum's time for one candidate.
    found = n("MatMul", ["ones", n("Gather", ["rows_table", "rows"], axis=0)])
    x = backbone.add_note(n, n("Squeeze", [found, "middle"]))
    seen = n("LayerNormalization", [x, "last_norm_w", "last_norm_b"], axis=-1)
    chosen: list[str] = []
    for m in range(GROUPS):
        hidden = silu(n, n("Gemm", [seen, f"hidden_w_{m}", f"hidden_b_{m}"]))
        logits = n("MatMul", [hidden, f"head_w_{m}"], out=f"logits_{m}")
        noised = n("Add", [logits, f"noise_{m}"])
        chosen.append(n("ArgMax", [noised], axis=1, keepdims=1))
        if m < GROUPS - 1:
            seen = n("Add", [seen, n("GatherND", [f"current_{m}", chosen[m]])])
    level = move_level(n, chosen)
    chosen.append(n("Cast", [n("Mul", [level, "bin_share"])], to=INT))
    write_rows(n, chosen)
    states = [(name, FLOAT, shape) for name, shape in backbone.note_states().items()]
    noises: list[list[int | str]] = [["batch", size] for size in sizes]
    return close_body(graph, n, COLUMNS, states, noises, sizes)


def _build_outer(graph: Graph, backbone: Backbone, sizes: tuple[int, ...], body: Any) -> None:
    """Take the state apart, run the Scan, measure all logits, put the state together."""
    rows, level = _first_rows(graph)
    slices = graph.many("Split", [graph("Add", ["noise", "head_b"]), "sizes"], GROUPS, axis=2)
    start = backbone.take_apart(graph)
    last = [f"{name}_last" for name in backbone.note_states()]
    scan_notes(graph, body, [rows, level, *start], slices, last)
    backbone.put_together(graph, last)
    measure(graph, COLUMNS)
    write_velocities(graph)


def _first_rows(graph: Graph) -> tuple[str, str]:
    """Rows and velocity that the first note starts from."""
    level = graph("Unsqueeze", ["velocity", graph.constant("axis_1", [1], np.int64)])
    share = graph.constant("outer_share", np.float32(1 / VELOCITY_BIN))
    bins = [graph.constant("first_bin", 0.0), graph.constant("last_bin", 31.0)]
    bounded = graph("Clip", [graph("Mul", [level, share]), *bins])
    loudness = graph("Add", [graph("Cast", [bounded], to=INT), "bin_rows"])
    rows = graph("Concat", [graph("Add", ["previous", "argument_rows"]), loudness], axis=1)
    return rows, level
