"""Tiny untrained bundles, made in a fraction of a second from random numbers: no torch.

Tests of the edge play it through the real engine. The same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.chain.graph import build_chain_graph
from export.families.tunes.graph import (
    ENCODE_FILE,
    START_FILE,
    STEP_FILE,
    build_encoder_graph,
    build_start_graph,
    build_tune_graph,
)
from export.families.windows.draw_graph import build_draw_graph
from export.families.windows.query_graph import build_answer_graph, build_decode_graph
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import ArgumentStatistics, HistogramSpec, Statistics
from streamer.families.chain.asked import ASKED_WIDTH
from streamer.families.chain.codec import ChainCodec, published_codec
from streamer.families.chain.hands import hold_times, shift_floors
from streamer.families.tunes.codec import TuneCodec
from streamer.families.tunes.spec import ENCODE_GRAPH, START_GRAPH, StyleSpec, TunesSpec
from streamer.families.windows.codec import RollCodec
from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH, WindowSpec
from streamer.music.notes import ARGUMENTS

TINY_HIDDEN = 8
TINY_LATENT, TINY_STYLES = 4, ("bach", "folk", "jazz", "pop")
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


def write_tiny_bundle(
    folder: Path,
    name: str = "tiny",
    seed: int = 0,
    *,
    hands: bool = False,
    asked: bool = False,
    **more: Any,
) -> Bundle:
    """Write the tiny bundle to ``folder/name`` and return it, loaded.

    Args:
        folder: An existing folder.
        name: The bundle's name.
        seed: Of the weights.
        hands: Whether its graph keeps the law of two hands.
        asked: Whether it can be asked for something.
        more: Fields of the manifest that differ.
    """
    codec = published_codec()
    arrays = tiny_arrays(seed)
    if hands:
        arrays |= {"shift_floors": shift_floors(codec), "hold_times": hold_times(codec)}
    if asked:
        wide = len(ARGUMENTS) * 4 * TINY_HIDDEN
        rng = np.random.default_rng(seed)
        arrays["asked"] = rng.normal(size=(ASKED_WIDTH, wide)).astype(np.float32)
    model = build_chain_graph(arrays).SerializeToString(deterministic=True)
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


def tiny_tune_codec() -> TuneCodec:
    """Four octaves, 48..95, and lengths from a third of a unit to four units."""
    return TuneCodec(4, 4, (4, 6, 8, 12, 18, 24, 36, 48))


def tiny_tune_arrays(
    seed: int = 0,
    hidden: int = TINY_HIDDEN,
    depth: int = 2,
    codec: TuneCodec | None = None,
    *,
    styles: int = len(TINY_STYLES),
    latent: int = TINY_LATENT,
    head: int = 6,
    encoder: int = 5,
    scale: float = 0.4,
) -> dict[str, NDArray[np.float32]]:
    """Return random weights in the form of ``Vrash.export_arrays``, exact in float16."""
    sizes = (codec or tiny_tune_codec()).sizes
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float16).astype(np.float32)

    arrays = {
        "prev_table": draw(sum(sizes) + 1, 2 * hidden),
        "cond_z": draw(latent, 2 * hidden),
        "cond_style": draw(styles, 2 * hidden),
        "bias_in": draw(2 * hidden),
        "start_z": draw(latent, hidden),
        "start_b": draw(hidden),
    }
    for layer in range(depth):
        arrays[f"r_{layer}"] = draw(hidden, 2 * hidden)
        if layer:
            arrays[f"rb_{layer}"] = draw(2 * hidden)
    for m, size in enumerate(sizes):
        arrays[f"head_a_{m}"], arrays[f"head_ab_{m}"] = draw(hidden, head), draw(head)
        arrays[f"head_b_{m}"], arrays[f"head_bb_{m}"] = draw(head, size), draw(size)
        if m:
            arrays[f"head_rows_{m}"] = draw(sum(sizes[:m]), head)
    # A tune of random notes would end after nine of them.
    arrays["head_bb_2"][-1] -= 2
    widths = (3, 2, 4)
    for m, (size, width) in enumerate(zip(sizes, widths, strict=True)):
        arrays[f"enc_table_{m}"] = draw(size, width)
    arrays |= {
        "enc_w": draw(2, 3 * encoder, sum(widths)),
        "enc_r": draw(2, 3 * encoder, encoder),
        "enc_b": draw(2, 6 * encoder),
        "enc_out": draw(4 * encoder, 2 * latent),
        "enc_out_b": draw(2 * latent),
        "enc_style": draw(styles, 2 * latent),
    }
    return arrays


def tiny_tune_config() -> dict[str, Any]:
    """Return the configuration of a ``Vrash`` with the sizes of :func:`tiny_tune_arrays`."""
    return {
        "family": "vrash", "hidden": TINY_HIDDEN, "depth": 2, "latent": TINY_LATENT, "head": 6,
        "embeddings": [3, 2, 4], "encoder_hidden": 5,
    }  # fmt: skip


def tiny_tunes_spec(styles: tuple[str, ...] = TINY_STYLES, latent: int = TINY_LATENT) -> TunesSpec:
    """Return styles that differ in latent mean, tempo and metre."""
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    specs = []
    for i, name in enumerate(styles):
        mean = [0.0] * latent
        mean[i % latent] = 1.5
        bpm = [(90.0 + 20 * i) * factor for factor in (0.7, 0.9, 1.0, 1.1, 1.3)]
        notes = [33.0, 40.0, 48.0, 64.0, 96.0]
        specs.append(
            StyleSpec(name=name, share=1 / len(styles), tracks=10, mean=mean, sd=[0.5] * latent,
                      bpm=bpm, unit_beats=0.5, metre=3.0 if i == 1 else 4.0, notes=notes,
                      pitch=(55, 84))
        )  # fmt: skip
    return TunesSpec(styles=specs, levels=levels)


def tiny_tune_statistics(phrase_notes: int = 16) -> Statistics:
    """Return plausible ground truth for the tiny tune model: three arguments, wide and flat."""
    plain = tiny_statistics(phrase_notes)
    note = {k: v for k, v in plain.note.items() if k in ("density", "pitch", "longest_rest_ms")}
    return Statistics(phrase_notes, 1000, plain.arguments[:3], plain.levels, note)


def write_tiny_tunes_bundle(
    folder: Path, name: str = "tiny-tunes", seed: int = 0, **more: Any
) -> Bundle:
    """Write a tiny bundle of family ``vrash`` to ``folder/name`` and return it, loaded.

    It has the graphs step, encode and start, four styles and no classifier.

    Args:
        folder: An existing folder.
        name: The bundle's name.
        seed: Of the weights.
        more: Fields of the manifest that differ.
    """
    arrays = tiny_tune_arrays(seed)
    built = (
        ("step", STEP_FILE, build_tune_graph(arrays)),
        (ENCODE_GRAPH, ENCODE_FILE, build_encoder_graph(arrays)),
        (START_GRAPH, START_FILE, build_start_graph(arrays)),
    )
    models = {file: model.SerializeToString(deterministic=True) for _, file, model in built}
    specs = [describe_graph(graph, file, models[file]) for graph, file, _ in built]
    fields: dict[str, Any] = {
        "family": "vrash",
        "styles": list(TINY_STYLES),
        "tunes": tiny_tunes_spec(),
        "corpus": "random numbers",
        "licence": "CC0-1.0",
        "defaults": {"temperature": 1.0, "phrase_notes": 16, "candidates": 4},
        "config": {"model": tiny_tune_config()},
        "created": "2026-01-01",
        **more,
    }
    manifest = make_manifest(name, tiny_tune_codec(), specs, tiny_tune_statistics(), **fields)
    return write_bundle(folder / name, manifest, models, f"# {name}\n\nUntrained.\n")


def tiny_draw_codec() -> RollCodec:
    """Two bars of 4/4 in eighths, an octave and a half."""
    return RollCodec("roll", 2, 16, 55, 72)


def tiny_bar_codec() -> RollCodec:
    """A bar of sixteenths, two octaves, with onsets."""
    return RollCodec("bars", 4, 16, 48, 71, onsets=True)


def tiny_window_statistics(codec: RollCodec) -> Statistics:
    """Return plausible ground truth for sections of a window family: one argument, flat."""
    plain = tiny_statistics(codec.steps)
    return Statistics(codec.steps, 1000, plain.arguments[:1], plain.levels)


def _write_window(
    folder: Path,
    name: str,
    codec: RollCodec,
    spec: WindowSpec,
    built: Mapping[str, ModelProto],
    **more: Any,
) -> Bundle:
    models = {
        f"{graph}.onnx": m.SerializeToString(deterministic=True) for graph, m in built.items()
    }
    graphs = [describe_graph(graph, f"{graph}.onnx", models[f"{graph}.onnx"]) for graph in built]
    fields: dict[str, Any] = {
        "kind": "window",
        "window": spec,
        "corpus": "random numbers",
        "licence": "CC0-1.0",
        "defaults": {"candidates": 4},
        "filters": {"density": [0.0, 1000.0], "longest_rest_ms": 60_000.0},
        "config": {},
        "created": "2026-01-01",
        **more,
    }
    manifest = make_manifest(name, codec, graphs, tiny_window_statistics(codec), **fields)
    return write_bundle(folder / name, manifest, models, f"# {name}\n\nUntrained.\n")


def write_tiny_draw_bundle(
    folder: Path, name: str = "tiny-draw", seed: int = 0, **more: Any
) -> Bundle:
    """Write a tiny bundle of family ``draw`` to ``folder/name`` and return it, loaded."""
    codec, passes, latent, hidden = tiny_draw_codec(), 3, 4, 6
    rng = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 0.8) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float16).astype(np.float32)

    arrays = {
        "decoder_in": draw(latent, 4 * hidden),
        "decoder_own": draw(hidden, 4 * hidden),
        "decoder_bias": draw(4 * hidden),
        "write": draw(hidden, codec.cells, scale=2.0),
        "canvas": draw(codec.cells) - 1,
    }
    spec = WindowSpec(
        latent=latent, passes=passes, normalise=True, alpha=0.8, bpm=120.0, longest_steps=12
    )
    built = {DECODE_GRAPH: build_draw_graph(arrays, codec)}
    return _write_window(folder, name, codec, spec, built, family="draw", **more)


def write_tiny_query_bundle(
    folder: Path, name: str = "tiny-query", seed: int = 0, **more: Any
) -> Bundle:
    """Write a tiny bundle of family ``query`` to ``folder/name`` and return it, loaded."""
    codec, latent, hidden = tiny_bar_codec(), 6, 10
    rng = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 0.5) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float16).astype(np.float32)

    arrays = {
        "encoder_w_0": draw(codec.cells, hidden),
        "encoder_b_0": draw(hidden),
        "latent_w": draw(hidden, 2 * latent),
        "latent_b": draw(2 * latent),
        "decoder_w_0": draw(latent, hidden),
        "decoder_b_0": draw(hidden),
        "cells_w": draw(hidden, codec.cells, scale=1.0),
        "cells_b": draw(codec.cells) - 3,
    }
    return _write_query(folder, name, codec, arrays, [1.0, 0.5, 2.0, 1.0, 0.25, 4.0], **more)


ECHO_MARK = 48
"""The lowest pitch of the echo bundle is struck on each bar line, whatever is played."""


def write_echo_bundle(folder: Path, name: str = "echo", **more: Any) -> Bundle:
    """Write a bundle of family ``query`` whose answer is the query itself, and a mark.

    Each cell has a component of the latent of its own; at the full rate all pass. So what is heard
    tells which bar was answered. By itself it plays the mark alone.
    """
    codec = tiny_bar_codec()
    cells = np.eye(codec.cells, dtype=np.float32)
    mark = np.zeros(codec.shape, dtype=np.float32)
    mark[0, ECHO_MARK - codec.low] = 20.0
    arrays = {
        "latent_w": np.concatenate([cells, np.zeros_like(cells)], axis=1),
        "latent_b": np.zeros(2 * codec.cells, dtype=np.float32),
        "cells_w": 20 * cells,
        "cells_b": mark.ravel() - 10,
    }
    return _write_query(folder, name, codec, arrays, [1e-6] * codec.cells, **more)


def _write_query(
    folder: Path,
    name: str,
    codec: RollCodec,
    arrays: Mapping[str, NDArray[np.float32]],
    variance: list[float],
    bpm: float = 120.0,
    **more: Any,
) -> Bundle:
    mean = [0.0] * len(variance)
    spec = WindowSpec(latent=len(variance), bpm=bpm, longest_steps=32, mean=mean, variance=variance)
    answer = build_answer_graph(arrays, codec, np.array(mean), np.array(variance))
    built = {
        DECODE_GRAPH: build_decode_graph(arrays, codec),
        ANSWER_GRAPH: answer,
    }
    return _write_window(folder, name, codec, spec, built, family="query", **more)
