"""DRAW as the training loop sees it: chunks of scores in, nats a section out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.errors import DataError
from streamer.windows import RollCodec
from training.data.scores import ScoreSet
from training.data.sections import Sections, chunks
from training.models.base import StepResult
from training.models.draw import Draw

LEAST_VALID = 32
"""Sections to judge by; a corpus with fewer held-out ones overlaps them."""


@dataclass(frozen=True)
class DrawData:
    """How the corpus is cut for training.

    Attributes:
        batch: Sections of an update; the paper's is 37.
        overlap: Share of a section by which the next one overlaps it, 0 (the paper) .. 0.95.
        move: Whether each epoch cuts every piece at another beat (ours).
        transpose: Augmentation, semitones up or down (ours; the paper has none).
        steps_per_beat: Steps of a quarter note.
        beats: Length of a section, quarter notes.
        low: Lowest pitch.
        high: Highest pitch.
    """

    batch: int = 37
    overlap: float = 0.0
    move: bool = True
    transpose: int = 5
    steps_per_beat: int = 8
    beats: int = 13
    low: int = 0
    high: int = 127

    def __post_init__(self) -> None:
        if self.batch < 1 or not 0 <= self.overlap <= 0.95 or not 0 <= self.transpose <= 11:
            raise ValueError("batch must be 1 or more, overlap 0..0.95, transpose 0..11")

    def codec(self) -> RollCodec:
        """Return what the cells of the model mean."""
        steps = self.steps_per_beat * self.beats
        return RollCodec("roll", self.steps_per_beat, steps, self.low, self.high)


class DrawTask:
    """See :class:`training.models.base.Task`.

    Args:
        model: To train, on its device.
        scores: Prepared corpus.
        data: How it is cut.
        seed: Decides order, augmentation and latents.
        low_precision: bfloat16 products.
    """

    def __init__(
        self,
        model: Draw,
        scores: ScoreSet,
        data: DrawData,
        seed: int,
        *,
        low_precision: bool = False,
        compiled: bool = False,
    ) -> None:
        del compiled
        self.model, self.scores, self.data, self.seed = model, scores, data, seed
        self.low_precision = low_precision
        self._train = scores.indices("train")
        self._count = len(self._cut(self._train))
        held = scores.indices("valid") or self._train[:2]
        valid = chunks(scores, held, model.codec)
        if len(valid) < LEAST_VALID:
            valid = chunks(scores, held, model.codec, hop_beats=model.codec.beats / 4)
        self._valid = valid
        if not self._count or not len(valid):
            raise DataError(
                f"no section of {model.codec.beats:g} beats in the scores; prepare longer pieces"
            )

    def _cut(self, indices: list[int], rng: np.random.Generator | None = None) -> Sections:
        codec, n = self.model.codec, len(indices)
        hop = codec.beats * (1 - self.data.overlap)
        if rng is None:
            return chunks(self.scores, indices, codec, hop_beats=hop)
        shift = -rng.integers(0, max(1, int(codec.beats)), n) if self.data.move else None
        keys = rng.integers(-self.data.transpose, self.data.transpose + 1, n)
        return chunks(self.scores, indices, codec, hop_beats=hop, shift_beats=shift, transpose=keys)

    def batches(self, epoch_number: int) -> Iterator[Tensor]:
        """Yield shuffled, moved sections, ``(batch, steps, pitches)`` uint8."""
        rng = np.random.default_rng((self.seed, epoch_number))
        torch.manual_seed(self.seed * 100_003 + epoch_number)
        sections = self._cut(self._train, rng)
        order = rng.permutation(len(sections))
        for start in range(0, len(order), self.data.batch):
            some = order[start : start + self.data.batch]
            if len(some) * 2 > self.data.batch or start == 0:
                yield torch.from_numpy(sections.cells(some)[..., 0])

    def updates_per_epoch(self) -> int:
        """Return about how many batches an epoch has."""
        return max(1, round(self._count / self.data.batch))

    def train_step(self, batch: Tensor, carry: Any) -> StepResult:
        """Return the variational bound of a batch, nats a section."""
        cells = batch.to(self.model.device, torch.float32).flatten(1)
        sums = self._nats(cells, None)
        loss = (sums["canvas"] + sums["latent"]) / len(cells)
        figures = {name: float(value.detach()) for name, value in sums.items()}
        return StepResult(loss, figures, float(len(cells)), carry)

    def _nats(self, cells: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        shape = (self.model.config.passes, len(cells), self.model.config.latent)
        noise = torch.randn(shape, generator=generator).to(cells.device)
        with torch.autocast(cells.device.type, torch.bfloat16, enabled=self.low_precision):
            logits, latent = self.model(cells, noise)
        canvas = F.binary_cross_entropy_with_logits(logits.float(), cells, reduction="sum")
        return {"canvas": canvas, "latent": latent.float().sum()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return the bound on held-out sections, nats a section, in its two parts and in total."""
        self.model.eval()
        generator = torch.Generator().manual_seed(self.seed)
        sums = {"canvas": 0.0, "latent": 0.0}
        for start in range(0, len(self._valid), 64):
            cells = torch.from_numpy(self._valid.cells(slice(start, start + 64))[..., 0])
            found = self._nats(cells.to(self.model.device, torch.float32).flatten(1), generator)
            for name, value in found.items():
                sums[name] += float(value)
        means = {name: value / len(self._valid) for name, value in sums.items()}
        return {**means, "total": sum(means.values())}

    def restore_carry(self, saved: list[Tensor]) -> Any:
        """Return None: sections are independent."""
        del saved
        return None

    def describe(self) -> dict[str, Any]:
        """Return family, config and codec as plain data."""
        return {
            "family": Draw.family,
            "config": self.model.describe(),
            "codec": self.model.codec.to_dict(),
            "data": asdict(self.data),
        }
