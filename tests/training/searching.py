"""Workers of one search, whatever its book is: their command, their trials, one that dies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scores import scores
from tests.training.together import Done, Processes
from training.registry import models

TRIALS = 3


def corpus(folder: Path) -> Path:
    """Write a small corpus and return its file."""
    path = folder / "scores.npz"
    scores(*([(i * 0.5, 0.5, 48 + (7 * i + p) % 24) for i in range(120)] for p in range(5))).save(
        path
    )
    return path


def command(prepared: Path, out: Path, storage: str, *more: str) -> list[str]:
    """Return the words with which a worker is started; ``more`` go last and win."""
    return [
        "search", "draw", "--tensors", str(prepared), "-o", str(out), "--preset", "draw-tiny",
        "--budget", "0.1", "--threads", "1", "--device", "cpu", "--storage", storage,
        "--range", "model.hidden=8..16", "--range", "model.latent=2..8",
        "--range", "model.passes=2..4", "--trials", str(TRIALS), "--grace", "3", *more,
    ]  # fmt: skip


def one_dies_and_two_go_on(
    prepared: Path, folder: Path, storage: str, trials: Callable[[], list[Any]]
) -> list[Done]:
    """Kill a worker that hangs in its first trial, then start two; return how these ended.

    ``trials`` reads the book, and may raise while it is being made.
    """
    processes = Processes(folder)
    dead = processes.start(["hang", *command(prepared, folder / "dead", storage)])
    _until_it_works(dead, trials)
    dead.kill()
    dead.join()
    others = [processes.start(command(prepared, folder / name, storage)) for name in ("one", "two")]
    return [processes.wait(process) for process in others]


def _until_it_works(process: Any, trials: Callable[[], list[Any]]) -> None:
    """Wait until a worker shows its first sign of life in a trial whose shape is drawn."""
    for _ in range(2400):
        process.join(0.05)
        assert process.is_alive(), process.said.read_text()
        try:
            begun = trials()
        except Exception:  # noqa: BLE001  # not made yet, or half of it
            continue
        drawn = bool(begun) and len(begun[0].params) == len(models()["draw"].space)
        if drawn and "sign" in begun[0].user_attrs:
            return
    pytest.fail("the worker never began")
