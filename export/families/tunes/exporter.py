"""Families ``lm``, ``vae`` and ``vrash`` as the exporter sees them ([Yamshchikov2020])."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.families.tunes.graph import (
    ENCODE_FILE,
    START_FILE,
    STEP_FILE,
    build_encoder_graph,
    build_start_graph,
    build_tune_graph,
    has_encoder,
)
from export.families.tunes.statistics import (
    TUNE_PHRASE_NOTES,
    measure_styles,
    measure_tune_statistics,
    widest,
)
from export.family import Built, FamilyExport
from export.parity import Arrays, FunctionCase, Parity, prove_functions, prove_parity
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, Manifest
from streamer.engine.engine import Engine
from streamer.errors import DataError
from streamer.families.tunes.spec import ENCODE_GRAPH, START_GRAPH, tunes_of
from training.expression import fit_expression
from training.families.tunes.model import Vrash
from training.families.tunes.tuneset import TuneSet

ENCODED_NOTES = (1, 16, 100)
"""Lengths of the tunes that the encoders are compared on."""

BATCH = 5


class TunePlayer:
    """Plays a torch ``Vrash`` for the parity proof, each candidate with its own latent and styles.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Vrash) -> None:
        self._model = model

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """Draw latents and styles, and let tunes begin with them."""
        z, style = draw_latents(self._model, batch, rng)
        with torch.no_grad():
            s = self._model.start(torch.from_numpy(z), torch.from_numpy(style)).numpy()
        return {"z": z, "style": style, "s": s}

    def play(self, begin: Arrays, noise: NDArray[np.float32], more: Arrays) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise, note by note."""
        del more
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
    model: Vrash, batch: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return latents ``(batch, Z)`` and style weights ``(batch, S)`` as a stream may have them."""
    z = rng.standard_normal((batch, model.config.latent)).astype(np.float32)
    style = rng.dirichlet(np.ones(len(model.styles)), batch).astype(np.float32)
    return z, style


def _build(model: Vrash, observed: dict[str, Any]) -> list[Built]:
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


def _observe(model: Vrash, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
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


def _prove(model: Vrash, bundle: Bundle, seed: int) -> Parity:
    parity = prove_parity(TunePlayer(model), Engine(bundle), seed)
    parity.functions.update(prove_functions(bundle, function_cases(model, bundle, seed)))
    return parity


@torch.no_grad()
def function_cases(model: Vrash, bundle: Bundle, seed: int) -> list[FunctionCase]:
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


def _card_sections(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what the styles are like."""
    told = tunes_of(manifest)
    if told is None:
        return []
    middle = told.levels.index(0.5)
    rows = [
        "| style | tracks | quarters a minute | unit, quarters | bar, quarters | notes | pitches |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {s.name} | {s.tracks:,} | {s.bpm[middle]:g} | {s.unit_beats:g} | {s.metre:g} | "
        f"{s.notes[middle]:g} | {s.pitch[0]}..{s.pitch[1]} |"
        for s in told.styles
    ]
    after = "Medians of the training tracks; `--style` takes one or several, with weights."
    return [("Styles", "\n".join([*rows, "", after]))]


TUNES = FamilyExport[Vrash](
    kind="step",
    about=(
        "A recurrent highway network samples pitch class, octave and length of one note after the "
        "other, conditioned on style, latent and history (Yamshchikov and Tikhonov 2020). "
        "Velocity and micro-timing come from the performance layer, not from the network. ONNX "
        "with float32 arithmetic; matrices are rounded to float16 values and stored so where that "
        "is exact."
    ),
    entropies="nats a note ({phrases} phrases of {phrase_notes} notes)",
    phrase_notes=TUNE_PHRASE_NOTES,
    observe=_observe,
    build=_build,
    prove=_prove,
    card_sections=_card_sections,
)
