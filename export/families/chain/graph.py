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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.families.chain.cells import shift_twice, submodel
from export.families.chain.hands import KEYS_STATES, add_hands, keys_after
from export.nodes import FLOAT, INT, Graph, Nodes, make_model, value
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW
from streamer.families.chain.hands import AGAIN_INPUT, KEYS_STATE, STILL_FORCED
from streamer.music.notes import ARGUMENTS

Arrays = Mapping[str, NDArray[np.float32]]

GROUPS = len(ARGUMENTS)
VELOCITY_BIN = 4
SHIFT = ARGUMENTS.index("shift")
GRAPH_NAME = "chain"


@dataclass(frozen=True)
class ChainShape:
    """Sizes read off the arrays.

    Attributes:
        hidden: Width of a layer.
        layers: Stacked layers.
        sizes: Classes of each argument.
        velocity_bins: Rows of the absolute-velocity table, 0 without one.
        hands: Whether the draw keeps to what two hands can do.
    """

    hidden: int
    layers: int
    sizes: tuple[int, ...]
    velocity_bins: int
    hands: bool

    @classmethod
    def of(cls, arrays: Arrays) -> ChainShape:
        """Read the shape, and check that the arrays agree with it.

        Raises:
            ValueError: An array is missing or has another shape than the rest imply.
        """
        if "w_hh0" not in arrays or arrays["w_hh0"].ndim != 3:
            raise ValueError("array w_hh0 must be (5, hidden, 4 * hidden)")
        hidden = arrays["w_hh0"].shape[1]
        layers = sum(1 for name in arrays if name.startswith("w_hh"))
        sizes = tuple(arrays[f"head_w_{m}"].shape[1] for m in range(GROUPS))
        bins = arrays["velocity_table"].shape[0] if "velocity_table" in arrays else 0
        shape = cls(hidden, layers, sizes, bins, "hold_times" in arrays)
        for name, wanted in shape.expected().items():
            if name not in arrays or arrays[name].shape != wanted:
                got = arrays[name].shape if name in arrays else "nothing"
                raise ValueError(f"array {name} must be {wanted}, not {got}")
        return shape

    @property
    def offsets(self) -> list[int]:
        """First row of each argument, and the number of rows."""
        return [int(x) for x in np.cumsum((0, *self.sizes))]

    def expected(self) -> dict[str, tuple[int, ...]]:
        """Return every array's name and shape."""
        h, gates = self.hidden, 4 * self.hidden
        found: dict[str, tuple[int, ...]] = {"prev_table": (self.offsets[-1], GROUPS * gates)}
        if self.velocity_bins:
            found["velocity_table"] = (self.velocity_bins, GROUPS * gates)
        for m in range(1, GROUPS):
            found[f"prefix_table_{m}"] = (self.offsets[m], gates)
        for layer in range(self.layers):
            found[f"w_hh{layer}"] = (GROUPS, h, gates)
            found[f"b{layer}" if layer else "bias0"] = (GROUPS, gates)
            if layer:
                found[f"w_ih{layer}"] = (GROUPS, h, gates)
        for m, size in enumerate(self.sizes):
            found[f"head_w_{m}"] = (h, size)
            found[f"head_b_{m}"] = (size,)
        found["velocity_centres"] = (self.sizes[ARGUMENTS.index("velocity")],)
        if self.hands:
            found["shift_floors"] = (self.sizes[ARGUMENTS.index("shift")],)
            found["hold_times"] = (self.sizes[ARGUMENTS.index("duration")],)
        return found


def build_chain_graph(arrays: Arrays) -> ModelProto:
    """Build the step graph; inputs and outputs are those of the module's contract.

    Inputs ``previous`` int64 (batch, 5), -1 for none; ``velocity`` (batch,), 0 for none; ``h`` and
    ``c`` (layers, 5, batch, hidden); ``noise`` (notes, batch, classes). Outputs ``classes`` int64,
    ``entropies``, ``log_probs`` (notes, batch, 5), ``velocities`` (notes, batch), and the state
    ``previous_out``, ``velocity_out``, ``h_out``, ``c_out``. With the law of two hands also
    ``keys`` (batch, 2, 88) and ``again`` (notes, batch, 105) in, ``keys_out`` out.

    Args:
        arrays: As ``Chain.export_arrays`` returns them; gate order i, f, g, o.

    Raises:
        ValueError: The arrays do not fit each other.
    """
    shape = ChainShape.of(arrays)
    graph = Graph()
    _add_weights(graph, shape, arrays)
    body = _build_body(graph, shape)
    _build_outer(graph, shape, body)
    floats: list[int | str] = [shape.layers, GROUPS, "batch", shape.hidden]
    rows: list[int | str] = ["notes", "batch"]
    inputs = [
        value("previous", INT, ["batch", GROUPS]),
        value("velocity", FLOAT, ["batch"]),
        value("h", FLOAT, floats),
        value("c", FLOAT, floats),
        value("noise", FLOAT, [*rows, shape.offsets[-1]]),
    ]
    outputs = [
        value("classes", INT, [*rows, GROUPS]),
        value("entropies", FLOAT, [*rows, GROUPS]),
        value("log_probs", FLOAT, [*rows, GROUPS]),
        value("velocities", FLOAT, rows),
        value("previous_out", INT, ["batch", GROUPS]),
        value("velocity_out", FLOAT, ["batch"]),
        value("h_out", FLOAT, floats),
        value("c_out", FLOAT, floats),
    ]
    if shape.hands:
        keys: list[int | str] = ["batch", len(KEYS_STATES), shape.sizes[0]]
        inputs += [value(KEYS_STATE, FLOAT, keys)]
        inputs += [value(AGAIN_INPUT, FLOAT, [*rows, shape.sizes[1]])]
        outputs += [value(f"{KEYS_STATE}_out", FLOAT, keys)]
    proto = helper.make_graph(graph.nodes, GRAPH_NAME, inputs, outputs, graph.initializers)
    return make_model(proto)


def _add_weights(graph: Graph, shape: ChainShape, arrays: Arrays) -> None:
    """Add tables and matrices, folded; names are used by the body, which sees the outer graph."""
    hidden, offsets = shape.hidden, shape.offsets
    bias0 = graph.constant("bias0", arrays["bias0"].reshape(1, -1))
    # Each note has one pitch, so the pitch rows carry the bias; "no note" has a row for it too.
    pitch = graph.constant("pitch_rows", arrays["prev_table"][: offsets[1]])
    other = graph.constant("other_rows", arrays["prev_table"][offsets[1] :])
    zeros = graph.constant("zero_row", np.zeros((1, GROUPS * 4 * hidden)))
    parts = [graph("Add", [pitch, bias0]), other, bias0, zeros]
    if shape.velocity_bins:
        parts.append(graph.constant("velocity_rows", arrays["velocity_table"]))
    graph("Concat", parts, out="rows_table", axis=0)
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
    # Where the rows of each argument begin, and last those of the velocity bin.
    first = [*offsets[:GROUPS], offsets[-1] + 2] if shape.velocity_bins else offsets[:GROUPS]
    graph.inner("first_rows", first, np.int64)
    graph.inner("ones", np.ones((1, len(first))))
    graph.inner("middle", [1], np.int64)
    graph.constant("axis_0", [0], np.int64)
    graph.constant("axis_1", [1], np.int64)


def _state_names(shape: ChainShape, kind: str) -> list[str]:
    """Names of one kind of state in the body, layer by layer: h0_0 .. h0_4, h1_0 .."""
    return [f"{kind}{layer}_{m}" for layer in range(shape.layers) for m in range(GROUPS)]


def _build_body(graph: Graph, shape: ChainShape) -> Any:
    """One note. State in, noise slices in; state out, classes, velocity and logits out."""
    n = Nodes("y")
    rows = n("Gather", ["rows_table", "rows"], axis=0)
    # Layer-0 pre-activations of the submodels not yet sampled, (batch, left * 4 * hidden).
    # A product with ones sums the rows, in a sixth of ReduceSum's time for one candidate.
    left = n("Squeeze", [n("MatMul", ["ones", rows]), "middle"])
    chosen: list[str] = []
    noised = ""
    for m in range(GROUPS):
        mine = left
        if m < GROUPS - 1:
            mine, left = n.many("Split", [left, f"parts_{m}"], 2, axis=1)
        shared = len(chosen)
        if m == SHIFT and shape.hands:
            chosen = [*shift_twice(n, shape.layers, mine, noised)]
        else:
            top = submodel(n, shape.layers, m, mine)
            logits = n("MatMul", [top, f"head_w_{m}"], out=f"logits_{m}")
            noised = n("Add", [logits, f"noise_{m}"])
            if m or not shape.hands:
                chosen.append(n("ArgMax", [noised], axis=1, keepdims=1))
        for j in range(shared, len(chosen) if m < GROUPS - 1 else 0):
            left = n("Add", [left, n("GatherND", [f"share_{j}", chosen[j]])])
    if shape.hands:
        keys_after(n, *chosen[:3])
    change = n("Gather", ["centres", chosen[ARGUMENTS.index("velocity")]])
    # The unclipped sum leaves as well: an output may not be given twice, and Clip is cheap outside.
    moved = n("Add", ["level", change], out="level_moved")
    level = n("Clip", [moved, "lowest", "highest"], out="level_next")
    if shape.velocity_bins:
        chosen.append(n("Cast", [level], to=INT))
    columns = n("Concat", chosen, out="columns", axis=1)
    n("Add", [columns, "first_rows"], out="rows_next")

    width = GROUPS + (1 if shape.velocity_bins else 0)
    states = [*_state_names(shape, "h"), *_state_names(shape, "c")]
    hidden: list[int | str] = ["batch", shape.hidden]
    inputs = [value("rows", INT, ["batch", width]), value("level", FLOAT, ["batch", 1])]
    inputs += [value(name, FLOAT, hidden) for name in states]
    if shape.hands:
        inputs += [value(name, FLOAT, ["batch", shape.sizes[0]]) for name in KEYS_STATES]
    noises: list[list[int | str]] = [["batch", size] for size in shape.sizes]
    if shape.hands:
        noises[SHIFT] = [2, "batch", shape.sizes[SHIFT]]
    inputs += [value(f"noise_{m}", FLOAT, dims) for m, dims in enumerate(noises)]
    outputs = [value("rows_next", INT, ["batch", width])]
    outputs += [value("level_next", FLOAT, ["batch", 1])]
    outputs += [value(f"{name}_next", FLOAT, hidden) for name in states]
    if shape.hands:
        keys: list[int | str] = ["batch", shape.sizes[0]]
        outputs += [value(f"{name}_next", FLOAT, keys) for name in KEYS_STATES]
    outputs += [value("columns", INT, ["batch", width])]
    outputs += [value("level_moved", FLOAT, ["batch", 1])]
    outputs += [value(f"logits_{m}", FLOAT, ["batch", s]) for m, s in enumerate(shape.sizes)]
    return helper.make_graph(n.nodes, "note", inputs, outputs, graph.body_initializers)


def _build_outer(graph: Graph, shape: ChainShape, body: Any) -> None:
    """Take the state apart, run the Scan, measure all logits, put the state together."""
    states = [*_state_names(shape, "h"), *_state_names(shape, "c")]
    start = list(_first_rows(graph, shape))
    start += [*_take_apart(graph, shape, "h"), *_take_apart(graph, shape, "c")]
    keys = _keys_apart(graph) if shape.hands else []
    sizes = graph.constant("sizes", shape.sizes, np.int64)
    noise = graph("Add", ["noise", "head_b"])
    slices = graph.many("Split", [noise, sizes], GROUPS, axis=2)
    if shape.hands:
        slices[SHIFT] = _noise_of_both(graph, slices[SHIFT], sizes)
        _number_batch(graph)
    last = [f"{name}_last" for name in states]
    keys_last = [f"{name}_last" for name in KEYS_STATES[: len(keys)]]
    logits = [f"all_logits_{m}" for m in range(GROUPS)]
    graph.many(
        "Scan",
        [*start, *keys, *slices],
        [graph.fresh(), graph.fresh(), *last, *keys_last, "all_columns", "all_levels", *logits],
        body=body,
        num_scan_inputs=len(slices),
    )
    if keys:
        apart = [graph("Unsqueeze", [name, "axis_1"]) for name in keys_last]
        graph("Concat", apart, out=f"{KEYS_STATE}_out", axis=1)
    _measure(graph, shape, logits)
    four = graph.constant("four", VELOCITY_BIN)
    bounds = [
        graph.constant("least_level", VELOCITY_LOW / VELOCITY_BIN),
        graph.constant("greatest_level", VELOCITY_HIGH / VELOCITY_BIN),
    ]
    levels = graph("Clip", ["all_levels", *bounds])
    axis_2 = graph.constant("axis_2", [2], np.int64)
    graph("Squeeze", [graph("Mul", [levels, four]), axis_2], out="velocities")
    end = graph.constant("end", -1, np.int64)
    graph("Gather", ["classes", end], out="previous_out", axis=0)
    graph("Gather", ["velocities", end], out="velocity_out", axis=0)
    half = len(last) // 2
    for kind, names in (("h", last[:half]), ("c", last[half:])):
        dims = [shape.layers, GROUPS, -1, shape.hidden]
        whole = graph("Concat", [graph("Unsqueeze", [x, "axis_0"]) for x in names], axis=0)
        target = graph.constant(f"{kind}_shape", dims, np.int64)
        graph("Reshape", [whole, target], out=f"{kind}_out")


def _noise_of_both(graph: Graph, noise: str, sizes: str) -> str:
    """Put the noise of a time shift and that of its second draw together: (notes, 2, batch, ..)."""
    forced = graph("Add", [noise, graph.constant("still_forced", STILL_FORCED)])
    part = graph.many("Split", ["head_b", sizes], GROUPS, axis=0)[SHIFT]
    second = graph("Max", [graph("Add", [AGAIN_INPUT, part]), forced])
    return graph("Concat", [graph("Unsqueeze", [x, "axis_1"]) for x in (noise, second)], axis=1)


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


def _measure(graph: Graph, shape: ChainShape, logits: list[str]) -> None:
    """Entropies and log-probabilities, untempered, of all notes; and the classes."""
    width = GROUPS + (1 if shape.velocity_bins else 0)
    columns = graph.many("Split", ["all_columns"], width, axis=2, num_outputs=width)
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
