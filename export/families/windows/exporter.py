"""Families ``draw`` and ``query`` as the exporter sees them ([Sabathe2017] and [Dubnov2019])."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.families.windows.draw_graph import build_draw_graph
from export.families.windows.query_graph import build_answer_graph, build_decode_graph
from export.families.windows.statistics import (
    draw_spec,
    limits_of,
    query_spec,
    sample_sections,
    window_statistics,
)
from export.family import Built, FamilyExport
from export.parity import BATCHES, FunctionCase, Parity, prove_functions
from streamer.bundle.bundle import Bundle
from streamer.errors import DataError
from streamer.families.windows.bitchannel import allocate, full_bits, transmit
from streamer.families.windows.source import KEY_SECTIONS
from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH, section_of
from training.families.windows.draw import Draw
from training.families.windows.query import Query
from training.families.windows.scoreset import ScoreSet


def _scores(corpus: Path | None) -> ScoreSet:
    if corpus is None:
        raise DataError(
            "a model that composes bars needs to know its corpus: give the score file that it was "
            "trained on with --statistics-from"
        )
    return ScoreSet.load(corpus)


def _observe_draw(model: Draw, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    del phrase_notes
    scores = _scores(corpus)
    real = sample_sections(scores, model.codec)
    spec = draw_spec(model, scores, real)
    generator = torch.Generator().manual_seed(0)
    config = model.config

    def redraw(cells: torch.Tensor) -> torch.Tensor:
        noise = torch.randn((config.passes, len(cells), config.latent), generator=generator)
        logits: torch.Tensor = model(cells.flatten(1), noise)[0]
        return logits

    return {
        "window": spec,
        "statistics": window_statistics(redraw, real),
        "filters": limits_of(real, spec),
    }


def _build_draw(model: Draw, observed: dict[str, Any]) -> list[Built]:
    del observed
    graph = build_draw_graph(model.export_arrays(), model.codec)
    return [Built(DECODE_GRAPH, "decoder.onnx", graph.SerializeToString(deterministic=True))]


@torch.no_grad()
def _prove_draw(model: Draw, bundle: Bundle, seed: int) -> Parity:
    rng = np.random.default_rng(seed)
    codec, config = model.codec, model.config
    cases = []
    for batch in BATCHES:
        for passes in (1, config.passes):
            z = rng.standard_normal((passes, batch, config.latent)).astype(np.float32)
            shown = torch.sigmoid(model.decode(torch.from_numpy(z)))
            wanted = shown.numpy().reshape(batch, codec.steps, codec.pitches)
            cases.append(FunctionCase(DECODE_GRAPH, {"z": z}, {"probabilities": wanted}))
    return Parity(0, 0.0, 0.0, 0, prove_functions(bundle, cases))


def _observe_query(model: Query, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    del phrase_notes
    scores = _scores(corpus)
    real = sample_sections(scores, model.codec)
    spec = query_spec(model, scores, real)

    def redraw(cells: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model.decode(model.encode(cells)[0])
        return logits

    return {
        "window": spec,
        "statistics": window_statistics(redraw, real),
        "filters": limits_of(real, spec),
    }


def _build_query(model: Query, observed: dict[str, Any]) -> list[Built]:
    arrays, codec, spec = model.export_arrays(), model.codec, observed["window"]
    answer = build_answer_graph(arrays, codec, np.array(spec.mean), np.array(spec.variance))
    graphs = [
        (DECODE_GRAPH, "decoder.onnx", build_decode_graph(arrays, codec)),
        (ANSWER_GRAPH, "answer.onnx", answer),
    ]
    return [
        Built(name, file, graph.SerializeToString(deterministic=True))
        for name, file, graph in graphs
    ]


@torch.no_grad()
def _prove_query(model: Query, bundle: Bundle, seed: int) -> Parity:
    rng = np.random.default_rng(seed)
    codec, latent = model.codec, model.config.latent
    spec = section_of(bundle.manifest)
    assert spec is not None, "decode_manifest refuses a window bundle without"
    mean, variance = np.array(spec.mean), np.array(spec.variance)
    cases = []
    for batch in BATCHES:
        cells = (rng.random((batch, *codec.shape)) < 0.1).astype(np.float32)
        z = model.encode(torch.from_numpy(cells))[0].numpy()
        for bits in (0, latent, full_bits(latent)):
            rates = np.tile(allocate(variance, bits), (batch, 1))
            noise = rng.standard_normal((batch, latent)).astype(np.float32)
            sent = transmit(z, rates, mean, variance, noise).astype(np.float32)
            shown = torch.sigmoid(model.decode(torch.from_numpy(sent)))
            wanted = shown.numpy().reshape(batch, *codec.shape)
            inputs: dict[str, Any] = {"cells": cells, "rates": rates, "noise": noise}
            cases.append(FunctionCase(ANSWER_GRAPH, inputs, {"z": sent}))
            cases.append(FunctionCase(DECODE_GRAPH, {"z": sent}, {"probabilities": wanted}))
    return Parity(0, 0.0, 0.0, 0, prove_functions(bundle, cases))


ENTROPIES = (
    "nats a step, for each cell expected to sound ({phrases} sections of {phrase_notes} steps)"
)

DRAW = FamilyExport[Draw](
    kind="window",
    about=(
        "A recurrent network writes a section of thirteen beats on a canvas in several passes "
        "(DRAW, Sabathé and others 2017); the stream follows a path through its latents. Velocity "
        "and micro-timing come from the performance layer, not from the network. ONNX with float32 "
        "arithmetic; matrices are rounded to float16 values and stored so where that is exact."
    ),
    entropies=ENTROPIES,
    phrase_notes=1,
    build=_build_draw,
    observe=_observe_draw,
    prove=_prove_draw,
)

QUERY = FamilyExport[Query](
    kind="window",
    about=(
        "A variational autoencoder of one bar, with a channel of limited bits between encoder and "
        "decoder (Dubnov 2019): it answers a query in the style of its corpus, and walks on by "
        "itself when there is none. Velocity and micro-timing come from the performance layer, "
        "not from the network. ONNX with float32 arithmetic."
    ),
    entropies=ENTROPIES,
    phrase_notes=1,
    defaults=(KEY_SECTIONS,),
    build=_build_query,
    observe=_observe_query,
    prove=_prove_query,
)
