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

from export.families.chain.note_nets import Arrays, Backbone, silu
from export.nodes import FLOAT, INT, Graph, Nodes, make_model, value
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW
from streamer.music.notes import ARGUMENTS

GROUPS = len(ARGUMENTS)
VELOCITY_BIN = 4
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
    rows: list[int | str] = ["notes", "batch"]
    states = backbone.states()
    inputs = [
        value("previous", INT, ["batch", GROUPS]),
        value("velocity", FLOAT, ["batch"]),
        *(value(name, FLOAT, shape) for name, shape in states.items()),
        value("noise", FLOAT, [*rows, sum(sizes)]),
    ]
    outputs = [
        value("classes", INT, [*rows, GROUPS]),
        value("entropies", FLOAT, [*rows, GROUPS]),
        value("log_probs", FLOAT, [*rows, GROUPS]),
        value("velocities", FLOAT, rows),
        value("previous_out", INT, ["batch", GROUPS]),
        value("velocity_out", FLOAT, ["batch"]),
        *(value(f"{name}_out", FLOAT, shape) for name, shape in states.items()),
    ]
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
    graph.inner("ones", np.ones((1, GROUPS + 1)))
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
    change = n("Gather", ["centres", chosen[ARGUMENTS.index("velocity")]])
    # The unclipped sum leaves as well: an output may not be given twice, and Clip is cheap outside.
    moved = n("Add", ["level", change], out="level_moved")
    level = n("Clip", [moved, "lowest", "highest"], out="level_next")
    chosen.append(n("Cast", [n("Mul", [level, "bin_share"])], to=INT))
    columns = n("Concat", chosen, out="columns", axis=1)
    n("Add", [columns, "first_rows"], out="rows_next")

    names = backbone.note_states()
    wide: list[int | str] = ["batch", GROUPS + 1]
    one: list[int | str] = ["batch", 1]
    inputs = [value("rows", INT, wide), value("level", FLOAT, one)]
    inputs += [value(name, FLOAT, shape) for name, shape in names.items()]
    inputs += [value(f"noise_{m}", FLOAT, ["batch", s]) for m, s in enumerate(sizes)]
    outputs = [value("rows_next", INT, wide), value("level_next", FLOAT, one)]
    outputs += [value(f"{name}_next", FLOAT, shape) for name, shape in names.items()]
    outputs += [value("columns", INT, wide), value("level_moved", FLOAT, one)]
    outputs += [value(f"logits_{m}", FLOAT, ["batch", s]) for m, s in enumerate(sizes)]
    return helper.make_graph(n.nodes, "note", inputs, outputs, graph.body_initializers)


def _build_outer(graph: Graph, backbone: Backbone, sizes: tuple[int, ...], body: Any) -> None:
    """Take the state apart, run the Scan, measure all logits, put the state together."""
    rows, level = _first_rows(graph)
    slices = graph.many("Split", [graph("Add", ["noise", "head_b"]), "sizes"], GROUPS, axis=2)
    start = backbone.take_apart(graph)
    last = [f"{name}_last" for name in backbone.note_states()]
    logits = [f"all_logits_{m}" for m in range(GROUPS)]
    graph.many(
        "Scan",
        [rows, level, *start, *slices],
        [graph.fresh(), graph.fresh(), *last, "all_columns", "all_levels", *logits],
        body=body,
        num_scan_inputs=GROUPS,
    )
    backbone.put_together(graph, last)
    _measure(graph, logits)
    bounds = [
        graph.constant("least_level", np.float32(VELOCITY_LOW)),
        graph.constant("greatest_level", np.float32(VELOCITY_HIGH)),
    ]
    levels = graph("Clip", ["all_levels", *bounds])
    graph("Squeeze", [levels, graph.constant("axis_2", [2], np.int64)], out="velocities")
    end = graph.constant("end", -1, np.int64)
    graph("Gather", ["classes", end], out="previous_out", axis=0)
    graph("Gather", ["velocities", end], out="velocity_out", axis=0)


def _first_rows(graph: Graph) -> tuple[str, str]:
    """Rows and velocity that the first note starts from."""
    level = graph("Unsqueeze", ["velocity", graph.constant("axis_1", [1], np.int64)])
    share = graph.constant("outer_share", np.float32(1 / VELOCITY_BIN))
    bins = [graph.constant("first_bin", 0.0), graph.constant("last_bin", 31.0)]
    bounded = graph("Clip", [graph("Mul", [level, share]), *bins])
    loudness = graph("Add", [graph("Cast", [bounded], to=INT), "bin_rows"])
    rows = graph("Concat", [graph("Add", ["previous", "argument_rows"]), loudness], axis=1)
    return rows, level


def _measure(graph: Graph, logits: list[str]) -> None:
    """Entropies and log-probabilities, untempered, of all notes; and the classes."""
    columns = graph.many("Split", ["all_columns"], GROUPS + 1, axis=2, num_outputs=GROUPS + 1)
    axis = graph.constant("axis_last", [-1], np.int64)
    parts = graph.many("Split", ["head_b", "sizes"], GROUPS, axis=0)
    entropies, log_probs = [], []
    for m in range(GROUPS):
        log_p = graph("LogSoftmax", [graph("Add", [logits[m], parts[m]])], axis=-1)
        product = graph("Mul", [graph("Exp", [log_p]), log_p])
        entropies.append(graph("Neg", [graph("ReduceSum", [product, axis], keepdims=1)]))
        log_probs.append(graph("GatherElements", [log_p, columns[m]], axis=2))
    graph("Concat", entropies, out="entropies", axis=2)
    graph("Concat", log_probs, out="log_probs", axis=2)
    graph("Concat", columns[:GROUPS], out="classes", axis=2)
