"""MusAE as two ONNX graphs: states to latent, and latent to what each track plays.

In: plain arrays (``Musae.export_arrays``). Out: ``ModelProto``s. Needs onnx and numpy, not torch.

``encode``: ``states`` (batch, steps, 4) int64 -> ``mean``, ``log_variance`` (batch, latent).
``decode``: ``z`` (batch, latent) -> an output for each track, by its name: probabilities
(batch, steps, 130).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.nodes import FLOAT, INT, Graph, make_model, value
from streamer.families.bands.codec import STATES, TRACKS, BandCodec

Arrays = Mapping[str, NDArray[np.float32]]

LOG_VARIANCE_RANGE = (-14.0, 4.0)
"""In the prior's units, as :mod:`training.families.bands.model` bounds it."""

_ORDER = (0, 3, 1, 2)
"""ONNX orders the gates i, o, f, c; torch i, f, g, o."""


def build_encode_graph(arrays: Arrays, codec: BandCodec, *, parts: int = 0) -> ModelProto:
    """Build ``encode``; see the module's text.

    Args:
        arrays: Weights.
        codec: Steps of a window.
        parts: Of the window, over each of which the outputs are averaged; 0: z comes of the last
            output of each direction.

    Raises:
        ValueError: The arrays are not those of a band.
    """
    width = STATES * len(TRACKS)
    if arrays["encoder.weight_ih_l0"].shape[1] != width:
        raise ValueError(f"the encoder must read {width} numbers a step")
    graph = Graph()
    ends = graph.constant("off_on", [0.0, 1.0])
    depth = graph.constant("depth", [STATES], np.int64)
    hot = graph("OneHot", ["states", depth, ends], axis=-1)
    flat = graph("Reshape", [hot, graph.constant("flat", [0, 0, width], np.int64)])
    x = graph("Transpose", [flat], perm=[1, 0, 2])
    final = ""
    for layer in range(_layers(arrays, "encoder")):
        y, final = _lstm(graph, arrays, "encoder", layer, x, both=True)
        # (steps, 2, batch, hidden) -> (steps, batch, 2 hidden)
        beside = graph("Transpose", [y], perm=[0, 2, 1, 3])
        x = graph("Reshape", [beside, _shape(graph, f"beside_{layer}", [0, 0, -1])])
    if parts:
        wide = 2 * arrays["encoder.weight_hh_l0"].shape[1]
        first = graph("Transpose", [x], perm=[1, 0, 2])
        split = _shape(graph, "parts", [0, parts, codec.steps // parts, wide])
        each = graph("Reshape", [first, split])
        means = graph("ReduceMean", [each, _shape(graph, "over_steps", [2])], keepdims=0)
        read = graph("Reshape", [means, _shape(graph, "read", [0, parts * wide])])
    else:
        # Of each direction what it says when it has read all.
        ends_first = graph("Transpose", [final], perm=[1, 0, 2])
        read = graph("Reshape", [ends_first, _shape(graph, "read", [0, -1])])
    latent = arrays["unit"].shape[0]
    matrix, bias = arrays["latent.weight"].T, arrays["latent.bias"]
    for name, part in (("mean", slice(0, latent)), ("spread", slice(latent, None))):
        weights = graph.constant(f"{name}_w", matrix[:, part])
        said = graph("Gemm", [read, weights, graph.constant(f"{name}_b", bias[part])])
        if name == "mean":
            graph("Mul", [said, graph.constant("unit", arrays["unit"])], out="mean")
            continue
        low, high = (graph.constant(f"clip_{v:g}", v) for v in LOG_VARIANCE_RANGE)
        squared = graph.constant("log_unit", 2 * np.log(arrays["unit"]))
        graph("Add", [graph("Clip", [said, low, high]), squared], out="log_variance")
    rows: list[int | str] = ["batch", latent]
    return make_model(
        helper.make_graph(
            graph.nodes,
            "encode",
            [value("states", INT, ["batch", *codec.shape])],
            [value("mean", FLOAT, rows), value("log_variance", FLOAT, rows)],
            graph.initializers,
        )
    )


def build_decode_graph(arrays: Arrays, codec: BandCodec) -> ModelProto:
    """Build ``decode``; see the module's text."""
    graph = Graph()
    latent = arrays["unit"].shape[0]
    scaled = graph("Div", ["z", graph.constant("unit", arrays["unit"])])
    for track in TRACKS:
        prefix = f"decoders.{track}"
        if f"{prefix}.start.weight" in arrays:
            x = _from_start(graph, arrays, prefix, scaled, codec.steps)
        else:
            x = _unfolded(graph, arrays, prefix, scaled, codec.steps)
        out = graph.constant(f"{track}_out_w", arrays[f"{prefix}.out.weight"].T)
        seen = graph("Add", [graph("MatMul", [x, out]),
                             _bias(graph, arrays, f"{prefix}.out.bias")])  # fmt: skip
        shown = graph("Softmax", [seen], axis=-1)
        graph("Transpose", [shown], perm=[1, 0, 2], out=track)
    return make_model(
        helper.make_graph(
            graph.nodes,
            "decode",
            [value("z", FLOAT, ["batch", latent])],
            [value(track, FLOAT, ["batch", codec.steps, STATES]) for track in TRACKS],
            graph.initializers,
        )
    )


def _from_start(graph: Graph, arrays: Arrays, prefix: str, z: str, steps: int) -> str:
    """Append the paper's decoder: z in every step, and at the start of each layer."""
    front = graph.constant(f"{prefix}_front", [0], np.int64)
    once = graph("Unsqueeze", [z, front])
    x = graph("Expand", [once, _shape(graph, f"{prefix}_steps", [steps, 1, 1])])
    h = graph("Unsqueeze", [_linear(graph, arrays, f"{prefix}.start", z), front])
    for layer in range(_layers(arrays, f"{prefix}.lstm")):
        y, _ = _lstm(graph, arrays, f"{prefix}.lstm", layer, x, both=False, h=h)
        x = graph("Squeeze", [y, _shape(graph, f"{prefix}_one_{layer}", [1])])
    return x


def _unfolded(graph: Graph, arrays: Arrays, prefix: str, z: str, steps: int) -> str:
    """Append a decoder whose perceptron gives each step an input of its own."""
    wide = graph("Relu", [_linear(graph, arrays, f"{prefix}.wide", z)])
    rows = _linear(graph, arrays, f"{prefix}.steps", wide)
    split = graph("Reshape", [rows, _shape(graph, f"{prefix}_split", [0, steps, -1])])
    x = graph("Transpose", [split], perm=[1, 0, 2])
    y, _ = _lstm(graph, arrays, f"{prefix}.lstm", 0, x, both=False)
    return graph("Squeeze", [y, _shape(graph, f"{prefix}_one", [1])])


def _linear(graph: Graph, arrays: Arrays, name: str, x: str) -> str:
    """Append a linear layer as torch keeps it."""
    matrix = graph.constant(f"{name}_w", arrays[f"{name}.weight"].T)
    return graph("Gemm", [x, matrix, _bias(graph, arrays, f"{name}.bias")])


def _layers(arrays: Arrays, prefix: str) -> int:
    count = 0
    while f"{prefix}.weight_ih_l{count}" in arrays:
        count += 1
    return count


def _lstm(
    graph: Graph, arrays: Arrays, prefix: str, layer: int, x: str, *, both: bool, h: str = ""
) -> tuple[str, str]:
    """Append one layer; return its outputs and its last ones."""
    ends = ("", "_reverse") if both else ("",)

    def stacked(kind: str) -> NDArray[np.float32]:
        return np.stack([_gates(arrays[f"{prefix}.{kind}_l{layer}{end}"]) for end in ends])

    label = f"{prefix}_{layer}"
    w = graph.constant(f"{label}_w", stacked("weight_ih"))
    r = graph.constant(f"{label}_r", stacked("weight_hh"))
    biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    inputs = [x, w, r, graph.constant(f"{label}_b", biases)]
    if h:
        inputs += ["", h]
    hidden = arrays[f"{prefix}.weight_hh_l{layer}"].shape[1]
    direction = "bidirectional" if both else "forward"
    y, last = graph.many("LSTM", inputs, 2, hidden_size=hidden, direction=direction)
    return y, last


def _gates(array: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = np.split(array, 4, axis=0)
    return np.concatenate([parts[k] for k in _ORDER], axis=0)


def _bias(graph: Graph, arrays: Arrays, name: str) -> str:
    return graph.constant(f"c_{name}", arrays[name])


def _shape(graph: Graph, name: str, sizes: list[int]) -> str:
    return graph.constant(f"s_{name}", sizes, np.int64)
