"""Several processes that run one command each, as ``torchrun`` or a person starts them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.freeports import free_port
from tests.training.killed import killed_at

PATIENCE_SECONDS = 120.0

_HEAVY = [
    "torch",
    "torch.distributed",
    "torch._dynamo",
    "training.run.loop",
    "training.verbs.train",
    "optuna",
]
"""Imported once, by the server that the processes are forked from."""


class Done(NamedTuple):
    """How a process ended, and what it said."""

    status: int | None
    said: str


def _one(argv: Sequence[str], setting: Mapping[str, str], said: str) -> None:
    from streamer.cli import main
    from training.cli import register

    os.environ.update(setting, TORCHDYNAMO_DISABLE="1")
    sys.modules["matplotlib.figure"] = None  # type: ignore[assignment]  # curves take long to draw
    if argv[0] == "hang":
        _hang()
        argv = argv[1:]
    if argv[0] == "stop-at":
        _stop_at(int(argv[1]))
        argv = argv[2:]
    with open(said, "w", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        try:
            status = main(argv, {"training.cli:register": register})
        except BaseException:
            traceback.print_exc()
            raise
    sys.exit(status)


def _hang() -> None:
    """Have a training never end."""
    from training.run.loop import Trainer

    Trainer.run_for = lambda *_: signal.pause()  # type: ignore[method-assign]


def _stop_at(update: int) -> None:
    """Have SIGTERM arrive as a batch is handed out."""
    from training import registry
    from training.verbs import train

    make = registry.make_task
    train.make_task = lambda *a, **k: killed_at(update, make(*a, **k))  # type: ignore[attr-defined]


class Processes:
    """Starts commands, each in a process that has the libraries already."""

    def __init__(self, folder: Path) -> None:
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_HEAVY)
        self._folder, self._count = folder, 0

    def start(self, argv: Sequence[str], setting: Mapping[str, str] | None = None) -> Any:
        """Return the started process; :meth:`wait` says how it ended."""
        self._count += 1
        said = self._folder / f"said-{self._count}"
        process = self._context.Process(target=_one, args=(argv, dict(setting or {}), str(said)))
        process.start()
        process.said = said
        return process

    def wait(self, process: Any) -> Done:
        """Return how a process ended; one that does not is killed, with status None."""
        process.join(PATIENCE_SECONDS)
        hangs = process.is_alive()
        if hangs:
            process.kill()
            process.join()
        with contextlib.suppress(FileNotFoundError):
            return Done(None if hangs else process.exitcode, process.said.read_text())
        return Done(process.exitcode, "")

    def together(self, *commands: Sequence[str]) -> list[Done]:
        """Run one command in each of several processes that find one another."""
        port = free_port()
        started = [
            self.start(argv, {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(len(commands)),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
            })
            for rank, argv in enumerate(commands)
        ]  # fmt: skip
        return [self.wait(process) for process in started]


def main() -> None:
    """Compare two processes with one over 210 updates, and say how far apart they are."""
    import tempfile

    from tests.training import test_together as short
    from tests.training.test_chain_training import made_tensors

    folder = Path(tempfile.mkdtemp())
    made_tensors(58).save(folder / "tensors.npz")
    runs = short.trained(folder / "tensors.npz", folder)
    short.same_curve(*runs)
    one, two = map(short.rows, runs)
    for a, b in zip(one, two, strict=True):
        for part in ("train", "valid"):
            far = max(abs(a[part][name] - b[part][name]) for name in a[part])
            print(f"update {a['update']}, {part}: {a[part]['total']:.6f} nats a note by one "
                  f"process, {b[part]['total']:.6f} by two, at most {far:.1e} apart")  # fmt: skip


if __name__ == "__main__":
    main()
