"""How a stroll becomes a bundle: one graph, the likelihood of each key after a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import helper

from export.family import Built, FamilyExport
from export.nodes import FLOAT, INT, Graph, make_model, value
from export.parity import FunctionCase, Parity, prove_functions
from export.statistics import argument_columns
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import Manifest, Statistics
from stroll.corpus import StrollSet
from stroll.model import Stroll


def _build(model: Stroll, observed: dict[str, Any]) -> list[Built]:
    del observed
    g = Graph()
    rows = g("Gather", [g.constant("table", model.export_arrays()["table"]), "previous"], axis=0)
    g("Softmax", [rows], out="probabilities", axis=1)
    keys = model.codec.keys
    inputs = [value("previous", INT, ["batch"])]
    outputs = [value("probabilities", FLOAT, ["batch", keys])]
    graph = helper.make_graph(g.nodes, "likely", inputs, outputs, g.initializers)
    data = make_model(graph).SerializeToString(deterministic=True)
    return [Built("likely", "likely.onnx", data)]


@torch.no_grad()
def _likely(model: Stroll, previous: torch.Tensor) -> Any:
    return torch.softmax(model(previous), dim=1).numpy()


def _observe(model: Stroll, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        return {"statistics": Statistics(phrase_notes)}
    strolls = StrollSet.load(corpus)
    phrases = []
    for index in strolls.indices("train"):
        likely = _likely(model, torch.from_numpy(strolls.line(index)))
        phrases.append(-(likely * np.log(likely)).sum(axis=1, keepdims=True))
    columns = argument_columns(phrases)
    return {"statistics": Statistics(phrase_notes, len(phrases), columns)}


def _prove(model: Stroll, bundle: Bundle, seed: int) -> Parity:
    previous = np.random.default_rng(seed).integers(0, model.codec.keys, 100)
    expected = {"probabilities": _likely(model, torch.from_numpy(previous))}
    case = FunctionCase("likely", {"previous": previous}, expected)
    return Parity(0, 0.0, 0.0, 0, prove_functions(bundle, [case]))


def _card_sections(manifest: Manifest) -> list[tuple[str, str]]:
    return [("Keys", f"From {manifest.codec['low']} on, {manifest.codec['keys']} of them.")]


STROLL = FamilyExport[Stroll](
    kind="window",
    about="A table of which key follows which.",
    entropies="nats a stride ({phrases} lines)",
    phrase_notes=16,
    observe=_observe,
    build=_build,
    prove=_prove,
    card_sections=_card_sections,
)
