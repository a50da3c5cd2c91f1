"""The melody models as ONNX graphs: the step in one Scan, the encoder, the first state.

In: plain arrays (``Vrash.export_arrays``). Out: three ``ModelProto``. Needs onnx and numpy, not
torch. Called by the exporter, and by tests that want a small bundle. One form serves the families
``lm``, ``vae`` and ``vrash``: what a family has not, is zeros.

The step is made fast in the ways of :mod:`export.graph`:

- The previous note is a sum of rows of one table of the first micro-layer's pre-activations.
- What latent and styles add is the same for every note of a call: it is taken outside the Scan.
- The three heads' first layers are one product; each sampled argument adds one row for all later
  heads at once.
- Entropies and log-probabilities are taken after the Scan, for all notes at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.nodes import FLOAT, INT, Graph, Nodes, make_model, value

Arrays = Mapping[str, NDArray[np.float32]]

ARGUMENT_COUNT = 3
STEP_FILE, ENCODE_FILE, START_FILE = "tune.onnx", "encoder.onnx", "start.onnx"


@dataclass(frozen=True)
class TuneShape:
    """Sizes read off the arrays.

    Attributes:
        hidden: Width of the state.
        depth: Micro-layers of the recurrent highway cell.
        head: Width of a head.
        latent: Size of z.
        styles: How many styles there are.
        sizes: Classes of each argument.
    """

    hidden: int
    depth: int
    head: int
    latent: int
    styles: int
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, arrays: Arrays) -> TuneShape:
        """Read the shape, and check that the arrays agree with it.

        Raises:
            ValueError: An array is missing or has another shape than the rest imply.
        """
        for name in ("r_0", "head_ab_0", "start_z", "cond_style"):
            if name not in arrays:
                raise ValueError(f"array {name} is missing")
        shape = cls(
            hidden=arrays["r_0"].shape[0],
            depth=sum(1 for name in arrays if name.startswith("r_")),
            head=arrays["head_ab_0"].shape[0],
            latent=arrays["start_z"].shape[0],
            styles=arrays["cond_style"].shape[0],
            sizes=tuple(len(arrays.get(f"head_bb_{m}", ())) for m in range(ARGUMENT_COUNT)),
        )
        _check(arrays, shape.expected())
        return shape

    @property
    def offsets(self) -> list[int]:
        """First row of each argument, and the number of rows."""
        return [int(x) for x in np.cumsum((0, *self.sizes))]

    def expected(self) -> dict[str, tuple[int, ...]]:
        """Return every array's name and shape, without the encoder's."""
        h, u, rows = self.hidden, self.head, self.offsets
        found: dict[str, tuple[int, ...]] = {
            "prev_table": (rows[-1] + 1, 2 * h),
            "cond_z": (self.latent, 2 * h),
            "cond_style": (self.styles, 2 * h),
            "start_z": (self.latent, h),
            "start_b": (h,),
            "bias_in": (2 * h,),
        }
        for layer in range(self.depth):
            found[f"r_{layer}"] = (h, 2 * h)
            if layer:
                found[f"rb_{layer}"] = (2 * h,)
        for m, size in enumerate(self.sizes):
            found[f"head_a_{m}"] = (h, u)
            found[f"head_ab_{m}"] = (u,)
            found[f"head_b_{m}"] = (u, size)
            found[f"head_bb_{m}"] = (size,)
            if m:
                found[f"head_rows_{m}"] = (rows[m], u)
        return found


def _check(arrays: Arrays, expected: Mapping[str, tuple[int, ...]]) -> None:
    for name, wanted in expected.items():
        if name not in arrays or arrays[name].shape != wanted:
            got = arrays[name].shape if name in arrays else "nothing"
            raise ValueError(f"array {name} must be {wanted}, not {got}")


def build_tune_graph(arrays: Arrays) -> ModelProto:
    """Build the step graph.

    Inputs ``previous`` int64 (batch, 3), -1 for none; ``s`` (batch, hidden); ``z`` (batch, latent);
    ``style`` (batch, styles), weights; ``noise`` (notes, batch, classes). Outputs ``classes``
    int64, ``entropies``, ``log_probs`` (notes, batch, 3), and the state ``previous_out``,
    ``s_out``, ``z_out``, ``style_out``, of which the last two are the inputs.

    Args:
        arrays: As ``Vrash.export_arrays`` returns them; x @ W.

    Raises:
        ValueError: The arrays do not fit each other.
    """
    shape = TuneShape.of(arrays)
    graph = Graph()
    _add_weights(graph, shape, arrays)
    _add_condition(graph, arrays)
    body = _build_body(graph, shape)
    _build_outer(graph, shape, body)
    rows: list[int | str] = ["notes", "batch"]
    state = [
        ("previous", INT, ARGUMENT_COUNT),
        ("s", FLOAT, shape.hidden),
        ("z", FLOAT, shape.latent),
        ("style", FLOAT, shape.styles),
    ]
    inputs = [value(name, dtype, ["batch", size]) for name, dtype, size in state]
    inputs.append(value("noise", FLOAT, [*rows, shape.offsets[-1]]))
    outputs = [
        value("classes", INT, [*rows, ARGUMENT_COUNT]),
        value("entropies", FLOAT, [*rows, ARGUMENT_COUNT]),
        value("log_probs", FLOAT, [*rows, ARGUMENT_COUNT]),
    ]
    outputs += [value(f"{name}_out", dtype, ["batch", size]) for name, dtype, size in state]
    return make_model(helper.make_graph(graph.nodes, "tune", inputs, outputs, graph.initializers))


def _add_weights(graph: Graph, shape: TuneShape, arrays: Arrays) -> None:
    """Add tables and matrices; names are used by the body, which sees the outer graph."""
    nothing = np.zeros((1, 2 * shape.hidden), np.float32)
    graph.constant("rows_table", np.concatenate([arrays["prev_table"], nothing]))
    for layer in range(shape.depth):
        graph.constant(f"r_{layer}", arrays[f"r_{layer}"])
        if layer:
            graph.inner(f"rb_{layer}", arrays[f"rb_{layer}"])
    heads = range(ARGUMENT_COUNT)
    graph.constant("head_a", np.concatenate([arrays[f"head_a_{m}"] for m in heads], axis=1))
    graph.inner("head_ab", np.concatenate([arrays[f"head_ab_{m}"] for m in heads]))
    offsets = shape.offsets
    for j in range(ARGUMENT_COUNT - 1):
        later = range(j + 1, ARGUMENT_COUNT)
        share = [arrays[f"head_rows_{m}"][offsets[j] : offsets[j + 1]] for m in later]
        graph.constant(f"share_{j}", np.concatenate(share, axis=1))
        graph.inner(f"parts_{j}", [shape.head, shape.head * len(later)], np.int64)
    for m in heads:
        graph.constant(f"head_b_{m}", arrays[f"head_b_{m}"])
    graph.constant("head_bb", np.concatenate([arrays[f"head_bb_{m}"] for m in heads]))
    graph.inner("first_rows", offsets[:ARGUMENT_COUNT], np.int64)
    graph.inner("ones", np.ones((1, ARGUMENT_COUNT)))
    graph.inner("middle", [1], np.int64)


def _add_condition(graph: Graph, arrays: Arrays) -> None:
    """What latent and styles add to the first micro-layer of every note: ``condition``."""
    bias = graph.constant("bias_in", arrays["bias_in"])
    of_z = graph("Gemm", ["z", graph.constant("cond_z", arrays["cond_z"]), bias])
    styles = graph.constant("cond_style", arrays["cond_style"])
    graph("Gemm", ["style", styles, of_z], out="condition")


def _build_body(graph: Graph, shape: TuneShape) -> Any:
    """One note. State in, noise slices in; state out, classes and logits out."""
    n = Nodes("y")
    rows = n("Gather", ["rows_table", "rows"], axis=0)
    # A product with ones sums the rows faster than ReduceSum (see export/graph.py).
    before = n("Add", [n("Squeeze", [n("MatMul", ["ones", rows]), "middle"]), "condition"])
    s = "s"
    for layer in range(shape.depth):
        gates = n("Gemm", [s, f"r_{layer}", f"rb_{layer}" if layer else before])
        candidate, transform = n.many("Split", [gates], 2, axis=1, num_outputs=2)
        away = n("Sub", [n("Tanh", [candidate]), s])
        moved = n("Mul", [n("Sigmoid", [transform]), away])
        last = layer == shape.depth - 1
        s = n("Add", [s, moved], out="s_next" if last else "")
    left = n("Gemm", [s, "head_a", "head_ab"])
    chosen = []
    for m in range(ARGUMENT_COUNT):
        mine = left
        if m < ARGUMENT_COUNT - 1:
            mine, left = n.many("Split", [left, f"parts_{m}"], 2, axis=1)
        logits = n("MatMul", [n("Tanh", [mine]), f"head_b_{m}"], out=f"logits_{m}")
        chosen.append(n("ArgMax", [n("Add", [logits, f"noise_{m}"])], axis=1, keepdims=1))
        if m < ARGUMENT_COUNT - 1:
            left = n("Add", [left, n("GatherND", [f"share_{m}", chosen[m]])])
    columns = n("Concat", chosen, out="columns", axis=1)
    n("Add", [columns, "first_rows"], out="rows_next")

    hidden: list[int | str] = ["batch", shape.hidden]
    classes: list[int | str] = ["batch", ARGUMENT_COUNT]
    inputs = [value("rows", INT, classes), value("s", FLOAT, hidden)]
    inputs += [value(f"noise_{m}", FLOAT, ["batch", k]) for m, k in enumerate(shape.sizes)]
    outputs = [value("rows_next", INT, classes), value("s_next", FLOAT, hidden)]
    outputs.append(value("columns", INT, classes))
    outputs += [value(f"logits_{m}", FLOAT, ["batch", k]) for m, k in enumerate(shape.sizes)]
    return helper.make_graph(n.nodes, "note", inputs, outputs, graph.body_initializers)


def _build_outer(graph: Graph, shape: TuneShape, body: Any) -> None:
    """Find the first rows, run the Scan, measure all logits, pass latent and styles through."""
    total = shape.offsets[-1]
    none = graph.constant("none_rows", [total, total + 1, total + 1], np.int64)
    starts = graph.constant("argument_rows", shape.offsets[:ARGUMENT_COUNT], np.int64)
    absent = graph("Less", ["previous", graph.constant("zero", 0, np.int64)])
    rows = graph("Where", [absent, none, graph("Add", ["previous", starts])])
    sizes = graph.constant("sizes", shape.sizes, np.int64)
    noise = graph("Add", ["noise", "head_bb"])
    slices = graph.many("Split", [noise, sizes], ARGUMENT_COUNT, axis=2)
    logits = [f"all_logits_{m}" for m in range(ARGUMENT_COUNT)]
    graph.many(
        "Scan",
        [rows, "s", *slices],
        [graph.fresh(), "s_out", "classes", *logits],
        body=body,
        num_scan_inputs=ARGUMENT_COUNT,
    )
    parts = graph.many("Split", ["head_bb", sizes], ARGUMENT_COUNT, axis=0)
    columns = graph.many("Split", ["classes"], ARGUMENT_COUNT, axis=2, num_outputs=ARGUMENT_COUNT)
    axis = graph.constant("axis_last", [-1], np.int64)
    entropies, log_probs = [], []
    for m in range(ARGUMENT_COUNT):
        log_p = graph("LogSoftmax", [graph("Add", [logits[m], parts[m]])], axis=-1)
        product = graph("Mul", [graph("Exp", [log_p]), log_p])
        entropies.append(graph("Neg", [graph("ReduceSum", [product, axis], keepdims=1)]))
        log_probs.append(graph("GatherElements", [log_p, columns[m]], axis=2))
    graph("Concat", entropies, out="entropies", axis=2)
    graph("Concat", log_probs, out="log_probs", axis=2)
    end = graph.constant("end", -1, np.int64)
    graph("Gather", ["classes", end], out="previous_out", axis=0)
    graph("Identity", ["z"], out="z_out")
    graph("Identity", ["style"], out="style_out")


def build_start_graph(arrays: Arrays) -> ModelProto:
    """Build the graph of the first state: ``z``, ``style`` (batch, ..) -> ``s`` (batch, hidden).

    Raises:
        ValueError: The arrays do not fit each other.
    """
    shape = TuneShape.of(arrays)
    graph = Graph()
    weights = [graph.constant(name, arrays[name]) for name in ("start_z", "start_b")]
    graph("Tanh", [graph("Gemm", ["z", *weights])], out="s")
    inputs = [
        value("z", FLOAT, ["batch", shape.latent]),
        value("style", FLOAT, ["batch", shape.styles]),
    ]
    outputs = [value("s", FLOAT, ["batch", shape.hidden])]
    return make_model(helper.make_graph(graph.nodes, "start", inputs, outputs, graph.initializers))


def has_encoder(arrays: Arrays) -> bool:
    """Whether the family has an encoder; ``lm`` has none."""
    return "enc_out" in arrays


def build_encoder_graph(arrays: Arrays) -> ModelProto:
    """Build the encoder: ``classes`` int64 (batch, notes, 3) and ``style`` -> ``mu``, ``logvar``.

    A bidirectional GRU over the notes' embeddings, then one layer over the means and the last
    states of both directions, and the style.

    Args:
        arrays: As ``TuneEncoder.export_arrays`` returns them: ``enc_table_m`` (classes, e_m),
            ``enc_w`` (2, 3G, E), ``enc_r`` (2, 3G, G), ``enc_b`` (2, 6G) in the operator's gate
            order z, r, h; ``enc_out`` (4G, 2Z), ``enc_out_b`` (2Z,), ``enc_style`` (styles, 2Z).

    Raises:
        ValueError: The arrays do not fit each other.
    """
    size, styles, latent = _check_encoder(arrays)
    graph = Graph()
    # The operator wants notes first.
    turned = graph("Transpose", ["classes"], perm=[1, 0, 2])
    columns = graph.many("Split", [turned], ARGUMENT_COUNT, axis=2, num_outputs=ARGUMENT_COUNT)
    last = graph.constant("last", [2], np.int64)
    parts = []
    for m, column in enumerate(columns):
        table = graph.constant(f"table_{m}", arrays[f"enc_table_{m}"])
        parts.append(graph("Gather", [table, graph("Squeeze", [column, last])]))
    weights = [graph.constant(name, arrays[name]) for name in ("enc_w", "enc_r", "enc_b")]
    states, ends = graph.many(
        "GRU",
        [graph("Concat", parts, axis=2), *weights],
        2,
        direction="bidirectional",
        hidden_size=size,
        linear_before_reset=1,
    )
    means = graph("ReduceMean", [states, graph.constant("first", [0], np.int64)], keepdims=0)
    flat = graph.constant("flat", [-1, 2 * size], np.int64)
    sides = [
        graph("Reshape", [graph("Transpose", [side], perm=[1, 0, 2]), flat])
        for side in (means, ends)
    ]
    out, bias, of_style = (
        graph.constant(name, arrays[name]) for name in ("enc_out", "enc_out_b", "enc_style")
    )
    seen = graph("Gemm", ["style", of_style, bias])
    both = graph("Gemm", [graph("Concat", sides, axis=1), out, seen])
    graph.many("Split", [both], ["mu", "logvar"], axis=1, num_outputs=2)
    inputs = [
        value("classes", INT, ["batch", "notes", ARGUMENT_COUNT]),
        value("style", FLOAT, ["batch", styles]),
    ]
    found = [value(name, FLOAT, ["batch", latent]) for name in ("mu", "logvar")]
    return make_model(helper.make_graph(graph.nodes, "encoder", inputs, found, graph.initializers))


def _check_encoder(arrays: Arrays) -> tuple[int, int, int]:
    """Return width, styles and latent, or refuse arrays that do not fit (ValueError)."""
    tables = [f"enc_table_{m}" for m in range(ARGUMENT_COUNT)]
    for name in (*tables, "enc_r", "enc_out", "enc_style"):
        if name not in arrays:
            raise ValueError(f"array {name} is missing")
    width = sum(arrays[name].shape[1] for name in tables)
    size, styles = arrays["enc_r"].shape[2], arrays["enc_style"].shape[0]
    latent = arrays["enc_out"].shape[1] // 2
    expected = {
        "enc_w": (2, 3 * size, width),
        "enc_r": (2, 3 * size, size),
        "enc_b": (2, 6 * size),
        "enc_out": (4 * size, 2 * latent),
        "enc_out_b": (2 * latent,),
        "enc_style": (styles, 2 * latent),
    }
    _check(arrays, expected)
    return size, styles, latent
