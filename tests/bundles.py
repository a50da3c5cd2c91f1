"""A tiny untrained bundle, made in a fraction of a second from random numbers: no torch.

Tests of the edge play it through the real engine. The same seed gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.bundle import describe_graph, make_manifest, write_bundle
from export.graph import build_chain_graph
from streamer.bundle import Bundle
from streamer.codec import ChainCodec, published_codec
from streamer.manifest import ArgumentStatistics, HistogramSpec, Statistics

TINY_HIDDEN = 8
GRAPH_FILE = "chain.onnx"


def tiny_arrays(
    seed: int = 0,
    hidden: int = TINY_HIDDEN,
    layers: int = 2,
    codec: ChainCodec | None = None,
    *,
    absolute_velocity: bool = True,
    scale: float = 0.4,
) -> dict[str, NDArray[np.float32]]:
    """Return random weights in the form of ``Chain.export_arrays``, exact in float16."""
    codec = codec or published_codec()
    rng = np.random.default_rng(seed)
    sizes, offsets, gates = codec.sizes, codec.offsets, 4 * hidden

    def draw(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float16).astype(np.float32)

    arrays = {"prev_table": draw(offsets[-1], 5 * gates), "bias0": draw(5, gates)}
    if absolute_velocity:
        arrays["velocity_table"] = draw(32, 5 * gates)
    for m in range(1, 5):
        arrays[f"prefix_table_{m}"] = draw(offsets[m], gates)
    for layer in range(layers):
        arrays[f"w_hh{layer}"] = draw(5, hidden, gates)
        if layer:
            arrays[f"w_ih{layer}"] = draw(5, hidden, gates)
            arrays[f"b{layer}"] = draw(5, gates)
    for m, size in enumerate(sizes):
        arrays[f"head_w_{m}"] = draw(hidden, size)
        arrays[f"head_b_{m}"] = draw(size)
    # Rests of tens of seconds would make every test's music mostly silence.
    arrays["head_b_1"] -= np.where(codec.shift.centres > 1000, 8, 0).astype(np.float32)
    arrays["velocity_centres"] = codec.velocity.centres.astype(np.float32)
    return arrays


def tiny_statistics(phrase_notes: int = 32) -> Statistics:
    """Return plausible ground truth for the tiny model: wide, flat histograms."""

    def flat(high: float) -> HistogramSpec:
        return HistogramSpec(np.linspace(0, high, 31).tolist(), [1.0] * 30)

    argument = ArgumentStatistics(flat(5.0), flat(2.0), flat(1.0), 2.5, 0.5)
    levels = [0.0, 0.5, 1.0]
    note = {
        "density": [0.5, 6.0, 60.0],
        "pitch": [30.0, 62.0, 95.0],
        "velocity": [20.0, 64.0, 120.0],
        "duration_ms": [20.0, 300.0, 20000.0],
        "polyphony": [1.0, 4.0, 14.0],
        "longest_rest_ms": [0.0, 400.0, 6000.0],
    }
    bound = [[9.0] * 5 for _ in range(2)]
    low = [[-9.0] * 5 for _ in range(2)]
    return Statistics(phrase_notes, 1000, [argument] * 5, levels, note, low, bound)


def write_tiny_bundle(folder: Path, name: str = "tiny", seed: int = 0, **more: Any) -> Bundle:
    """Write the tiny bundle to ``folder/name`` and return it, loaded.

    Args:
        folder: An existing folder.
        name: The bundle's name.
        seed: Of the weights.
        more: Fields of the manifest that differ.
    """
    codec = published_codec()
    model = build_chain_graph(tiny_arrays(seed)).SerializeToString(deterministic=True)
    fields: dict[str, Any] = {
        "corpus": "random numbers",
        "licence": "CC0-1.0",
        "defaults": {"temperature": 1.0, "phrase_notes": 32, "candidates": 4},
        "config": {"model": {"hidden": TINY_HIDDEN, "layers": 2, "absolute_velocity": True}},
        "created": "2026-01-01",
        **more,
    }
    spec = describe_graph("step", GRAPH_FILE, model)
    manifest = make_manifest(name, codec, [spec], tiny_statistics(), **fields)
    return write_bundle(folder / name, manifest, {GRAPH_FILE: model}, f"# {name}\n\nUntrained.\n")
