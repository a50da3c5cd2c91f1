"""The baselines as the exporter sees them: the chain's classes from another network.

The edge needs nothing for them: a bundle whose codec is the chain's is played by the chain's
family, whatever lies between a note and the next. It plays without the law of two hands, and
without the bounds of cells, which these networks do not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.families.chain.exporter import limits_from
from export.families.chain.note_graph import build_note_graph
from export.families.chain.note_nets import Attention, Backbone, Recurrence
from export.families.chain.statistics import measure_judges, measure_statistics
from export.family import Built, FamilyExport
from export.parity import Arrays, Parity, prove_parity
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, Statistics
from streamer.engine.engine import Engine
from streamer.errors import DataError
from streamer.families.chain.source import STREAM_DEFAULTS
from training.baselines.nets import NoteModel
from training.baselines.task import baseline_from
from training.families.chain.tensors import TensorSet

GRAPH_FILE = "notes.onnx"


class NotePlayer:
    """Plays a torch ``NoteModel`` for the parity proof.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: NoteModel) -> None:
        self._model = model

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """A piece begins with nothing."""
        del batch, rng
        return {}

    def play(self, begin: Arrays, noise: NDArray[np.float32], more: Arrays) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise, note by note."""
        del begin, more
        batch = noise.shape[1]
        previous = torch.full((batch, 5), -1, dtype=torch.long)
        velocity, carry = torch.zeros(batch), self._model.initial_state(batch)
        names = ("classes", "entropies", "log_probs", "velocities")
        rows: dict[str, list[Any]] = {name: [] for name in names}
        for slice_ in torch.from_numpy(noise):
            out = self._model.step(previous, velocity, carry, slice_)
            previous, velocity, carry = out.classes, out.velocity, out.carry
            for name, x in zip(
                names, (previous, out.entropies, out.log_probs, velocity), strict=True
            ):
                rows[name].append(x.numpy().copy())
        return {name: np.stack(values) for name, values in rows.items()}


def backbone_of(model: NoteModel) -> Backbone:
    """Return a model's backbone as nodes.

    Raises:
        DataError: It is a Transformer that sees no note before the present one.
    """
    config = model.config
    shape = (model.export_arrays(), config.width, config.layers)
    if config.net == "gated":
        return Recurrence(*shape)
    if config.memory < 1:
        raise DataError("a Transformer without a memory cannot be exported; train it with --steps")
    return Attention(*shape, config.heads, config.memory)


def _build(model: NoteModel, observed: dict[str, Any]) -> list[Built]:
    del observed
    proto = build_note_graph(model.export_arrays(), backbone_of(model))
    return [Built(STEP_GRAPH, GRAPH_FILE, proto.SerializeToString(deterministic=True))]


def _observe(model: NoteModel, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        return {"statistics": Statistics(phrase_notes)}
    tensors = TensorSet.load(corpus)
    statistics = measure_statistics(model, tensors, phrase_notes)
    judges = measure_judges(tensors)
    return {"statistics": statistics, "judges": judges, "filters": limits_from(statistics)}


def _prove(model: NoteModel, bundle: Bundle, seed: int) -> Parity:
    return prove_parity(NotePlayer(model), Engine(bundle), seed)


def _exported(about: str) -> FamilyExport[NoteModel]:
    return FamilyExport[NoteModel](
        kind="step",
        about=(
            f"{about} It plays the chain's classes, is there to compare with, and keeps to no law "
            "of two hands. ONNX with float32 arithmetic; matrices are rounded to float16 values "
            "and stored so."
        ),
        entropies="nats a note ({phrases} phrases of {phrase_notes} notes)",
        phrase_notes=32,
        defaults=STREAM_DEFAULTS,
        observe=_observe,
        build=_build,
        prove=_prove,
        rebuild=baseline_from,
    )


TRANSFORMER = _exported(
    "A baseline: a Transformer with a learned key for each distance (Huang 2018) and a memory "
    "(Dai 2019)."
)
GATED = _exported(
    "A baseline: a linear recurrence whose gates depend on the input alone (Feng 2024)."
)
