"""Tiny untrained bundles of bands, made in a fraction of a second from random numbers: no torch.

Tests of the edge play them through the real engine. The same seed gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.bundle import describe_graph, make_manifest, write_bundle
from export.families.bands.graph import build_decode_graph, build_encode_graph
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import Statistics
from streamer.families.bands.codec import HOLD, SILENCE, STATES, TRACKS, BandCodec
from streamer.families.bands.flower import Flower
from streamer.families.bands.spec import ENCODE_GRAPH, BandSpec, GenreSpec, TrackSpec
from streamer.generators.sectionspec import DECODE_GRAPH, WindowSpec
from tests.bundles import tiny_statistics

GENRES = ("jazz", "latin", "rock")
PROGRAMS = {"jazz": [0, 32, 0, 44], "latin": [0, 35, 24, 48], "rock": [16, 33, 29, 48]}
RANGES = {"drums": (35, 51), "bass": (28, 52), "harmony": (52, 76), "strings": (60, 84)}


def tiny_band_arrays(
    seed: int = 0, hidden: int = 12, latent: int = 6, layers: int = 2
) -> dict[str, NDArray[np.float32]]:
    """Return random weights in the form of ``Musae.export_arrays``, exact in float16.

    Each track keeps to a register, and every state comes: strikes, *hold*, silence.
    """
    rng = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 0.6) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float16).astype(np.float32)

    arrays: dict[str, NDArray[np.float32]] = {}

    def lstm(prefix: str, width: int, ends: tuple[str, ...]) -> None:
        for layer in range(layers):
            wide = width if layer == 0 else hidden * len(ends)
            for end in ends:
                label = f"l{layer}{end}"
                arrays[f"{prefix}.weight_ih_{label}"] = draw(4 * hidden, wide)
                arrays[f"{prefix}.weight_hh_{label}"] = draw(4 * hidden, hidden, scale=1.2)
                arrays[f"{prefix}.bias_ih_{label}"] = draw(4 * hidden)
                arrays[f"{prefix}.bias_hh_{label}"] = draw(4 * hidden)

    lstm("encoder", STATES * len(TRACKS), ("", "_reverse"))
    arrays["latent.weight"] = draw(2 * latent, 2 * hidden)
    arrays["latent.bias"] = draw(2 * latent)
    for track in TRACKS:
        prefix = f"decoders.{track}"
        arrays[f"{prefix}.start.weight"] = draw(hidden, latent)
        arrays[f"{prefix}.start.bias"] = draw(hidden)
        lstm(f"{prefix}.lstm", latent, ("",))
        arrays[f"{prefix}.out.weight"] = draw(STATES, hidden, scale=2.0)
        bias = np.full(STATES, -12.0)
        low, high = RANGES[track]
        bias[low : high + 1] = 0.0
        bias[[HOLD, SILENCE]] = (3.0, 1.0)
        arrays[f"{prefix}.out.bias"] = bias.astype(np.float32)
    arrays["unit"] = np.where(np.arange(latent) < 2, 1.0, Flower(latent).other_sd).astype(
        np.float32
    )
    return arrays


def tiny_band_spec(latent: int = 6, genres: tuple[str, ...] = GENRES) -> BandSpec:
    """Return what three genres are like, spread over the flower."""
    flower = Flower(latent)
    found = []
    for place, (name, petal) in enumerate(zip(genres, flower.place(len(genres)), strict=True)):
        mean = np.zeros(latent)
        mean[:2] = flower.mean(petal)
        factor = np.zeros(latent)
        factor[2:4] = np.sqrt(0.001) * np.array([0.8, -0.9])
        found.append(
            GenreSpec(
                name=name,
                petal=petal,
                windows=1000,
                bpm=(90.0 + 30 * place, 100.0 + 30 * place, 110.0 + 30 * place),
                programs=PROGRAMS[name],
                notes_per_beat=[2.0, 1.0, 1.0, 0.5],
                mean=mean.tolist(),
                variance=np.where(np.arange(latent) < 2, 0.05, 0.001).tolist(),
                factors=[factor.tolist()],
            )
        )
    tracks = [
        TrackSpec(name, program, *RANGES[name], (0.5, 1.0, 3.0))
        for name, program in zip(TRACKS, (0, 33, 0, 48), strict=True)
    ]
    return BandSpec(
        prior="flower", petals=32, radial_sd=flower.radial_sd, other_sd=flower.other_sd,
        tracks=tracks, genres=found,
    )  # fmt: skip


def write_tiny_band_bundle(
    folder: Path,
    name: str = "tiny-band",
    seed: int = 0,
    *,
    bars: int = 2,
    hidden: int = 12,
    latent: int = 6,
    layers: int = 2,
    genres: tuple[str, ...] = GENRES,
    **more: Any,
) -> Bundle:
    """Write a tiny bundle of family ``musae`` to ``folder/name`` and return it, loaded."""
    codec = BandCodec(4, 16 * bars)
    arrays = tiny_band_arrays(seed, hidden, latent, layers)
    built = {
        ENCODE_GRAPH: build_encode_graph(arrays, codec),
        DECODE_GRAPH: build_decode_graph(arrays, codec),
    }
    models = {
        f"{graph}.onnx": model.SerializeToString(deterministic=True)
        for graph, model in built.items()
    }
    plain = tiny_statistics(codec.steps)
    fields: dict[str, Any] = {
        "kind": "window",
        "family": "musae",
        "window": WindowSpec(
            latent=latent, bpm=120.0, metre=4.0, longest_steps=2 * codec.steps,
            mean=[0.0] * latent, variance=[0.5, 0.5, *[0.001] * (latent - 2)],
        ),
        "bands": tiny_band_spec(latent, genres),
        "styles": list(genres),
        "corpus": "random numbers",
        "licence": "CC0-1.0",
        "defaults": {"candidates": 4},
        "filters": {"density": [0.0, 1000.0], "longest_rest_ms": 60_000.0},
        "config": {"model": {"hidden": hidden, "layers": layers}},
        "created": "2026-01-01",
        **more,
    }  # fmt: skip
    graphs = [describe_graph(graph, f"{graph}.onnx", models[f"{graph}.onnx"]) for graph in built]
    statistics = Statistics(codec.steps, 1000, plain.arguments[: len(TRACKS)], plain.levels)
    manifest = make_manifest(name, codec, graphs, statistics, **fields)
    return write_bundle(folder / name, manifest, models, f"# {name}\n\nUntrained.\n")
