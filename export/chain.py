"""Family ``chain`` as the exporter sees it (paper 000)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.family import Built, FamilyExport
from export.graph import build_chain_graph
from export.parity import Arrays, Parity, prove_parity
from export.statistics import measure_judges, measure_statistics
from streamer.bundle import Bundle
from streamer.engine import Engine
from streamer.manifest import STEP_GRAPH, Statistics
from streamer.pipeline import step_settings
from streamer.settings import Settings
from training.data.tensors import TensorSet

GRAPH_FILE = "chain.onnx"


class ChainPlayer:
    """Plays a torch ``Chain`` for the parity proof.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """A piece begins with nothing."""
        del batch, rng
        return {}

    def play(self, begin: Arrays, noise: NDArray[np.float32]) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise, note by note."""
        del begin
        batch = noise.shape[1]
        previous = torch.full((batch, 5), -1, dtype=torch.long)
        velocity = torch.zeros(batch)
        h, c = self._model.initial_state(batch)
        names = ("classes", "entropies", "log_probs", "velocities")
        rows: dict[str, list[Any]] = {name: [] for name in names}
        for slice_ in torch.from_numpy(noise):
            out = self._model.step(previous, velocity, h, c, slice_)
            previous, velocity, h, c = out.classes, out.velocity, out.h, out.c
            for name, value in zip(
                names, (previous, out.entropies, out.log_probs, velocity), strict=True
            ):
                rows[name].append(value.numpy().copy())
        return {name: np.stack(values) for name, values in rows.items()}


def limits_from(statistics: Statistics) -> dict[str, float | list[float]]:
    """Return bounds of the hard filters: what one phrase in a thousand of the corpus goes beyond.

    Named as the fields of :class:`streamer.selection.filters.Limits`.
    """
    if not statistics.note:
        return {}
    low, high = statistics.levels.index(0.001), statistics.levels.index(0.999)
    note = statistics.note
    return {
        "mean_pitch": [note["pitch"][low], note["pitch"][high]],
        "density": [note["density"][low], note["density"][high]],
        "velocity": [note["velocity"][low], note["velocity"][high]],
        "polyphony": note["polyphony"][high],
        "longest_rest_ms": note["longest_rest_ms"][high],
    }


def _build(model: Any, observed: dict[str, Any]) -> list[Built]:
    del observed
    graph = build_chain_graph(model.export_arrays()).SerializeToString(deterministic=True)
    return [Built(STEP_GRAPH, GRAPH_FILE, graph)]


def _observe(model: Any, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        return {"statistics": Statistics(phrase_notes)}
    tensors = TensorSet.load(corpus)
    statistics = measure_statistics(model, tensors, phrase_notes)
    judges = measure_judges(tensors)
    return {"statistics": statistics, "judges": judges, "filters": limits_from(statistics)}


def _prove(model: Any, bundle: Bundle, seed: int) -> Parity:
    return prove_parity(ChainPlayer(model), Engine(bundle), seed)


CHAIN = FamilyExport(
    kind="step",
    about=(
        "Five LSTMs in a chain sample pitch, time shift, duration, velocity change and pedal of "
        "one note after the other (paper 000). ONNX with float32 arithmetic; matrices are rounded "
        "to float16 values and stored so."
    ),
    phrase_notes=32,
    observe=_observe,
    build=_build,
    check=lambda bundle: step_settings(bundle, Settings()),
    prove=_prove,
)
