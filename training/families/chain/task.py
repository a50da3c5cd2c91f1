"""The chain as the training loop sees it: windows of classes in, nats by argument out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import ARGUMENTS
from training.families.chain.asking import Asking
from training.families.chain.batches import Augmentation, Window, epoch, windows
from training.families.chain.model import GROUPS, Chain, LstmState
from training.families.chain.tensors import TensorSet
from training.run.task import Rows, StepResult
from training.run.unit import Unit


@dataclass(frozen=True)
class ChainData:
    """How the corpus is cut for training.

    Attributes:
        batch: Rows, each following pieces from start to end.
        steps: Window of truncated back-propagation, in notes.
        share: Part of the training pieces drawn each epoch, 0..1.
        transpose: Augmentation, semitones.
        stretch: Augmentation, share of the tempo.
        velocity: Augmentation, velocity steps.
    """

    batch: int = 32
    steps: int = 64
    share: float = 1.0
    transpose: int = 5
    stretch: float = 0.1
    velocity: int = 8

    def __post_init__(self) -> None:
        if self.batch < 1 or self.steps < 1 or not 0 < self.share <= 1:
            raise ValueError("batch and steps must be 1 or more, share above 0, at most 1")
        if self.transpose < 0 or self.velocity < 0 or not 0 <= self.stretch < 1:
            raise ValueError("transpose and velocity must be 0 or more, stretch 0..1, 1 excluded")


class ChainTask:
    """The family as the training loop sees it; see :class:`training.run.task.Task`.

    Args:
        model: To train, already on its device.
        tensors: Prepared corpus.
        data: How it is cut.
        seed: Decides order and augmentation.
        low_precision: bfloat16 products.
        compiled: Fuse the LSTM cell.
    """

    def __init__(
        self,
        model: Chain,
        tensors: TensorSet,
        data: ChainData,
        seed: int,
        *,
        low_precision: bool = False,
        compiled: bool = False,
    ) -> None:
        self.model, self.tensors, self.data, self.seed = model, tensors, data, seed
        self.options = {"low_precision": low_precision, "compiled": compiled}
        self._train = tensors.indices("train")
        lengths = np.diff(tensors.offsets)
        self._train_notes = int(lengths[self._train].sum())

    @property
    def rows(self) -> Rows:
        """Rows of pieces: ``(T, B)`` windows, states ``(layers, 5, B, hidden)``."""
        return Rows(batch=1, carry=2)

    @property
    def unit(self) -> Unit:
        """Nats a note, by argument."""
        return Unit("note", dict.fromkeys(ARGUMENTS, 1.0))

    def batches(self, epoch_number: int) -> Iterator[Window]:
        """Yield shuffled, augmented windows."""
        moves = Augmentation(self.data.transpose, self.data.stretch, self.data.velocity)
        seed = self.seed * 100_003 + epoch_number
        yield from epoch(
            self.tensors, self._train, moves, seed,
            batch=self.data.batch, steps=self.data.steps, share=self.data.share,
            asking=self.model.asked is not None,
        )  # fmt: skip

    def updates_per_epoch(self) -> int:
        """Return about how many windows an epoch has."""
        return max(
            1, round(self._train_notes * self.data.share / (self.data.batch * self.data.steps))
        )

    def train_step(self, batch: Window, carry: LstmState | None) -> StepResult:
        """Return the summed cross-entropy of the five arguments over every step of a window."""
        device = self.model.device
        window = Window(*(x.to(device, non_blocking=True) for x in batch))
        state = carry if carry is not None else self.model.initial_state(window.keep.shape[1])
        sums, state = window_nats(self.model, window, state, **self.options)
        count = float(window.weight.sum())
        loss = sums.sum() / max(count, 1.0)
        figures = dict(zip(ARGUMENTS, sums.detach().tolist(), strict=True))
        return StepResult(loss, figures, count, state)

    def evaluate(self) -> dict[str, float]:
        """Return nats per note on the ``valid`` pieces, by argument and in total."""
        pieces = list(self.tensors.iterate("valid")) or list(self.tensors.iterate("train"))[:8]
        return evaluate_nats(self.model, pieces, self.tensors.codec)

    def restore_carry(self, saved: list[Tensor]) -> LstmState:
        """Return the state that a checkpoint kept."""
        device = self.model.device
        kept = [x.to(device) for x in saved]
        if len(kept) == 2:  # of a run before there was a memory
            kept.append(self.model.initial_state(kept[0].shape[2]).past)
        return LstmState(*kept)

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": Chain.family,
            "config": self.model.describe(),
            "codec": self.tensors.codec.to_dict(),
            "data": asdict(self.data),
        }


def window_nats(
    model: Chain, window: Window, state: LstmState, *, low_precision: bool = False,
    compiled: bool = False,
) -> tuple[Tensor, LstmState]:  # fmt: skip
    """Return a window's nats summed by argument, ``(5,)``, and the state after it."""
    logits, state = model(
        window.previous, window.current, window.velocity, window.keep, state,
        window.asked if window.asked.shape[-1] else None,
        low_precision=low_precision, compiled=compiled,
    )  # fmt: skip
    weight = window.weight.reshape(-1)
    sums = [
        (F.cross_entropy(x.flatten(0, 1), window.current[..., m].reshape(-1), reduction="none")
         * weight).sum()
        for m, x in enumerate(logits)
    ]  # fmt: skip
    return torch.stack(sums), state


@torch.no_grad()
def evaluate_nats(
    model: Chain,
    pieces: Sequence[Any],
    codec: ChainCodec,
    *,
    batch: int = 32,
    steps: int = 256,
    told: bool = False,
) -> dict[str, float]:
    """Return nats per note of pieces, state carried through each, by argument and in total.

    Args:
        model: The model; its training mode is restored.
        pieces: Note arrays.
        codec: Class tables.
        batch: Pieces side by side.
        steps: Window length; does not change the result.
        told: Whether the model is told what each phrase is like, all of it.
    """
    asking = Asking(None) if told else None
    training = model.training
    model.eval()
    device = model.device
    sums, notes = torch.zeros(GROUPS, dtype=torch.float64), 0.0
    state: LstmState | None = None
    for raw in windows(pieces, codec, batch=batch, steps=steps, asking=asking):
        window = Window(*(x.to(device) for x in raw))
        state = state or model.initial_state(window.keep.shape[1])
        part, state = window_nats(model, window, state)
        sums += part.double().cpu()
        notes += float(window.weight.sum())
    model.train(training)
    nats = dict(zip(ARGUMENTS, (sums / max(notes, 1.0)).tolist(), strict=True))
    return {**nats, "total": sum(nats.values()), "notes": notes}
