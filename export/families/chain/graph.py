"""The chained step as one ONNX graph: M notes of B candidates in a single call.

In: plain arrays (``Chain.export_arrays``). Out: a ``ModelProto``. Needs onnx and numpy, not torch.

How it is made fast (docs/design/engine.md; figures in docs/results):

- A one-hot input is a table row. The previous note (and the velocity bin) select rows of one table
  of all five submodels' layer-0 pre-activations; each sampled argument selects one row of a table
  that holds its share for every later submodel.
- One ``Scan`` over the notes. Matrices and tables lie outside its body, where their float16
  originals can be freed; small constants lie inside: each name from outside costs time a note.
- Rows and biases enter through the third operand of ``Gemm``. Above the first layer, input and own
  output are one product of twice the rows.
- An operator costs some 3,000 instructions for one candidate, Where four times that: so the law of
  two hands is arithmetic (:mod:`export.families.chain.hands`), and draws both time shifts at once.
- Only the choice of classes happens inside. Entropies and log-probabilities are taken from the
  logits after the Scan, for all notes at once.
- Arrays whose values are exact in float16 are stored so, and cast when the session is opened
  (constant folding): half the file, the same numbers, float32 throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, helper

from export.families.chain.cells import head_logits, shift_twice, submodel
from export.families.chain.frame import close_body, move_level, outside, write_rows
from export.families.chain.hands import KEYS_STATES, add_hands, keys_after
from export.families.chain.memory import MemoryNodes
from export.families.chain.outer import build_outer
from export.families.chain.shape import GROUPS, SHIFT, VELOCITY_BIN, Arrays, ChainShape
from export.nodes import FLOAT, INT, Graph, Nodes, make_model, value
from streamer.families.chain.asked import ASKED_INPUT, ASKED_WIDTH
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW
from streamer.families.chain.hands import AGAIN_INPUT, KEYS_STATE
from streamer.music.notes import ARGUMENTS

GRAPH_NAME = "chain"


def build_chain_graph(arrays: Arrays) -> ModelProto:
    """Build the step graph; inputs and outputs are those of the module's contract.

    Inputs ``previous`` int64 (batch, 5), -1 for none; ``velocity`` (batch,), 0 for none; ``h`` and
    ``c`` (layers, 5, batch, hidden); ``noise`` (notes, batch, classes). Outputs ``classes`` int64,
    ``entropies``, ``log_probs`` (notes, batch, 5), ``velocities`` (notes, batch), and the state
    ``previous_out``, ``velocity_out``, ``h_out``, ``c_out``. With the law of two hands also
    ``keys`` (batch, 2, 88) and ``again`` (notes, batch, 105) in, ``keys_out`` out; with the trained
    controls ``asked`` (batch, ASKED_WIDTH) in, of all notes; with a memory ``past`` (1 or batch,
    notes, 5) in, ``past_out`` (batch, notes, 5) out.

    Args:
        arrays: As ``Chain.export_arrays`` returns them; gate order i, f, g, o.

    Raises:
        ValueError: The arrays do not fit each other.
    """
    shape = ChainShape.of(arrays)
    graph = Graph()
    _add_weights(graph, shape, arrays)
    memory = MemoryNodes(graph, arrays, shape.sizes) if shape.memory else None
    build_outer(graph, shape, _build_body(graph, shape, memory), memory)
    inputs, outputs = _outside(shape, memory)
    proto = helper.make_graph(graph.nodes, GRAPH_NAME, inputs, outputs, graph.initializers)
    return make_model(proto)


def _outside(shape: ChainShape, memory: MemoryNodes | None) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs of the graph."""
    floats: list[int | str] = [shape.layers, GROUPS, "batch", shape.hidden]
    inputs, outputs = outside(shape.sizes, {"h": floats, "c": floats})
    rows: list[int | str] = ["notes", "batch"]
    if shape.hands:
        keys: list[int | str] = ["batch", len(KEYS_STATES), shape.sizes[0]]
        inputs += [value(KEYS_STATE, FLOAT, keys)]
        inputs += [value(AGAIN_INPUT, FLOAT, [*rows, shape.sizes[1]])]
        outputs += [value(f"{KEYS_STATE}_out", FLOAT, keys)]
    if shape.asked:
        inputs += [value(ASKED_INPUT, FLOAT, ["batch", ASKED_WIDTH])]
    if memory is not None:
        inputs, outputs = [*inputs, memory.taken], [*outputs, memory.given]
    return inputs, outputs


def _add_weights(graph: Graph, shape: ChainShape, arrays: Arrays) -> None:
    """Add tables and matrices, folded; names are used by the body, which sees the outer graph."""
    hidden, offsets = shape.hidden, shape.offsets
    _add_rows(graph, shape, arrays)
    for j in range(GROUPS - 1):
        share = [arrays[f"prefix_table_{m}"][offsets[j] : offsets[j + 1]] for m in range(j + 1, 5)]
        if shape.hands and j == 0:
            # Time shift may be drawn twice, what comes after it once.
            graph.constant("share_shift", share[0])
            share = share[1:]
        graph.constant(f"share_{j}", np.concatenate(share, axis=1))
        later = 4 * hidden * (GROUPS - 1 - j)
        graph.inner(f"parts_{j}", [4 * hidden, later], np.int64)
    for layer in range(shape.layers):
        for m in range(GROUPS):
            matrix = arrays[f"w_hh{layer}"][m]
            if layer:
                graph.inner(f"b{layer}_{m}", arrays[f"b{layer}"][m])
                if shape.hands and m == 1:
                    graph.constant(f"in{layer}_{m}", arrays[f"w_ih{layer}"][m])
                else:
                    matrix = np.concatenate([arrays[f"w_ih{layer}"][m], matrix])
            graph.constant(f"w{layer}_{m}", matrix)
    for m in range(GROUPS):
        graph.constant(f"head_w_{m}", arrays[f"head_w_{m}"])
    graph.constant("head_b", np.concatenate([arrays[f"head_b_{m}"] for m in range(GROUPS)]))
    graph.inner("centres", arrays["velocity_centres"] / VELOCITY_BIN)
    graph.inner("lowest", VELOCITY_LOW / VELOCITY_BIN)
    graph.inner("highest", VELOCITY_HIGH / VELOCITY_BIN)
    if shape.hands:
        add_hands(graph, arrays["shift_floors"], arrays["hold_times"])
    if shape.asked:
        weights = graph.constant("asked_weights", arrays["asked"])
        graph("Gemm", [ASKED_INPUT, weights, "bias0"], out="wanted")
    # Where the rows of each argument begin, and last those of the velocity bin.
    first = [*offsets[:GROUPS], offsets[-1] + 2] if shape.velocity_bins else offsets[:GROUPS]
    graph.inner("first_rows", first, np.int64)
    graph.inner("ones", np.ones((1, len(first))))
    graph.inner("middle", [1], np.int64)
    graph.constant("axis_0", [0], np.int64)
    graph.constant("axis_1", [1], np.int64)


def _add_rows(graph: Graph, shape: ChainShape, arrays: Arrays) -> None:
    """Add the table of what a note before, or none, and the velocity bin bring to the first layer.

    What is asked for brings the bias with it; of a model that cannot be asked each note has one
    pitch, so that the pitch rows carry the bias, and "no note" has a row for it too.
    """
    bias0 = graph.constant("bias0", arrays["bias0"].reshape(1, -1))
    zeros = np.zeros((1, GROUPS * 4 * shape.hidden), np.float32)
    previous = arrays["prev_table"]
    if shape.asked:
        rows = [previous, zeros, zeros]
        if shape.velocity_bins:
            rows.append(arrays["velocity_table"])
        graph.constant("rows_table", np.concatenate(rows))
        return
    pitch = graph.constant("pitch_rows", previous[: shape.offsets[1]])
    other = graph.constant("other_rows", previous[shape.offsets[1] :])
    parts = [graph("Add", [pitch, bias0]), other, bias0, graph.constant("zero_row", zeros)]
    if shape.velocity_bins:
        parts.append(graph.constant("velocity_rows", arrays["velocity_table"]))
    graph("Concat", parts, out="rows_table", axis=0)


def _build_body(graph: Graph, shape: ChainShape, memory: MemoryNodes | None) -> Any:
    """One note. State in, noise slices in; state out, classes, velocity and logits out."""
    n = Nodes("y")
    if memory is not None:
        memory.search(n)
    chosen = _draw(n, shape, memory)
    if shape.hands:
        keys_after(n, *chosen[:3])
    if memory is not None:
        memory.remember(n, chosen)
    level = move_level(n, chosen)
    if shape.velocity_bins:
        chosen.append(n("Cast", [level], to=INT))
    write_rows(n, chosen)
    return _close(graph, n, shape, memory)


def _draw(n: Nodes, shape: ChainShape, memory: MemoryNodes | None) -> list[str]:
    """Draw the arguments of a note, one after the other: classes ``(batch, 1)`` each."""
    rows = n("Gather", ["rows_table", "rows"], axis=0)
    # Layer-0 pre-activations of the submodels not yet sampled, (batch, left * 4 * hidden).
    # A product with ones sums the rows, in a sixth of ReduceSum's time for one candidate.
    left = n("Squeeze", [n("MatMul", ["ones", rows]), "middle"])
    if shape.asked:
        left = n("Add", [left, "wanted"])
    chosen: list[str] = []
    noised = ""
    for m in range(GROUPS):
        mine = left
        if m < GROUPS - 1:
            mine, left = n.many("Split", [left, f"parts_{m}"], 2, axis=1)
        shared = len(chosen)
        if m == SHIFT and shape.hands:
            chosen = [*shift_twice(n, shape.layers, mine, noised, memory)]
        else:
            top = submodel(n, shape.layers, m, mine)
            noised = n("Add", [head_logits(n, m, top, memory), f"noise_{m}"])
            if m or not shape.hands:
                chosen.append(n("ArgMax", [noised], axis=1, keepdims=1))
        for j in range(shared, len(chosen) if m < GROUPS - 1 else 0):
            left = n("Add", [left, n("GatherND", [f"share_{j}", chosen[j]])])
            if memory is not None:
                memory.drawn(n, ARGUMENTS[j], chosen[j])
    return chosen


def _close(graph: Graph, n: Nodes, shape: ChainShape, memory: MemoryNodes | None) -> Any:
    """The body of a note's nodes: its states, and its noise, of the time shift that of both."""
    hidden: list[int | str] = ["batch", shape.hidden]
    states = [(name, FLOAT, hidden) for name in (*shape.states("h"), *shape.states("c"))]
    if shape.hands:
        states += [(name, FLOAT, ["batch", shape.sizes[0]]) for name in KEYS_STATES]
    if memory is not None:
        states += [(state.name, state.kind, state.shape) for state in memory.kept_states]
    noises: list[list[int | str]] = [["batch", size] for size in shape.sizes]
    if shape.hands:
        noises[SHIFT] = ["pairs", shape.sizes[SHIFT]]
    return close_body(graph, n, shape.columns, states, noises, shape.sizes)
