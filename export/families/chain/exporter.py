"""Family ``chain`` as the exporter sees it ([Liu2025])."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.families.chain.graph import build_chain_graph
from export.families.chain.statistics import measure_judges, measure_statistics
from export.family import Built, FamilyExport
from export.parity import Arrays, Parity, prove_parity
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, Statistics
from streamer.engine.engine import Engine
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.hands import AGAIN_INPUT
from streamer.families.chain.source import STREAM_DEFAULTS
from training.families.chain.model import Chain
from training.families.chain.tensors import TensorSet

GRAPH_FILE = "chain.onnx"


class ChainPlayer:
    """Plays a torch ``Chain`` for the parity proof.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Chain) -> None:
        self._model = model

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """A piece begins with nothing."""
        del batch, rng
        return {}

    def play(self, begin: Arrays, noise: NDArray[np.float32], more: Arrays) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise, note by note."""
        del begin
        batch = noise.shape[1]
        hands = AGAIN_INPUT in more
        keys = self._model.initial_keys(batch) if hands else None
        again = torch.from_numpy(more[AGAIN_INPUT]) if hands else [None] * len(noise)
        previous = torch.full((batch, 5), -1, dtype=torch.long)
        velocity = torch.zeros(batch)
        h, c, entries = self._model.initial_state(batch)
        past = entries[0, :, :, :5] if self._model.memory is not None else None
        asked = torch.from_numpy(more[ASKED_INPUT]) if ASKED_INPUT in more else None
        names = ("classes", "entropies", "log_probs", "velocities")
        rows: dict[str, list[Any]] = {name: [] for name in names}
        for slice_, second in zip(torch.from_numpy(noise), again, strict=True):
            out = self._model.step(previous, velocity, h, c, slice_, keys, second, past, asked)
            previous, velocity, h, c, keys = out.classes, out.velocity, out.h, out.c, out.keys
            past = out.past
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


def _build(model: Chain, observed: dict[str, Any]) -> list[Built]:
    del observed
    graph = build_chain_graph(model.export_arrays()).SerializeToString(deterministic=True)
    return [Built(STEP_GRAPH, GRAPH_FILE, graph)]


def _observe(model: Chain, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        return {"statistics": Statistics(phrase_notes)}
    tensors = TensorSet.load(corpus)
    statistics = measure_statistics(model, tensors, phrase_notes)
    judges = measure_judges(tensors)
    return {"statistics": statistics, "judges": judges, "filters": limits_from(statistics)}


def _prove(model: Chain, bundle: Bundle, seed: int) -> Parity:
    return prove_parity(ChainPlayer(model), Engine(bundle), seed)


CHAIN = FamilyExport[Chain](
    kind="step",
    about=(
        "Five LSTMs in a chain sample pitch, time shift, duration, velocity change and pedal of "
        "one note after the other (Liu 2025). ONNX with float32 arithmetic; matrices are rounded "
        "to float16 values and stored so."
    ),
    entropies="nats a note ({phrases} phrases of {phrase_notes} notes)",
    phrase_notes=32,
    defaults=STREAM_DEFAULTS,
    observe=_observe,
    build=_build,
    prove=_prove,
)
