"""Family ``musae`` as the exporter sees it ([Valenti2020])."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.families.bands.graph import build_decode_graph, build_encode_graph
from export.families.bands.statistics import (
    band_limits,
    band_spec,
    band_statistics,
    encodings,
    sample_windows,
    window_spec,
)
from export.family import Built, FamilyExport
from export.parity import BATCHES, FunctionCase, Parity, prove_functions
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import Manifest
from streamer.errors import DataError
from streamer.families.bands.codec import STATES, TRACKS
from streamer.families.bands.spec import ENCODE_GRAPH, bands_of
from streamer.generators.sectionspec import DECODE_GRAPH
from training.families.bands.bandset import BandSet
from training.families.bands.model import Musae


def _observe(model: Musae, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    del phrase_notes
    if corpus is None:
        raise DataError(
            "a band needs to know its corpus: give the band file that it was trained on with "
            "--statistics-from"
        )
    bands = BandSet.load(corpus)
    windows = sample_windows(bands, model.codec)
    means, variances = encodings(model, windows)
    window = window_spec(bands, windows, means, variances)
    spec = band_spec(model, bands, windows)
    return {
        "window": window,
        "bands": spec,
        "styles": [genre.name for genre in spec.genres],
        "statistics": band_statistics(model, windows, means),
        "filters": band_limits(windows, window),
    }


def _build(model: Musae, observed: dict[str, Any]) -> list[Built]:
    del observed
    arrays, codec = model.export_arrays(), model.codec
    encode = build_encode_graph(arrays, codec, parts=model.config.parts)
    graphs = [
        (ENCODE_GRAPH, "encoder.onnx", encode),
        (DECODE_GRAPH, "decoders.onnx", build_decode_graph(arrays, codec)),
    ]
    return [
        Built(name, file, graph.SerializeToString(deterministic=True))
        for name, file, graph in graphs
    ]


@torch.no_grad()
def _prove(model: Musae, bundle: Bundle, seed: int) -> Parity:
    rng = np.random.default_rng(seed)
    cases = []
    for batch in BATCHES:
        states = rng.integers(0, STATES, (batch, *model.codec.shape))
        mean, log_variance = (x.numpy() for x in model.encode(torch.from_numpy(states)))
        said = {"mean": mean, "log_variance": log_variance}
        cases.append(FunctionCase(ENCODE_GRAPH, {"states": states}, said))
        petals = rng.integers(0, model.flower.count, batch)
        for z in (mean, model.sample_prior(petals, rng)):
            shown = torch.softmax(model.decode(torch.from_numpy(z)), dim=-1).numpy()
            wanted = {track: shown[:, :, place] for place, track in enumerate(TRACKS)}
            cases.append(FunctionCase(DECODE_GRAPH, {"z": z}, wanted))
    return Parity(0, 0.0, 0.0, 0, prove_functions(bundle, cases))


def _card_sections(manifest: Manifest) -> list[tuple[str, str]]:
    """Return where the genres lie, and what they are like."""
    told = bands_of(manifest)
    if told is None or not told.genres:
        return []
    names = [track.name for track in told.tracks]
    rows = [
        "| genre | petal | windows | quarters a minute | " + " | ".join(names) + " |",
        "|" + " --- |" * (4 + len(names)),
    ]
    rows += [
        f"| {g.name} | {g.petal} | {g.windows:,} | {g.bpm[1]:g} | "
        + " | ".join(f"{n:g}" for n in g.notes_per_beat)
        + " |"
        for g in told.genres
    ]
    after = "Medians of the training windows; tracks in notes a beat."
    return [("Genres", "\n".join([*rows, "", after]))]


BANDS = FamilyExport[Musae](
    kind="window",
    about=(
        "A band of four tracks, drums, bass, guitar or piano, and strings: an adversarial "
        "autoencoder whose latent space has a petal for each genre (MusAE, Valenti "
        "and others 2020). One latent is two bars of all tracks; `encode` reads them, `decode` "
        "plays them. Velocity and micro-timing come from the performance layer, not from the "
        "network. ONNX with float32 arithmetic; matrices are rounded to float16 values and stored "
        "so where that is exact."
    ),
    entropies="nats a step ({phrases} windows of {phrase_notes} steps)",
    phrase_notes=1,
    build=_build,
    observe=_observe,
    prove=_prove,
    card_sections=_card_sections,
)
