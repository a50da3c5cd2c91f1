"""DRAW as the training loop sees it: chunks of scores in, nats a section out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.errors import DataError
from streamer.families.windows.codec import RollCodec
from training.families.windows.bound import held_out, standard_noise, step_of
from training.families.windows.draw import Draw
from training.families.windows.rolls import MOST_TRANSPOSED, PieceRolls
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import chunks
from training.run.task import Rows, StepResult
from training.run.unit import Unit

logger = logging.getLogger(__name__)

LEAST_VALID = 32
"""Sections to judge by; a corpus with fewer held-out ones overlaps them."""


@dataclass(frozen=True)
class DrawData:
    """How the corpus is cut for training.

    Attributes:
        batch: Sections of an update; the paper's is 37.
        overlap: Share of a section by which the next one overlaps it, 0 (the paper) .. 0.95.
        move: Whether each epoch cuts every piece at another beat (ours).
        rounds: Times that an epoch goes through the pieces, each time cut and transposed anew; more
            where a machine is fast, so that it is not judging and saving all the time.
        transpose: Augmentation, semitones up or down (ours; the paper has none).
        steps_per_beat: Steps of a quarter note.
        beats: Length of a section, quarter notes.
        low: Lowest pitch.
        high: Highest pitch.
    """

    batch: int = 37
    overlap: float = 0.0
    move: bool = True
    rounds: int = 1
    transpose: int = 5
    steps_per_beat: int = 8
    beats: int = 13
    low: int = 0
    high: int = 127

    def __post_init__(self) -> None:
        if self.batch < 1 or self.rounds < 1 or not 0 <= self.overlap <= 0.95:
            raise ValueError("batch and rounds must be 1 or more, overlap 0..0.95")
        if not 0 <= self.transpose <= MOST_TRANSPOSED:
            raise ValueError(f"transpose must be in range 0..{MOST_TRANSPOSED}")

    def codec(self) -> RollCodec:
        """Return what the cells of the model mean."""
        steps = self.steps_per_beat * self.beats
        return RollCodec("roll", self.steps_per_beat, steps, self.low, self.high)


class DrawTask:
    """See :class:`training.run.task.Task`.

    Args:
        model: To train, on its device.
        scores: Prepared corpus.
        data: How it is cut.
        seed: Decides order, augmentation and latents.
        low_precision: bfloat16 products; on CUDA those of TF32.
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
        train = scores.indices("train")
        self._rolls = PieceRolls(scores, train, model.codec, model.device)
        still = np.zeros(len(self._rolls), dtype=np.int64)
        self._count = len(self._rolls.places(self._hop, still)[0])
        held = scores.indices("valid") or train[:2]
        valid = chunks(scores, held, model.codec)
        if len(valid) < LEAST_VALID:
            valid = chunks(scores, held, model.codec, hop_beats=model.codec.beats / 4)
        self._valid = valid
        if not self._count or not len(valid):
            raise DataError(
                f"no section of {model.codec.beats:g} beats in the scores; prepare longer pieces"
            )
        self._network: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = model
        if model.device.type == "cuda":
            # The matrices are read anew in every pass: as bfloat16 they would be cast each time.
            torch.set_float32_matmul_precision("high" if low_precision else "highest")
            self._network = self._captured()

    @property
    def _hop(self) -> int:
        codec = self.model.codec
        return max(1, round(codec.steps * (1 - self.data.overlap)))

    @property
    def rows(self) -> Rows:
        """Sections, each for itself."""
        return Rows()

    @property
    def unit(self) -> Unit:
        """Nats a section: those of its canvas, and of its latents at their weight."""
        return Unit("section", {"canvas": 1.0, "latent": self.model.config.kl_weight})

    def batches(self, epoch_number: int) -> Iterator[Tensor]:
        """Yield shuffled, moved sections, ``(batch, steps, pitches)`` uint8, on the device."""
        rng = np.random.default_rng((self.seed, epoch_number))
        torch.manual_seed(self.seed * 100_003 + epoch_number)
        rounds = [self._round(rng) for _ in range(self.data.rounds)]
        starts, keys = (np.concatenate(column) for column in zip(*rounds, strict=True))
        for first in range(0, len(starts), self.data.batch):
            some = slice(first, first + self.data.batch)
            if len(starts[some]) * 2 > self.data.batch or first == 0:
                yield self._rolls.cut(starts[some], keys[some])

    def _round(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the sections of a round begin, shuffled, and the semitones to move each."""
        pieces, beats = len(self._rolls), max(1, int(self.model.codec.beats))
        shift = -rng.integers(0, beats, pieces) if self.data.move else np.zeros(pieces, np.int64)
        keys = rng.integers(-self.data.transpose, self.data.transpose + 1, pieces)
        starts, owners = self._rolls.places(self._hop, shift * self.model.codec.steps_per_beat)
        order = rng.permutation(len(starts))
        return starts[order], keys[owners][order]

    def updates_per_epoch(self) -> int:
        """Return about how many batches an epoch has."""
        return max(1, round(self._count * self.data.rounds / self.data.batch))

    def _captured(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the network as a CUDA graph for whole batches.

        Hundreds of small kernels make a pass; launched one by one they take several times longer
        than they compute. Where the driver refuses a graph they are launched so.
        """
        config, codec = self.model.config, self.model.codec
        device, batch = self.model.device, self.data.batch
        noise = torch.randn(config.passes, batch, config.latent, device=device)
        example = (torch.zeros(batch, codec.cells, device=device), noise)
        try:
            graph = torch.cuda.make_graphed_callables(_Forward(self.model), example)
        except RuntimeError as error:
            logger.warning("no CUDA graph (%s); training goes on more slowly", error)
            return self.model
        return cast("Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]", graph)

    def train_step(self, batch: Tensor, carry: Any) -> StepResult:
        """Return the weighted bound of a batch, nats a section."""
        cells = batch.to(self.model.device, torch.float32).flatten(1)
        return step_of(self._nats(cells, None), self.unit, len(cells), carry)

    def _nats(self, cells: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        shape = (self.model.config.passes, len(cells), self.model.config.latent)
        noise = standard_noise(shape, cells.device, generator)
        whole = generator is None and len(cells) == self.data.batch
        with torch.autocast(
            cells.device.type, torch.bfloat16, enabled=self.low_precision and not cells.is_cuda
        ):
            logits, latent = (self._network if whole else self.model)(cells, noise)
        canvas = F.binary_cross_entropy_with_logits(logits.float(), cells, reduction="sum")
        return {"canvas": canvas, "latent": latent.float().sum()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return held-out nats a section; ``total`` has the latents at their weight."""
        self.model.eval()
        generator = torch.Generator().manual_seed(self.seed)

        def nats(start: int) -> dict[str, Tensor]:
            cells = torch.from_numpy(self._valid.cells(slice(start, start + 64))[..., 0])
            return self._nats(cells.to(self.model.device, torch.float32).flatten(1), generator)

        return held_out(map(nats, range(0, len(self._valid), 64)), self.unit, len(self._valid))

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


class _Forward(nn.Module):
    """The model in a shell of its own, which a graph may change."""

    def __init__(self, model: Draw) -> None:
        super().__init__()
        self.model = model

    def forward(self, cells: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.model(cells, noise)
        return found
