"""One update by several processes: each works on some rows of the batch, gradients are summed.

In: a task whose batches have rows (:class:`training.run.task.SharedTask`) and :class:`Ranks`. Out:
the update that one process would have made of the whole batch: each process's loss is weighted by
what it counts, so that rows of unequal length weigh as they do alone. A row follows its pieces from
start to end on one process, which carries its state: pieces are what is shared out.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from streamer.errors import ConfigError
from training.run.ranks import Ranks, working_together
from training.run.task import SharedTask, StepResult, Task


class _Step(nn.Module):
    """A task's step as a module, so that gradients are summed while they are computed."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.model = task.model
        self._task = [task]

    def forward(self, batch: Any, carry: Any) -> StepResult:
        return self._task[0].train_step(batch, carry)


class Team:
    """What processes do together in an update; alone each method does the plain thing.

    Args:
        task: What is trained.
        ranks: Who is there.

    Raises:
        ConfigError: There are several processes, and the task's batches cannot be shared.
    """

    def __init__(self, task: Task, ranks: Ranks) -> None:
        self.task, self.ranks = task, ranks
        self._asked = self._told = (0, False)
        self._weight = 1.0
        if not ranks.many:
            return
        if not isinstance(task, SharedTask):
            raise ConfigError([
                f"{type(task).__name__} cannot be trained by {ranks.count} processes: it does not "
                "say which rows its batches have; train it with one"
            ])  # fmt: skip
        self._rows = task.rows
        # Buffers are tables that never change. The newer name of the option warns of the older.
        known = inspect.signature(DistributedDataParallel).parameters
        still = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {still: False, "find_unused_parameters": task.rows.unused}
        with working_together():
            self._step = DistributedDataParallel(_Step(task), **options)
        ranks.before_parting(self._let_go)

    def _let_go(self) -> None:
        """Free what sums gradients, which holds the process group."""
        del self._step.reducer, self._step.logger, self._step.process_group

    def ask(self, stopped: int, due: bool) -> None:
        """Say before an update whether this process was told to stop, and whether to save."""
        self._asked = (stopped, due)

    def told(self, stopped: int, due: bool) -> tuple[int, bool]:
        """Return after an update what all agreed on; alone what is the case now."""
        return self._told if self.ranks.many else (stopped, due)

    def step(self, batch: Any, carry: Any) -> StepResult:
        """Return loss and figures of this process's rows; the loss is weighted as the batch's."""
        if not self.ranks.many:
            return self.task.train_step(batch, carry)
        mine, there = share(batch, self._rows.batch, self.ranks)
        with working_together():
            result: StepResult = self._step(mine, carry)
        counted = float(result.counted) if there else 0.0
        stopped, due = self._asked
        first = self.ranks.first
        total, *stops, save = self.ranks.sum(
            [counted, stopped == 2, stopped == 15, due and first]
        )  # fmt: skip
        self._told = (2 if stops[0] else 15 if stops[1] else 0, save > 0)
        self._weight = counted * self.ranks.count / max(total, 1.0)
        sums = result.sums if there else dict.fromkeys(result.sums, 0.0)
        return StepResult(result.loss * self._weight, sums, counted, result.carry)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give an opponent's gradients, each of some rows, the mean over all rows."""
        if not self.ranks.many:
            return
        weight = self._opponent_weight
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(weight)
                with working_together():
                    dist.all_reduce(parameter.grad)

    def opponent_batch(self, batch: Any) -> Any:
        """Return the rows of a batch that the opponent's steps of this process see."""
        if not self.ranks.many:
            return batch
        mine, there = share(batch, self._rows.batch, self.ranks)
        rows = float(rows_of(mine, self._rows.batch)) if there else 0.0
        self._opponent_weight = rows / max(self.ranks.sum([rows])[0], 1.0)
        return mine

    def joined_carry(self, carry: Any) -> list[Tensor] | None:
        """Return the carry of all rows, as one process has it; None where there is none."""
        if not self.ranks.many:
            return None if carry is None else list(carry)
        parts = self.ranks.gather(None if carry is None else [x.cpu() for x in carry])
        if any(part is None for part in parts):
            return None
        return [torch.cat(some, self._rows.carry) for some in zip(*parts, strict=True)]

    def own_carry(self, saved: list[Tensor]) -> list[Tensor]:
        """Return this process's rows of a carry of all rows."""
        if not self.ranks.many:
            return saved
        return [share(x, self._rows.carry, self.ranks)[0] for x in saved]


def rows_of(batch: Any, dim: int) -> int:
    """Return how many rows a batch has: those of its first tensor."""
    if isinstance(batch, Tensor):
        return batch.shape[dim]
    for part in batch:
        if isinstance(part, Tensor | tuple):
            return rows_of(part, dim)
    raise ValueError("a batch must hold a tensor")


def share(batch: Any, dim: int, ranks: Ranks) -> tuple[Any, bool]:
    """Return one process's rows of a batch.

    Args:
        batch: A tensor, or a named tuple of such, of other named tuples, and of what has no rows.
        dim: In which its tensors have their rows.
        ranks: Who asks.

    Returns:
        The rows, and whether they are its own: where there are fewer rows than processes, one that
        has none works on the first, which then counts nothing for it.
    """
    rows = rows_of(batch, dim)
    start, end = rows * ranks.rank // ranks.count, rows * (ranks.rank + 1) // ranks.count
    there = end > start
    return _cut(batch, dim, slice(start, end) if there else slice(0, 1)), there


def _cut(batch: Any, dim: int, some: slice) -> Any:
    if isinstance(batch, Tensor):
        return batch[(slice(None),) * dim + (some,)]
    if isinstance(batch, tuple):
        return type(batch)(*(_cut(part, dim, some) for part in batch))
    return batch
