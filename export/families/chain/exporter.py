"""Family ``chain`` as the exporter sees it ([Liu2025])."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from export.families.chain.graph import build_chain_graph
from export.families.chain.step_exporter import DrawnNote, StepPlayer, step_export
from export.parity import Arrays
from streamer.families.chain.asked import ASKED_INPUT
from streamer.families.chain.hands import AGAIN_INPUT
from training.families.chain.model import Chain

GRAPH_FILE = "chain.onnx"


class ChainPlayer(StepPlayer):
    """Plays a torch ``Chain`` for the parity proof.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Chain) -> None:
        self._model = model

    def notes(self, noise: Tensor, more: Arrays) -> Iterator[DrawnNote]:
        """Yield the notes that noise, and what else the graph takes, draw."""
        batch = noise.shape[1]
        hands = AGAIN_INPUT in more
        keys = self._model.initial_keys(batch) if hands else None
        again = torch.from_numpy(more[AGAIN_INPUT]) if hands else [None] * len(noise)
        previous = torch.full((batch, 5), -1, dtype=torch.long)
        velocity = torch.zeros(batch)
        h, c, entries = self._model.initial_state(batch)
        past = entries[0, :, :, :5] if self._model.memory is not None else None
        asked = torch.from_numpy(more[ASKED_INPUT]) if ASKED_INPUT in more else None
        for slice_, second in zip(noise, again, strict=True):
            out = self._model.step(previous, velocity, h, c, slice_, keys, second, past, asked)
            previous, velocity, h, c, keys = out.classes, out.velocity, out.h, out.c, out.keys
            past = out.past
            yield out


CHAIN = step_export(
    "Five LSTMs in a chain sample pitch, time shift, duration, velocity change and pedal of "
    "one note after the other (Liu 2025).",
    lambda model: build_chain_graph(model.export_arrays()),
    GRAPH_FILE,
    ChainPlayer,
)
