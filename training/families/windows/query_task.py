"""The query VAE as the training loop sees it: bars of scores in, nats a bar out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streamer.errors import DataError
from streamer.families.windows.codec import RollCodec
from training.families.windows.bound import held_out, standard_noise, step_of
from training.families.windows.query import Query
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import bars
from training.run.task import Rows, StepResult
from training.run.unit import Unit


@dataclass(frozen=True)
class QueryData:
    """How the corpus is cut for training.

    Attributes:
        batch: Bars of an update.
        transpose: Augmentation, semitones up or down.
        empty: Whether bars without a note are learnt too.
        steps_per_beat: Steps of a quarter note; a bar has four.
        low: Lowest pitch.
        high: Highest pitch.
    """

    batch: int = 128
    transpose: int = 5
    empty: bool = True
    steps_per_beat: int = 4
    low: int = 24
    high: int = 101

    def __post_init__(self) -> None:
        if self.batch < 1 or not 0 <= self.transpose <= 11:
            raise ValueError("batch must be 1 or more, transpose in range 0..11")

    def codec(self) -> RollCodec:
        """Return what the cells of the model mean."""
        steps = 4 * self.steps_per_beat
        return RollCodec("bars", self.steps_per_beat, steps, self.low, self.high, onsets=True)


class QueryTask:
    """See :class:`training.run.task.Task`.

    Args:
        model: To train, on its device.
        scores: Prepared corpus.
        data: How it is cut.
        seed: Decides order, augmentation and latents.
        low_precision: bfloat16 products.
    """

    def __init__(
        self,
        model: Query,
        scores: ScoreSet,
        data: QueryData,
        seed: int,
        *,
        low_precision: bool = False,
        compiled: bool = False,
    ) -> None:
        del compiled
        self.model, self.scores, self.data, self.seed = model, scores, data, seed
        self.low_precision = low_precision
        train = scores.indices("train")
        self._train = bars(scores, train, model.codec, empty=data.empty)
        held = scores.indices("valid") or train[:2]
        self._valid = bars(scores, held, model.codec, empty=data.empty)
        if not len(self._train) or not len(self._valid):
            raise DataError(
                f"no bar of {model.codec.beats:g} quarter notes in the scores; prepare pieces in "
                "4/4, as in perpetuo prepare scores"
            )

    @property
    def rows(self) -> Rows:
        """Bars, each for itself."""
        return Rows()

    @property
    def unit(self) -> Unit:
        """Nats a bar: those of its cells, and of its latent at its weight."""
        return Unit("bar", {"cells": 1.0, "latent": self.model.config.kl_weight})

    def batches(self, epoch_number: int) -> Iterator[Tensor]:
        """Yield shuffled, transposed bars, ``(batch, steps, pitches, layers)`` uint8."""
        rng = np.random.default_rng((self.seed, epoch_number))
        torch.manual_seed(self.seed * 100_003 + epoch_number)
        order = rng.permutation(len(self._train))
        for start in range(0, len(order), self.data.batch):
            cells = self._train.cells(order[start : start + self.data.batch])
            moves = rng.integers(-self.data.transpose, self.data.transpose + 1, len(cells))
            yield torch.from_numpy(_transposed(cells, moves))

    def updates_per_epoch(self) -> int:
        """Return about how many batches an epoch has."""
        return max(1, -(-len(self._train) // self.data.batch))

    def train_step(self, batch: Tensor, carry: Any) -> StepResult:
        """Return the weighted bound of a batch, nats a bar."""
        return step_of(self._nats(batch, None), self.unit, len(batch), carry)

    def _nats(self, batch: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        device = self.model.device
        flat = batch.to(device, torch.float32).flatten(1)
        noise = standard_noise((len(flat), self.model.config.latent), device, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.low_precision):
            logits, latent = self.model(flat, noise)
        cells = F.binary_cross_entropy_with_logits(logits.float(), flat, reduction="sum")
        return {"cells": cells, "latent": latent.float().sum()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return held-out nats a bar; ``total`` is the objective, the latent at its weight."""
        self.model.eval()
        generator = torch.Generator().manual_seed(self.seed)

        def nats(start: int) -> dict[str, Tensor]:
            batch = torch.from_numpy(self._valid.cells(slice(start, start + 512)))
            return self._nats(batch, generator)

        return held_out(map(nats, range(0, len(self._valid), 512)), self.unit, len(self._valid))

    def restore_carry(self, saved: list[Tensor]) -> Any:
        """Return None: bars are independent."""
        del saved
        return None

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": Query.family,
            "config": self.model.describe(),
            "codec": self.model.codec.to_dict(),
            "data": asdict(self.data),
        }


def _transposed(cells: NDArray[np.uint8], moves: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bars moved by semitones; one whose notes would leave the range stays."""
    moved = np.zeros_like(cells)
    keys = cells.shape[2]
    for bar, new, move in zip(cells, moved, moves.tolist(), strict=True):
        falling = bar[:, :-move] if move < 0 else bar[:, keys - move :]
        if falling.any():
            new[:] = bar
        elif move < 0:
            new[:, :move] = bar[:, -move:]
        else:
            new[:, move:] = bar[:, : keys - move]
    return moved
