"""The processes that train one model together, as ``torchrun`` starts them.

In: what ``torchrun`` puts into the environment. Out: who this process is among how many
(:class:`Ranks`), and what they tell one another: numbers summed, objects handed round, and whether
all were given the same. What is told goes over gloo, between CPUs; gradients on GPUs go over NCCL.
Alone nothing is told to anybody, and no process group is made. Main thread.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from streamer.errors import ConfigError, DataError

PATIENCE = timedelta(hours=1)
"""How long a process waits for the others; the first judges what is held out meanwhile."""

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class TogetherError(DataError):
    """What all processes find at the same time: one of them says it for all."""


@dataclass(frozen=True)
class Ranks:
    """Who this process is.

    Attributes:
        rank: Its number, 0 for the first, which judges, writes and speaks.
        count: How many there are.
        local: Its number on this machine, which is that of its GPU.
        leaving: What is let go before the processes part; None where nobody waits for that.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    leaving: ExitStack | None = field(default=None, compare=False, repr=False)

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    @property
    def many(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    def device(self, wanted: torch.device) -> torch.device:
        """Return this process's own device of the kind that is wanted.

        Raises:
            ConfigError: There are more processes on this machine than GPUs.
        """
        if not self.many or wanted.type != "cuda":
            return wanted
        if self.local >= torch.cuda.device_count():
            raise ConfigError([
                f"{self.local + 1} processes or more on a machine of {torch.cuda.device_count()} "
                "GPUs; start torchrun with --nproc-per-node of as many, or train with --device cpu"
            ])  # fmt: skip
        own = torch.device("cuda", self.local)
        torch.cuda.set_device(own)
        return own

    def before_parting(self, let_go: Callable[[], None]) -> None:
        """Have something called while the processes are still joined, but have no more to say.

        Whatever holds the process group must let go here. Were it the last to hold it, and freed
        by Python later, it would wait for the group's threads and not give up the interpreter,
        which one of those threads may want in order to end: the process would hang.
        """
        if self.leaving is not None:
            self.leaving.callback(let_go)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return each number summed over all processes."""
        if not self.many:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64)
        with _still_there():
            dist.all_reduce(told)
        return [float(value) for value in told]

    def gather(self, value: Any) -> list[Any]:
        """Return what each process gives, in their order, to all of them."""
        if not self.many:
            return [value]
        found: list[Any] = [None] * self.count
        with _still_there():
            dist.all_gather_object(found, value)
        return found

    def from_first(self, value: Any) -> Any:
        """Return what the first process gives; what others give is not looked at."""
        if not self.many:
            return value
        held = [value]
        with _still_there():
            dist.broadcast_object_list(held, src=0)
        return held[0]

    def agree(self, told: Mapping[str, str]) -> None:
        """Go on only if all processes were given the same.

        Args:
            told: What each was given, as text, by what a person calls it.

        Raises:
            TogetherError: Some were given something else; all of them find it.
        """
        every = self.gather(dict(told))
        for name, mine in every[0].items():
            others = {rank: one.get(name) for rank, one in enumerate(every)}
            other = [rank for rank, value in others.items() if value != mine]
            if other:
                who = ", ".join(map(str, other))
                raise TogetherError(
                    f"{name} of process {who} of {self.count} is {others[other[0]]}, and "
                    f"{mine} of process 0; give all processes the same"
                )


ALONE = Ranks()


def refuse_others(done: str) -> None:
    """Refuse to be one of several processes, where each would do the same over again.

    Args:
        done: What one process does, as "a baseline is trained".

    Raises:
        ConfigError: ``torchrun`` started several.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if "RANK" in os.environ and count != "1":
        raise ConfigError([
            f"torchrun started {count} processes, and {done} by one; start it without torchrun"
        ])  # fmt: skip


@contextmanager
def _still_there() -> Iterator[None]:
    """Turn the loss of another process into a line, where nothing else can go wrong."""
    try:
        yield
    except (RuntimeError, dist.DistBackendError) as error:
        raise _gone(error) from error


@contextmanager
def working_together() -> Iterator[None]:
    """Turn the loss of another process into a line, where a model works meanwhile.

    Raises:
        DataError: Another process is gone. What the model itself raises is handed on.
    """
    try:
        yield
    except RuntimeError as error:
        # What gloo says names its own file; NCCL has a class of its own.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error).lower():
            raise
        raise _gone(error) from error


def _gone(error: Exception) -> DataError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    first = re.sub(r"^\[[^\]]*\]\s*", "", first)  # the library's own file and line
    return DataError(
        f"another process of this training has ended ({first[:80]}); see what it said, and go "
        "on with --resume"
    )


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; without it this one is alone.

    Raises:
        ConfigError: The environment is half of what ``torchrun`` sets, or the others do not come.
    """
    found = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    if "RANK" not in found or found.get("WORLD_SIZE") == "1":
        yield ALONE
        return
    leaving = ExitStack()
    try:
        ranks = Ranks(
            rank=int(found["RANK"]),
            count=int(found["WORLD_SIZE"]),
            local=int(os.environ.get("LOCAL_RANK", "0")),
            leaving=leaving,
        )
        if not 0 <= ranks.rank < ranks.count or len(found) < len(VARIABLES):
            raise ValueError
    except (KeyError, ValueError) as error:
        raise ConfigError([
            f"RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT must be as torchrun sets them, not "
            f"{found}; start with torchrun, or unset RANK"
        ]) from error  # fmt: skip
    # Imported later, its functions take the group of that moment for a default, and keep it.
    importlib.import_module("torch.distributed.nn.functional")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError, dist.DistError) as error:
        where = f"{found['MASTER_ADDR']}:{found['MASTER_PORT']}"
        raise ConfigError([
            f"process {ranks.rank} of {ranks.count} does not meet the others at {where}; is the "
            "first one running, and its port open?"
        ]) from error  # fmt: skip
    try:
        with leaving:
            yield ranks
    finally:
        dist.destroy_process_group()
