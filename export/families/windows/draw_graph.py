"""The decoder of DRAW as an ONNX graph: latents of all passes in, probabilities of the cells out.

In: plain arrays (``Draw.export_arrays``). Out: a ``ModelProto``. Needs onnx and numpy, not torch.

Writing to the canvas is linear, so the decoder's outputs are summed before the one product that
reaches the cells: a section costs T small LSTM steps and one matrix, whatever T is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.nodes import FLOAT, Graph, make_model, value
from streamer.families.windows.codec import RollCodec

Arrays = Mapping[str, NDArray[np.float32]]

FORGET_BIAS = 1.0
"""Added to the forget gate, as :mod:`training.families.windows.draw` does."""


def build_draw_graph(arrays: Arrays, codec: RollCodec) -> ModelProto:
    """Build the graph ``decode``.

    Input ``z`` (passes, batch, latent): both free, one pass or more. Output ``probabilities``
    (batch, steps, pitches), 0..1.

    Args:
        arrays: As ``Draw.export_arrays`` returns them; gate order i, f, g, o.
        codec: Shape of a section.

    Raises:
        ValueError: The arrays do not fit each other or the codec.
    """
    hidden, latent = _check(arrays, codec)
    graph = Graph()
    bias = arrays["decoder_bias"].copy()
    bias[hidden : 2 * hidden] += FORGET_BIAS
    # ONNX orders the gates i, o, f, c; here they are i, f, g, o.
    order = np.concatenate([np.arange(hidden) + hidden * k for k in (0, 3, 1, 2)])
    graph.constant("w", arrays["decoder_in"][:, order].T[None])
    graph.constant("r", arrays["decoder_own"][:, order].T[None])
    both = np.concatenate([bias[order], np.zeros(4 * hidden, dtype=np.float32)])
    graph.constant("b", both[None])
    outputs = graph.many("LSTM", ["z", "w", "r", "b"], 1, hidden_size=hidden)[0]
    summed = graph("ReduceSum", [outputs, graph.constant("axes", [0, 1], np.int64)], keepdims=0)
    for i in range(2 if "write_0" in arrays else 1):
        name = f"write_{i}" if "write_0" in arrays else "write"
        summed = graph("MatMul", [summed, graph.constant(f"{name}_w", arrays[name])])
    canvas = graph("Add", [summed, graph.constant("canvas", arrays["canvas"])])
    shape = graph.constant("shape", [-1, codec.steps, codec.pitches], np.int64)
    graph("Reshape", [graph("Sigmoid", [canvas]), shape], out="probabilities")
    proto = helper.make_graph(
        graph.nodes,
        "draw",
        [value("z", FLOAT, ["passes", "batch", latent])],
        [value("probabilities", FLOAT, ["batch", codec.steps, codec.pitches])],
        graph.initializers,
    )
    return make_model(proto)


def _check(arrays: Arrays, codec: RollCodec) -> tuple[int, int]:
    """Return hidden and latent width."""
    latent = arrays["decoder_in"].shape[0]
    hidden = arrays["decoder_own"].shape[0]
    expected: dict[str, tuple[Any, ...]] = {
        "decoder_in": (latent, 4 * hidden),
        "decoder_bias": (4 * hidden,),
        "decoder_own": (hidden, 4 * hidden),
        "canvas": (codec.cells,),
    }
    if "write_0" in arrays:
        rank = arrays["write_0"].shape[1]
        expected |= {"write_0": (hidden, rank), "write_1": (rank, codec.cells)}
    else:
        expected["write"] = (hidden, codec.cells)
    for name, wanted in expected.items():
        if name not in arrays or arrays[name].shape != wanted:
            got = arrays[name].shape if name in arrays else "nothing"
            raise ValueError(f"array {name} must be {wanted}, not {got}")
    return hidden, latent
