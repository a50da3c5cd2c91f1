"""Families ``lm``, ``vae`` and ``vrash`` as the exporter sees them (paper 003)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.family import Built, FamilyExport
from export.parity import Arrays, FunctionCase, Parity, prove_functions, prove_parity
from export.tune_graph import (
    ENCODE_FILE,
    START_FILE,
    STEP_FILE,
    build_encoder_graph,
    build_start_graph,
    build_tune_graph,
    has_encoder,
)
from export.tune_statistics import (
    PHRASE_NOTES,
    measure_styles,
    measure_tune_statistics,
    widest,
)
from streamer.bundle import Bundle
from streamer.engine import Engine
from streamer.errors import DataError
from streamer.expressiontables import read_tables
from streamer.manifest import STEP_GRAPH
from streamer.settings import Settings
from streamer.tunesource import tune_drawing
from streamer.tunespec import ENCODE_GRAPH, START_GRAPH
from training.data.tunes import TuneSet
from training.expression import fit_expression

ENCODED_NOTES = (1, 16, 100)
"""Lengths of the tunes that the encoders are compared on."""

BATCH = 5


class TunePlayer:
    """Plays a torch ``Vrash`` for the parity proof, each candidate with its own latent and styles.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """Draw latents and styles, and let tunes begin with them."""
        z, style = draw_latents(self._model, batch, rng)
        with torch.no_grad():
            s = self._model.start(torch.from_numpy(z), torch.from_numpy(style)).numpy()
        return {"z": z, "style": style, "s": s}

    def play(self, begin: Arrays, noise: NDArray[np.float32]) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise, note by note."""
        z, style, s = (torch.from_numpy(begin[name]) for name in ("z", "style", "s"))
        previous = torch.full((noise.shape[1], 3), -1, dtype=torch.long)
        names = ("classes", "entropies", "log_probs")
        rows: dict[str, list[Any]] = {name: [] for name in names}
        for slice_ in torch.from_numpy(noise):
            out = self._model.step(previous, s, z, style, slice_)
            previous, s = out.classes, out.s
            for name in names:
                rows[name].append(getattr(out, name).numpy().copy())
        return {name: np.stack(values) for name, values in rows.items()}


def draw_latents(
    model: Any, batch: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return latents ``(batch, Z)`` and style weights ``(batch, S)`` as a stream may have them."""
    z = rng.standard_normal((batch, model.config.latent)).astype(np.float32)
    style = rng.dirichlet(np.ones(len(model.styles)), batch).astype(np.float32)
    return z, style


def _build(model: Any, observed: dict[str, Any]) -> list[Built]:
    del observed
    arrays = model.export_arrays()
    graphs = [
        (STEP_GRAPH, STEP_FILE, build_tune_graph(arrays)),
        (START_GRAPH, START_FILE, build_start_graph(arrays)),
    ]
    if has_encoder(arrays):
        graphs.append((ENCODE_GRAPH, ENCODE_FILE, build_encoder_graph(arrays)))
    return [
        Built(name, file, graph.SerializeToString(deterministic=True))
        for name, file, graph in graphs
    ]


def _observe(model: Any, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        raise DataError(
            "tunes need to know their styles: give the tune file that the model was trained on "
            "with --statistics-from"
        )
    tunes = TuneSet.load(corpus)
    statistics = measure_tune_statistics(model, tunes, phrase_notes)
    spec = measure_styles(model, tunes, phrase_notes)
    return {
        "statistics": statistics,
        "filters": widest([style.rules for style in spec.styles]),
        "styles": list(tunes.styles),
        "tunes": spec,
        "expression": fit_expression(tunes),
    }


def _prove(model: Any, bundle: Bundle, seed: int) -> Parity:
    parity = prove_parity(TunePlayer(model), Engine(bundle), seed)
    parity.functions.update(prove_functions(bundle, function_cases(model, bundle, seed)))
    return parity


@torch.no_grad()
def function_cases(model: Any, bundle: Bundle, seed: int) -> list[FunctionCase]:
    """Return calls of the start and encoder graphs, with what torch answers."""
    rng = np.random.default_rng(seed)
    z, style = draw_latents(model, BATCH, rng)
    s = model.start(torch.from_numpy(z), torch.from_numpy(style)).numpy()
    cases = [FunctionCase(START_GRAPH, {"z": z, "style": style}, {"s": s})]
    if ENCODE_GRAPH not in {graph.name for graph in bundle.manifest.graphs}:
        return cases
    for notes in ENCODED_NOTES:
        classes = rng.integers(0, bundle.codec.sizes, (BATCH, notes, 3))
        mu, logvar = model.encode(torch.from_numpy(classes), torch.from_numpy(style))
        answer = {"mu": mu.numpy(), "logvar": logvar.numpy()}
        cases.append(FunctionCase(ENCODE_GRAPH, {"classes": classes, "style": style}, answer))
    return cases


def _check(bundle: Bundle) -> None:
    """Refuse defaults and tables that the edge could not play by (BundleError)."""
    tune_drawing(bundle, Settings())
    read_tables(bundle.manifest.expression, bundle.manifest.name)


TUNES = FamilyExport(
    kind="step",
    about=(
        "A recurrent highway network samples pitch class, octave and length of one note after the "
        "other, conditioned on style, latent and history (paper 003). Velocity and micro-timing "
        "come from the performance layer, not from the network. ONNX with float32 arithmetic; "
        "matrices are rounded to float16 values and stored so where that is exact."
    ),
    phrase_notes=PHRASE_NOTES,
    observe=_observe,
    build=_build,
    check=_check,
    prove=_prove,
)
