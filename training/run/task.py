"""What the training loop asks of a family: a model, batches, a loss, a held-out figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from training.run.unit import Unit


class StepResult(NamedTuple):
    """One training step before its gradient.

    Attributes:
        loss: Scalar to differentiate.
        sums: Figure by name, nats summed over the batch; may be tensors on the device, so that the
            host need not wait for them.
        counted: How many of what :attr:`Task.unit` counts per are behind the sums.
        carry: What the next batch needs (recurrent state, detached), or None.
    """

    loss: Tensor
    sums: Mapping[str, float | Tensor]
    counted: float
    carry: Any


class Task(Protocol):
    """A family with its data, as ``loop.train`` sees it."""

    @property
    def model(self) -> nn.Module:
        """The model that is trained."""

    @property
    def unit(self) -> Unit:
        """What the figures of training and evaluation are counted in."""

    def batches(self, epoch: int) -> Iterator[Any]:
        """Yield the batches of an epoch; the same epoch number gives the same batches."""

    def updates_per_epoch(self) -> int:
        """Return about how many batches an epoch has; the learning-rate schedule needs it."""

    def train_step(self, batch: Any, carry: Any) -> StepResult:
        """Return loss and figures of a batch; ``carry`` is None at the start of an epoch."""

    def evaluate(self) -> dict[str, float]:
        """Return held-out figures; early stopping watches ``total``."""

    def restore_carry(self, saved: list[Tensor]) -> Any:
        """Return the carry from the tensors that a checkpoint kept of it."""

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint must say to rebuild the model: family, config, codec, corpus."""


@runtime_checkable
class AdversarialTask(Protocol):
    """What a task has beside :class:`Task` when a second network is trained against the model.

    Before each update of the model the loop takes the opponent's own steps, with an optimiser of
    its own. The opponent is kept in ``last.pt``, so that a run goes on; no bundle needs it.
    """

    @property
    def opponent(self) -> nn.Module:
        """The second network."""

    def opponent_losses(self, batch: Any) -> Iterator[Tensor]:
        """Yield one loss for each step; the opponent has moved when the next is asked for."""


@dataclass(frozen=True)
class Rows:
    """Where a task's batches have their rows, so that several processes can share them.

    Attributes:
        batch: Dimension of each tensor of a batch that counts its rows.
        carry: Dimension of each tensor of the carry that counts them.
        unused: Whether some weights get no gradient in some updates.
    """

    batch: int = 0
    carry: int = 0
    unused: bool = False


@runtime_checkable
class SharedTask(Protocol):
    """What a task has beside :class:`Task` when several processes can train it.

    Its batches are tensors, or named tuples of them, whose rows do not depend on one another, and
    its loss is a sum over the rows, divided by what is counted (:attr:`StepResult.counted`).
    """

    @property
    def rows(self) -> Rows:
        """Where the rows are."""
