"""The query VAE as two ONNX graphs, with the bit-allocated channel inside.

In: plain arrays (``Query.export_arrays``) and the latent's statistics over the corpus. Out:
``ModelProto``s. Needs onnx and numpy, not torch.

``decode``: ``z`` (batch, latent) -> ``probabilities`` (batch, steps, pitches, layers).
``answer``: ``cells``, ``rates`` (batch, latent) in bits, ``noise`` (batch, latent) -> ``z``: the
encoder, and of what it says what :func:`streamer.families.windows.bitchannel.transmit` lets
through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.nodes import FLOAT, Graph, make_model, value
from streamer.families.windows.codec import RollCodec

Arrays = Mapping[str, NDArray[np.float32]]


def build_decode_graph(arrays: Arrays, codec: RollCodec) -> ModelProto:
    """Build ``decode``; see the module's text."""
    graph = Graph()
    _decode(graph, arrays, codec, "z")
    latent = arrays["latent_w"].shape[1] // 2
    return _model(
        graph, "decode", {"z": ["batch", latent]}, {"probabilities": ["batch", *codec.shape]}
    )


def build_answer_graph(
    arrays: Arrays,
    codec: RollCodec,
    mean: NDArray[np.floating],
    variances: NDArray[np.floating],
) -> ModelProto:
    """Build ``answer``; see the module's text.

    Args:
        arrays: As ``Query.export_arrays`` returns them.
        codec: The cells.
        mean: Of each latent component over the corpus, ``(latent,)``.
        variances: The same.

    Raises:
        ValueError: The statistics are not those of this latent.
    """
    latent = arrays["latent_w"].shape[1] // 2
    if np.shape(mean) != (latent,) or np.shape(variances) != (latent,):
        raise ValueError(f"mean and variances must be {latent} numbers")
    graph = Graph()
    encoded = _encode(graph, arrays, codec)
    one = graph.constant("one", 1.0)
    # 4^-R as exp(-R ln 4): at R = 0 exactly 1, so that 0 bits are the mean and nothing else.
    left = graph("Exp", [graph("Mul", ["rates", graph.constant("ln", -math.log(4.0))])])
    passed = graph("Mul", [graph("Sub", [one, left]), encoded])
    drawn = graph("Mul", [left, graph.constant("corpus_mean", mean)])
    # 4^-R sqrt((4^R - 1) v) = sqrt((1 - 4^-R) 4^-R v): no large number on the way.
    kept = graph("Mul", [graph("Sub", [one, left]), left])
    spread = graph("Sqrt", [graph("Mul", [kept, graph.constant("corpus_var", variances)])])
    noisy = graph("Mul", [spread, "noise"])
    graph("Add", [graph("Add", [passed, drawn]), noisy], out="z")
    rows: list[int | str] = ["batch", latent]
    return _model(
        graph,
        "answer",
        {"cells": ["batch", *codec.shape], "rates": rows, "noise": rows},
        {"z": rows},
    )


def _encode(graph: Graph, arrays: Arrays, codec: RollCodec) -> str:
    """Return the posterior mean."""
    x = graph("Reshape", ["cells", graph.constant("flat", [-1, codec.cells], np.int64)])
    x = _layers(graph, arrays, "encoder", x)
    latent = arrays["latent_w"].shape[1] // 2
    matrix = graph.constant("m_mean_w", arrays["latent_w"][:, :latent])
    return graph("Gemm", [x, matrix, graph.constant("m_mean_b", arrays["latent_b"][:latent])])


def _decode(graph: Graph, arrays: Arrays, codec: RollCodec, z: str) -> None:
    logits = _linear(graph, arrays, "cells_{}", _layers(graph, arrays, "decoder", z))
    shape = graph.constant("cells_shape", [-1, *codec.shape], np.int64)
    graph("Reshape", [graph("Sigmoid", [logits]), shape], out="probabilities")


def _layers(graph: Graph, arrays: Arrays, side: str, x: str) -> str:
    layer = 0
    while f"{side}_w_{layer}" in arrays:
        x = graph("Relu", [_linear(graph, arrays, f"{side}_{{}}_{layer}", x)])
        layer += 1
    return x


def _linear(graph: Graph, arrays: Arrays, name: str, x: str) -> str:
    matrix = graph.constant(f"m_{name.format('w')}", arrays[name.format("w")])
    bias = graph.constant(f"m_{name.format('b')}", arrays[name.format("b")])
    return graph("Gemm", [x, matrix, bias])


def _model(
    graph: Graph,
    name: str,
    inputs: Mapping[str, list[int | str]],
    outputs: Mapping[str, list[int | str]],
) -> ModelProto:
    proto = helper.make_graph(
        graph.nodes,
        name,
        [value(key, FLOAT, shape) for key, shape in inputs.items()],
        [value(key, FLOAT, shape) for key, shape in outputs.items()],
        graph.initializers,
    )
    return make_model(proto)
