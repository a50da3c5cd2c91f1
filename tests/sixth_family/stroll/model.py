"""The model, and how it is trained: the nats of each step, given the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.bundle.codecs import Codec, codec_as
from stroll.codec import KeyCodec
from stroll.corpus import StrollSet
from training.run.task import StepResult
from training.run.trainable import Trainable
from training.run.unit import Unit


@dataclass(frozen=True)
class StrollConfig:
    sharpness: float = 1.0


@dataclass(frozen=True)
class StrollData:
    batch: int = 256


class Stroll(nn.Module):
    """A table of logits: key before, key after."""

    family = "stroll"

    def __init__(self, config: StrollConfig, codec: KeyCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        self.table = nn.Parameter(torch.zeros(codec.keys, codec.keys))

    def forward(self, previous: Tensor) -> Tensor:
        return self.config.sharpness * self.table[previous]

    def describe(self) -> dict[str, Any]:
        return asdict(self.config)

    def export_arrays(self) -> dict[str, NDArray[np.float32]]:
        return {"table": (self.config.sharpness * self.table).detach().numpy()}


class StrollTask:
    """See :class:`training.run.task.Task`."""

    unit = Unit("stride", {"key": 1.0})

    def __init__(self, model: Stroll, strolls: StrollSet, data: StrollData, seed: int) -> None:
        self.model, self.strolls, self.data, self.seed = model, strolls, data, seed

    def _steps(self, split: str) -> Tensor:
        lines = [self.strolls.line(i) for i in self.strolls.indices(split)]
        pairs = [np.stack([line[:-1], line[1:]], axis=1) for line in lines]
        return torch.from_numpy(np.concatenate(pairs))

    def batches(self, epoch: int) -> Iterator[Tensor]:
        steps = self._steps("train")
        random = torch.Generator().manual_seed(self.seed * 1000 + epoch)
        order = torch.randperm(len(steps), generator=random)
        yield from torch.split(steps[order], self.data.batch)

    def updates_per_epoch(self) -> int:
        return -(-len(self._steps("train")) // self.data.batch)

    def train_step(self, batch: Tensor, carry: Any) -> StepResult:
        nats = F.cross_entropy(self.model(batch[:, 0]), batch[:, 1], reduction="sum")
        return StepResult(nats / len(batch), {"key": nats.detach()}, float(len(batch)), carry)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        steps = self._steps("valid")
        nats = float(F.cross_entropy(self.model(steps[:, 0]), steps[:, 1]))
        return {"key": nats, "total": nats}

    def restore_carry(self, saved: list[Tensor]) -> Any:
        del saved

    def describe(self) -> dict[str, Any]:
        codec = self.model.codec.to_dict()
        return {"family": "stroll", "config": self.model.describe(), "codec": codec}


def _build(config: Mapping[str, Any], codec: Codec) -> Stroll:
    return Stroll(StrollConfig(**config), codec_as(codec, KeyCodec))


def _task(
    model: Stroll, strolls: StrollSet, data: Mapping[str, Any], seed: int, **_: bool
) -> StrollTask:
    return StrollTask(model, strolls, StrollData(**data), seed)


STROLL = Trainable(
    config=StrollConfig,
    data=StrollData,
    build=_build,
    task=_task,
    codec=lambda _strolls, _data: KeyCodec(),
)
