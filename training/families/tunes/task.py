"""Families ``lm``, ``vae`` and ``vrash`` as the training loop sees them.

Crops of tunes in; nats a note out, by argument, and of the latent. The state is carried from crop
to crop of a track, without gradient, and so is the latent: a track has one, drawn once from what
the encoder hears of it, and pays its divergence once, each crop its share. So a tune is trained as
it is judged and played. The loss is the negative evidence lower bound of whole tracks with a weight
on its divergence that rises from 0 (``anneal_epochs``), and with free bits: a dimension of z costs
nothing until it holds that much ([Kingma2016]).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.errors import DataError
from streamer.families.tunes.codec import TUNE_ARGUMENTS
from training.families.tunes.crops import Crops, epoch_crops
from training.families.tunes.model import Vrash
from training.families.tunes.nats import divergence, evaluate_tunes
from training.families.tunes.tuneset import TuneSet
from training.run.task import Rows, StepResult
from training.run.unit import Unit


@dataclass(frozen=True)
class VrashData:
    """How the corpus is cut, and what the latent costs.

    Attributes:
        batch: Crops side by side.
        crop: Most notes of a crop, at least 2.
        hear: Most notes that the encoder hears of a track, a window drawn anew each epoch; 0
            gives each crop a latent of its own, of its own notes.
        transpose: Move each track by up to half an octave, anew each epoch.
        balance: How often tracks of small styles are shown, 0 (as they come) .. 1 (every style
            as much as the largest).
        anneal_epochs: Over how many epochs the divergence's weight rises from 0; the spec asks
            for 20-30 % of the run.
        kl_weight: Where it rises to; 1 is the evidence lower bound.
        free_bits: Nats of each dimension of z that cost nothing, a mean over the batch.
    """

    batch: int = 64
    crop: int = 128
    hear: int = 256
    transpose: bool = True
    balance: float = 0.0
    anneal_epochs: float = 3.0
    kl_weight: float = 1.0
    free_bits: float = 0.1

    def __post_init__(self) -> None:
        if self.batch < 1 or self.crop < 2:
            raise ValueError("batch must be 1 or more, crop 2 or more")
        if self.hear < 0:
            raise ValueError("hear must be 0 or more")
        if not 0 <= self.balance <= 1:
            raise ValueError("balance must be in range 0..1")
        if min(self.anneal_epochs, self.kl_weight, self.free_bits) < 0:
            raise ValueError("anneal_epochs, kl_weight and free_bits must be 0 or more")

    def weight(self, epochs: float) -> float:
        """Return the divergence's weight after ``epochs``."""
        return self.kl_weight * min(1.0, epochs / self.anneal_epochs if self.anneal_epochs else 1.0)


class Batch(NamedTuple):
    """Crops, and how far the run is, in epochs."""

    crops: Crops
    epochs: float


class VrashTask:
    """The families as the training loop sees them; see :class:`training.run.task.Task`.

    Args:
        model: To train, already on its device.
        tunes: Prepared corpus.
        data: How it is cut.
        seed: Decides order, cuts and augmentation.

    Raises:
        DataError: The model has other styles than the corpus.
    """

    def __init__(
        self,
        model: Vrash,
        tunes: TuneSet,
        data: VrashData,
        seed: int,
    ) -> None:
        if tuple(tunes.styles) != model.styles:
            raise DataError(
                f"the tunes have the styles {', '.join(tunes.styles)}, the model"
                f" {', '.join(model.styles)}; train on the tunes it was begun with"
            )
        self.model, self.tunes, self.data, self.seed = model, tunes, data, seed
        self._train = tunes.indices("train")
        self._updates = max(1, sum(1 for _ in self._crops(0)))

    def _crops(self, epoch: int) -> Iterator[Crops]:
        d = self.data
        seed = self.seed * 100_003 + epoch
        return epoch_crops(
            self.tunes, self._train, seed,
            rows=d.batch, crop=d.crop, transpose=d.transpose, balance=d.balance, hear=d.hear,
        )  # fmt: skip

    @property
    def rows(self) -> Rows:
        """Rows of tracks; what draws no latent leaves its encoder alone."""
        return Rows(unused=True)

    @property
    def unit(self) -> Unit:
        """Nats a note, by argument, and of the latent where there is one."""
        names = (*TUNE_ARGUMENTS, *(("kl",) if self.model.uses_latent else ()))
        return Unit("note", dict.fromkeys(names, 1.0))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield shuffled, moved crops."""
        for number, crops in enumerate(self._crops(epoch)):
            yield Batch(crops, epoch + number / self._updates)

    def updates_per_epoch(self) -> int:
        """Return how many batches an epoch has; other epochs may have one more or less."""
        return self._updates

    def train_step(self, batch: Batch, carry: list[Tensor] | None) -> StepResult:
        """Return loss and figures of a batch; ``carry`` is what its rows go on from."""
        count = float(batch.crops.lengths.sum())
        crops = batch.crops
        if self.model.device.type == "cuda":
            # One shape, so that the recurrence is recorded once; see replay.py.
            crops = crops.padded(self.data.crop, self.data.hear or self.data.crop)
        crops = crops.to(self.model.device)
        nats, kl, carry = crop_nats(self.model, crops, carry)
        figures = dict(zip(TUNE_ARGUMENTS, nats.detach().unbind(), strict=True))
        loss = nats.sum()
        if self.model.uses_latent:
            share = crops.share[:, None]
            mean_kl = (kl * share).sum(dim=0) / share.sum()
            held = mean_kl.clamp(min=self.data.free_bits).sum() * share.sum()
            loss = loss + self.data.weight(batch.epochs) * held
            figures["kl"] = (kl.detach() * share).sum()
        return StepResult(loss / count, figures, count, carry)

    def evaluate(self) -> dict[str, float]:
        """Return nats a note on whole ``valid`` tracks; see :func:`evaluate_tunes`."""
        held = self.tunes.indices("valid") or self._train[:8]
        return evaluate_tunes(self.model, self.tunes, held)

    def restore_carry(self, saved: list[Tensor]) -> list[Tensor]:
        """Return the state that a checkpoint kept."""
        return [x.to(self.model.device) for x in saved]

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": self.model.family,
            "config": self.model.describe(),
            "codec": self.tunes.codec.to_dict(),
            "data": asdict(self.data),
        }


def drop_history(previous: Tensor, chance: float) -> Tensor:
    """Return previous notes ``(..., 3)`` of which a drawn part is "none" (-1) in all arguments."""
    if chance == 0.0:
        return previous
    dropped = torch.rand(previous.shape[:-1], device=previous.device) < chance
    return previous.masked_fill(dropped[..., None], -1)


def crop_nats(
    model: Vrash, crops: Crops, before: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return a batch's nats with the drops of training and a drawn z.

    Args:
        model: In training mode.
        crops: The batch.
        before: What the rows go on from that do not begin a track, as the batch before gave it:
            state ``(B, H)``, and what z was drawn with ``(B, Z)``. None begins them all anew.

    Returns:
        Nats summed by argument ``(3,)``, the divergence of q(z | what is heard) from the prior,
        ``(B, Z)``, and what the next batch goes on from, without gradient.
    """
    config, batch = model.config, len(crops.lengths)
    device = crops.lengths.device
    mean, log_variance = model.encode(crops.heard, crops.style, crops.heard_lengths)
    begins = crops.before[:, :1] < 0
    noise = torch.randn_like(mean)
    if before is not None:
        noise = torch.where(begins, noise, before[1])
    z = mean + noise * (0.5 * log_variance).exp()
    shown = torch.rand(2, batch, device=device) >= config.meta_dropout
    style = crops.style * shown[0, :, None]
    programme = crops.programme.masked_fill(~shown[1], -1)
    previous = drop_history(crops.previous().transpose(0, 1), config.history_dropout)
    start = model.start(z, style)
    if before is not None:
        start = torch.where(begins, start, before[0])
    condition = model.condition(z, style, programme)
    states, _ = model.states(model.note_rows(previous), condition, start)
    last = states[crops.lengths - 1, torch.arange(batch, device=device)].detach()
    # Padding is left out before the heads: (T, B) in, the notes that there are out.
    inside = torch.arange(len(states), device=device)[:, None] < crops.lengths
    there = inside.flatten().nonzero()[:, 0]
    classes = crops.classes.transpose(0, 1).flatten(0, 1).index_select(0, there)
    states = states.flatten(0, 1).index_select(0, there)
    logits = model.logits(F.dropout(states, config.dropout, model.training), classes)
    nats = [F.cross_entropy(x, classes[:, m], reduction="sum") for m, x in enumerate(logits)]
    return torch.stack(nats), divergence(mean, log_variance), [last, noise]
