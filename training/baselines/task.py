"""A baseline as the training loop sees it: the chain's windows in, nats by argument out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.errors import DataError
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import ARGUMENTS
from training.baselines.nets import NETS, Carry, NoteModel, build
from training.families.chain.batches import Augmentation, Window, epoch, windows
from training.families.chain.task import ChainData
from training.families.chain.tensors import TensorSet
from training.run.checkpoint import Checkpoint
from training.run.task import Rows, StepResult
from training.run.unit import Unit


class BaselineTask:
    """See :class:`training.run.task.Task`; batches, splits and augmentation are the chain's.

    Args:
        model: To train, on its device.
        tensors: Prepared corpus.
        data: How it is cut.
        seed: Decides order and augmentation.
        low_precision: bfloat16 products.
    """

    def __init__(
        self,
        model: NoteModel,
        tensors: TensorSet,
        data: ChainData,
        seed: int,
        *,
        low_precision: bool = False,
    ) -> None:
        self.model, self.tensors, self.data, self.seed = model, tensors, data, seed
        self.low_precision = low_precision
        self._train = tensors.indices("train")
        self._notes = int(np.diff(tensors.offsets)[self._train].sum())

    @property
    def rows(self) -> Rows:
        """Rows of pieces: ``(T, B)`` windows, carries ``(layers, B, ...)``."""
        return Rows(batch=1, carry=1)

    @property
    def unit(self) -> Unit:
        """Nats a note, by argument."""
        return Unit("note", dict.fromkeys(ARGUMENTS, 1.0))

    def batches(self, epoch_number: int) -> Iterator[Window]:
        """Yield shuffled, augmented windows."""
        d = self.data
        yield from epoch(
            self.tensors, self._train, Augmentation(d.transpose, d.stretch, d.velocity),
            self.seed * 100_003 + epoch_number, batch=d.batch, steps=d.steps, share=d.share,
        )  # fmt: skip

    def updates_per_epoch(self) -> int:
        """Return about how many windows an epoch has."""
        d = self.data
        return max(1, round(self._notes * d.share / (d.batch * d.steps)))

    def train_step(self, batch: Window, carry: Carry | None) -> StepResult:
        """Return the summed cross-entropy of the five arguments over every step of a window."""
        window = Window(*(x.to(self.model.device, non_blocking=True) for x in batch))
        state = carry if carry is not None else self.model.initial_state(window.keep.shape[1])
        kind = self.model.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.low_precision):
            logits, state = logits_of(self.model, window, state)
        sums = note_nats(logits, window).sum(dim=(0, 1))
        count = float(window.weight.sum())
        figures = dict(zip(ARGUMENTS, sums.detach().tolist(), strict=True))
        return StepResult(sums.sum() / max(count, 1.0), figures, count, state)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return nats per note on the ``valid`` pieces, by argument and in total."""
        pieces = list(self.tensors.iterate("valid")) or list(self.tensors.iterate("train"))[:8]
        self.model.eval()
        sums, notes = torch.zeros(len(ARGUMENTS), dtype=torch.float64), 0.0
        state: Carry | None = None
        for raw in windows(pieces, self.tensors.codec, batch=32, steps=self.data.steps):
            window = Window(*(x.to(self.model.device) for x in raw))
            state = state or self.model.initial_state(window.keep.shape[1])
            logits, state = logits_of(self.model, window, state)
            sums += note_nats(logits, window).sum(dim=(0, 1)).double().cpu()
            notes += float(window.weight.sum())
        nats = dict(zip(ARGUMENTS, (sums / max(notes, 1.0)).tolist(), strict=True))
        return {**nats, "total": sum(nats.values()), "notes": notes}

    def restore_carry(self, saved: list[Tensor]) -> Carry:
        """Return the carry that a checkpoint kept."""
        return [x.to(self.model.device) for x in saved]

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": self.model.family, "config": self.model.describe(),
            "codec": self.tensors.codec.to_dict(), "data": asdict(self.data),
        }  # fmt: skip


def logits_of(model: NoteModel, window: Window, state: Carry) -> tuple[list[Tensor], Carry]:
    """Return a window's five logits ``(T, B, classes)``, float32, and the carry after it."""
    logits, state = model(window.previous, window.current, window.velocity, window.keep, state)
    return [x.float() for x in logits], [x.float() for x in state]


def note_nats(logits: list[Tensor], window: Window) -> Tensor:
    """Return each note's nats by argument, ``(T, B, 5)``; 0 where a row has no note."""
    each = [
        F.cross_entropy(x.flatten(0, 1), window.current[..., m].reshape(-1), reduction="none")
        for m, x in enumerate(logits)
    ]
    shape = window.weight.shape
    return torch.stack([x.view(shape) for x in each], dim=-1) * window.weight[..., None]


def baseline_from(checkpoint: Checkpoint) -> NoteModel:
    """Rebuild a trained baseline, in evaluation mode.

    Raises:
        DataError: It is of another model, or its weights do not fit.
    """
    if checkpoint.family not in NETS:
        raise DataError(f"a checkpoint of {checkpoint.family}, and no baseline ({', '.join(NETS)})")
    codec = checkpoint.codec_tables()
    if not isinstance(codec, ChainCodec):
        raise DataError(f"a baseline of {checkpoint.family} on classes that are not the chain's")
    try:
        model = build(checkpoint.config, codec)
        model.load_state_dict(checkpoint.weights, strict=True)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        raise DataError(
            f"checkpoint does not fit its configuration: {str(error).splitlines()[0]}"
        ) from error
    return model.eval()
