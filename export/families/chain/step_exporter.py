"""What every network that draws the chain's classes is exported with: proof, statistics, card.

In: a network's own graph, and the same network in torch, note by note. Out: its ``FamilyExport``.
Used by the chain (:mod:`export.families.chain.exporter`) and by the baselines
(:mod:`export.families.chain.note_exporter`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor

from export.families.chain.statistics import measure_judges, measure_statistics
from export.family import Built, FamilyExport
from export.parity import Arrays, Parity, prove_parity
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, Statistics
from streamer.engine.engine import Engine
from streamer.families.chain.source import STREAM_DEFAULTS
from training.baselines.nets import NoteModel
from training.families.chain.model import Chain
from training.families.chain.tensors import TensorSet
from training.run.checkpoint import Checkpoint

M = TypeVar("M", Chain, NoteModel)


class DrawnNote(Protocol):
    """One note of each row of a batch, as a network draws it."""

    @property
    def classes(self) -> Tensor:
        """What was drawn, ``(B, 5)`` int64."""

    @property
    def entropies(self) -> Tensor:
        """Of each argument, ``(B, 5)``, untempered, nats."""

    @property
    def log_probs(self) -> Tensor:
        """Of the classes drawn, ``(B, 5)``, untempered, nats."""

    @property
    def velocity(self) -> Tensor:
        """Which the changes have led to, ``(B,)``, 1..127."""


class StepPlayer(ABC):
    """Plays a torch model for the parity proof, note by note."""

    def begin(self, batch: int, rng: np.random.Generator) -> Arrays:
        """A piece begins with nothing."""
        del batch, rng
        return {}

    def play(self, begin: Arrays, noise: NDArray[np.float32], more: Arrays) -> Arrays:
        """Play ``(notes, batch, classes)`` of noise; return what the graph returns."""
        del begin
        rows: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("classes", "entropies", "log_probs", "velocities")
        }
        for note in self.notes(torch.from_numpy(noise), more):
            drawn = (note.classes, note.entropies, note.log_probs, note.velocity)
            for values, value in zip(rows.values(), drawn, strict=True):
                values.append(value.numpy().copy())
        return {name: np.stack(values) for name, values in rows.items()}

    @abstractmethod
    def notes(self, noise: Tensor, more: Arrays) -> Iterator[DrawnNote]:
        """Yield the notes that noise ``(notes, batch, classes)`` and further inputs draw."""


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


def step_export(
    about: str,
    graph: Callable[[M], ModelProto],
    file: str,
    player: Callable[[M], StepPlayer],
    rebuild: Callable[[Checkpoint], M] | None = None,
) -> FamilyExport[M]:
    """Return how models of one class become bundles of the chain's classes.

    Args:
        about: Sentences for the card: what kind of model this is.
        graph: Model -> its graph.
        file: Name of the graph's file.
        player: Model in evaluation mode -> what the graph is compared with.
        rebuild: As that of :class:`export.family.FamilyExport`.
    """

    def build(model: M, observed: dict[str, Any]) -> list[Built]:
        del observed
        return [Built(STEP_GRAPH, file, graph(model).SerializeToString(deterministic=True))]

    def prove(model: M, bundle: Bundle, seed: int) -> Parity:
        return prove_parity(player(model), Engine(bundle), seed)

    return FamilyExport[M](
        kind="step",
        about=(
            f"{about} ONNX with float32 arithmetic; matrices are rounded to float16 values and "
            "stored so."
        ),
        entropies="nats a note ({phrases} phrases of {phrase_notes} notes)",
        phrase_notes=32,
        defaults=STREAM_DEFAULTS,
        observe=_observe,
        build=build,
        prove=prove,
        rebuild=rebuild,
    )


def _observe(model: Chain | NoteModel, corpus: Path | None, phrase_notes: int) -> dict[str, Any]:
    if corpus is None:
        return {"statistics": Statistics(phrase_notes)}
    tensors = TensorSet.load(corpus)
    statistics = measure_statistics(model, tensors, phrase_notes)
    judges = measure_judges(tensors)
    return {"statistics": statistics, "judges": judges, "filters": limits_from(statistics)}
