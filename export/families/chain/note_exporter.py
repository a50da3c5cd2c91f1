"""The baselines as the exporter sees them: the chain's classes from another network.

The edge needs nothing for them: a bundle whose codec is the chain's is played by the chain's
family, whatever lies between a note and the next. It plays without the law of two hands, and
without the bounds of cells, which these networks do not have.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from export.families.chain.note_graph import build_note_graph
from export.families.chain.note_nets import Attention, Backbone, Recurrence
from export.families.chain.step_exporter import DrawnNote, StepPlayer, step_export
from export.family import FamilyExport
from export.parity import Arrays
from streamer.errors import DataError
from training.baselines.nets import NoteModel
from training.baselines.task import baseline_from

GRAPH_FILE = "notes.onnx"


class NotePlayer(StepPlayer):
    """Plays a torch ``NoteModel`` for the parity proof.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: NoteModel) -> None:
        self._model = model

    def notes(self, noise: Tensor, more: Arrays) -> Iterator[DrawnNote]:
        """Yield the notes that noise draws."""
        del more
        batch = noise.shape[1]
        previous = torch.full((batch, 5), -1, dtype=torch.long)
        velocity, carry = torch.zeros(batch), self._model.initial_state(batch)
        for slice_ in noise:
            out = self._model.step(previous, velocity, carry, slice_)
            previous, velocity, carry = out.classes, out.velocity, out.carry
            yield out


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


def _exported(about: str) -> FamilyExport[NoteModel]:
    return step_export(
        f"{about} It plays the chain's classes, is there to compare with, and keeps to no law "
        "of two hands.",
        lambda model: build_note_graph(model.export_arrays(), backbone_of(model)),
        GRAPH_FILE,
        NotePlayer,
        baseline_from,
    )


TRANSFORMER = _exported(
    "A baseline: a Transformer with a learned key for each distance (Huang 2018) and a memory "
    "(Dai 2019)."
)
GATED = _exported(
    "A baseline: a linear recurrence whose gates depend on the input alone (Feng 2024)."
)
