"""The melody models as ONNX graphs: the step in one Scan, the encoder, the first state.

In: plain arrays (``Vrash.export_arrays``). Out: three ``ModelProto``. Needs onnx and numpy, not
torch. One form serves the families ``lm``, ``vae`` and ``vrash``: what a family has not, is zeros.

The step is made fast in the ways of :mod:`export.families.chain.graph`:

- Tables in place of products: rows of the previous note (pitch class and octave together, length)
  for the first micro-layer; rows of what is already chosen for the later heads.
- What latent and styles add is the same for every note of a call: it is taken outside the Scan.
- ONNX Runtime makes one operator of a Gemm and the function behind it; candidate and transform gate
  are two products for that reason. 31 operators a note are left.
- Inside, noise and bias enter as the third operand of a head's product. The logits themselves, and
  from them entropies and log-probabilities, are taken after the Scan, for all notes at once.
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
HALVES = ("candidate", "transform")
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
    _add_rows(graph, shape, arrays)
    for layer in range(shape.depth):
        matrix = arrays[f"r_{layer}"]
        for half, name in enumerate(HALVES):
            part = slice(half * shape.hidden, (half + 1) * shape.hidden)
            graph.constant(f"r_{layer}_{name}", matrix[:, part])
            if layer:
                graph.inner(f"rb_{layer}_{name}", arrays[f"rb_{layer}"][part])
    for m in range(ARGUMENT_COUNT):
        for name in (f"head_a_{m}", f"head_b_{m}"):
            graph.constant(name, arrays[name])
    graph.inner("head_ab_0", arrays["head_ab_0"])
    # The bias of a later head rides on the rows of what was chosen before it.
    first, second = shape.sizes[:2]
    rows, width = arrays["head_rows_2"], shape.head
    graph.constant("rows_1", arrays["head_rows_1"] + arrays["head_ab_1"])
    of_class = rows[:first, None] + arrays["head_ab_2"]
    graph.constant("rows_2", of_class + rows[first:].reshape(1, second, width))
    graph.constant(
        "head_bb", np.concatenate([arrays[f"head_bb_{m}"] for m in range(ARGUMENT_COUNT)])
    )


def _add_rows(graph: Graph, shape: TuneShape, arrays: Arrays) -> None:
    """Tables of the previous note: one row for pitch class and octave together, one for length.

    Behind the last pitch class is a row for "no note", behind the last length one of zeros.
    """
    first, second, _ = shape.sizes
    table, width = arrays["prev_table"], 2 * shape.hidden
    pitch = table[:first, None] + table[None, first : first + second]
    none = np.broadcast_to(table[-1], (1, second, width))
    graph.constant("pitch_rows", np.concatenate([pitch, none]))
    lengths = table[first + second : -1]
    graph.constant("length_rows", np.concatenate([lengths, np.zeros((1, width), np.float32)]))


def _add_condition(graph: Graph, arrays: Arrays) -> None:
    """What latent and styles add to the first micro-layer of every note: ``condition``."""
    bias = graph.constant("bias_in", arrays["bias_in"])
    of_z = graph("Gemm", ["z", graph.constant("cond_z", arrays["cond_z"]), bias])
    styles = graph.constant("cond_style", arrays["cond_style"])
    graph("Gemm", ["style", styles, of_z], out="condition")


def _build_body(graph: Graph, shape: TuneShape) -> Any:
    """One note. State in, noise slices in; state out, what the heads were given out."""
    n = Nodes("y")
    rows = [n("GatherND", ["pitch_rows", "pitch"]), n("GatherND", ["length_rows", "length"])]
    before = n("Sum", [*rows, "condition"])
    added = n.many("Split", [before], 2, axis=1, num_outputs=2)
    s = "s"
    for layer in range(shape.depth):
        if layer:
            added = [f"rb_{layer}_{name}" for name in HALVES]
        gates = [
            n("Gemm", [s, f"r_{layer}_{name}", more])
            for name, more in zip(HALVES, added, strict=True)
        ]
        away = n("Sub", [n("Tanh", [gates[0]]), s])
        moved = n("Mul", [n("Sigmoid", [gates[1]]), away])
        s = n("Add", [s, moved], out="s_next" if layer == shape.depth - 1 else "")
    chosen: list[str] = []
    for m in range(ARGUMENT_COUNT):
        more = "head_ab_0"
        if m == 1:
            more = n("GatherND", ["rows_1", chosen[0]])
        elif m == 2:
            more = n("GatherND", ["rows_2", n("Concat", chosen, out="pitch_next", axis=1)])
        inner = n("Tanh", [n("Gemm", [s, f"head_a_{m}", more])], out=f"inner_{m}")
        noised = n("Gemm", [inner, f"head_b_{m}", f"noise_{m}"])
        chosen.append(n("ArgMax", [noised], out=f"chosen_{m}", axis=1, keepdims=1))
    # An output may not be given twice.
    n("Identity", [chosen[2]], out="length_next")

    hidden: list[int | str] = ["batch", shape.hidden]
    inputs = [value("pitch", INT, ["batch", 2]), value("length", INT, ["batch", 1])]
    inputs.append(value("s", FLOAT, hidden))
    inputs += [value(f"noise_{m}", FLOAT, ["batch", k]) for m, k in enumerate(shape.sizes)]
    outputs = [value("pitch_next", INT, ["batch", 2]), value("length_next", INT, ["batch", 1])]
    outputs.append(value("s_next", FLOAT, hidden))
    heads = range(ARGUMENT_COUNT)
    outputs += [value(f"chosen_{m}", INT, ["batch", 1]) for m in heads]
    outputs += [value(f"inner_{m}", FLOAT, ["batch", shape.head]) for m in heads]
    return helper.make_graph(n.nodes, "note", inputs, outputs, graph.body_initializers)


def _build_outer(graph: Graph, shape: TuneShape, body: Any) -> None:
    """Find the first rows, run the Scan, measure all logits, pass latent and styles through."""
    first, _, last = shape.sizes
    none = graph.constant("none_rows", [first, 0, last], np.int64)
    absent = graph("Less", ["previous", graph.constant("zero", 0, np.int64)])
    rows = graph("Where", [absent, none, "previous"])
    widths = graph.constant("widths", [2, 1], np.int64)
    start = graph.many("Split", [rows, widths], 2, axis=1)
    sizes = graph.constant("sizes", shape.sizes, np.int64)
    slices = graph.many(
        "Split", [graph("Add", ["noise", "head_bb"]), sizes], ARGUMENT_COUNT, axis=2
    )
    columns = [f"all_chosen_{m}" for m in range(ARGUMENT_COUNT)]
    inner = [f"all_inner_{m}" for m in range(ARGUMENT_COUNT)]
    graph.many(
        "Scan",
        [*start, "s", *slices],
        [graph.fresh(), graph.fresh(), "s_out", *columns, *inner],
        body=body,
        num_scan_inputs=ARGUMENT_COUNT,
    )
    graph("Concat", columns, out="classes", axis=2)
    _measure(graph, columns, inner, sizes)
    end = graph.constant("end", -1, np.int64)
    graph("Gather", ["classes", end], out="previous_out", axis=0)
    graph("Identity", ["z"], out="z_out")
    graph("Identity", ["style"], out="style_out")


def _measure(graph: Graph, columns: list[str], inner: list[str], sizes: str) -> None:
    """Entropies and log-probabilities, untempered, of all notes at once."""
    parts = graph.many("Split", ["head_bb", sizes], ARGUMENT_COUNT, axis=0)
    axis = graph.constant("axis_last", [-1], np.int64)
    entropies, log_probs = [], []
    for m in range(ARGUMENT_COUNT):
        logits = graph("Add", [graph("MatMul", [inner[m], f"head_b_{m}"]), parts[m]])
        log_p = graph("LogSoftmax", [logits], axis=-1)
        product = graph("Mul", [graph("Exp", [log_p]), log_p])
        entropies.append(graph("Neg", [graph("ReduceSum", [product, axis], keepdims=1)]))
        log_probs.append(graph("GatherElements", [log_p, columns[m]], axis=2))
    graph("Concat", entropies, out="entropies", axis=2)
    graph("Concat", log_probs, out="log_probs", axis=2)


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
