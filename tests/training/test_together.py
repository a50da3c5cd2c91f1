"""Two processes train as one does: same curve, same weights; and end with a line if they cannot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from streamer.errors import DataError
from tests.training.test_chain_training import made_tensors
from tests.training.together import Processes
from training.families.chain.batches import Window
from training.registry import load_preset, make_task, models, tiny_corpus
from training.run.checkpoint import load_checkpoint
from training.run.loop import LoopConfig, Trainer
from training.run.ranks import Ranks, joined
from training.run.task import SharedTask
from training.run.team import Team, share

pytestmark = pytest.mark.timeout(400)

TOLERANCE = 1e-3  # 4e-5 measured over 210 updates


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("together") / "tensors.npz"
    made_tensors(58).save(path)
    return path


def command(tensors: Path, folder: Path, *more: str) -> list[str]:
    line = ["train", "chain", "--preset", "chain-tiny", "--tensors", str(tensors), "-o"]
    line += [str(folder), "--device", "cpu", "--precision", "float32", "--threads", "1"]
    line += ["--set", "loop.epochs=2", "--set", "loop.learning_rate=0.003"]
    return [*line, "--seed", "3", "--quiet", *more]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same_curve(one: Path, two: Path) -> None:
    mine, theirs = rows(one), rows(two)
    assert [row["update"] for row in mine] == [row["update"] for row in theirs]
    for a, b in zip(mine, theirs, strict=True):
        for part in ("train", "valid"):
            assert a[part] == pytest.approx(b[part], rel=TOLERANCE)
    weights, others = (load_checkpoint(folder / "last.pt").weights for folder in (one, two))
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=TOLERANCE, rtol=0)


def test_two_processes_train_as_one_does(tensors, tmp_path):
    """Over 40 updates of the same global batch; ``python -m tests.training.together``: 210."""
    one, two = trained(tensors, tmp_path, "--set", "data.share=0.2")
    same_curve(one, two)
    assert 2 == load_checkpoint(two / "best.pt").training["processes"]


def trained(tensors: Path, folder: Path, *more: str) -> tuple[Path, Path]:
    """Train by one process and by two; return the folders of both."""
    processes = Processes(folder)
    alone = processes.wait(processes.start(command(tensors, folder / "one", *more)))
    assert 0 == alone.status, alone.said
    line = command(tensors, folder / "two", *more)
    done = processes.together(line, line)
    assert [0, 0] == [one.status for one in done], done
    assert "best.pt: held out" in done[0].said
    assert "" == done[1].said
    return folder / "one", folder / "two"


def test_what_two_processes_began_goes_on_by_two_and_by_one(tensors, tmp_path):
    """Stopped in the second epoch, and the figures of that epoch are as if it had not been."""
    processes = Processes(tmp_path)
    some = ["--set", "data.share=0.1"]
    assert 0 == processes.wait(processes.start(command(tensors, tmp_path / "one", *some))).status
    _stop_in_an_epoch(processes, tensors, tmp_path / "by-2", some)
    shutil.copytree(tmp_path / "by-2", tmp_path / "by-1")
    for ranks in (1, 2):
        line = command(tensors, tmp_path / f"by-{ranks}", *some, "--resume")
        done = processes.together(line, line) if ranks == 2 else [
            processes.wait(processes.start(line))
        ]  # fmt: skip
        assert {0} == {one.status for one in done}, done
        same_curve(tmp_path / "one", tmp_path / f"by-{ranks}")


def _stop_in_an_epoch(processes: Processes, tensors: Path, folder: Path, whole: list[str]) -> None:
    """Train with two processes until one of them is told to stop, in an epoch."""
    line = command(tensors, folder, *whole)
    stopped = processes.together(line, ["stop-at", "14", *line])
    assert [143, 143] == [one.status for one in stopped], stopped
    progress = load_checkpoint(folder / "last.pt").progress
    assert progress["window"] > 0
    assert 14 == progress["update"]
    assert (2, 5, 4, 8) == tuple(progress["carry"][0].shape)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "4"], "--seed of process 1 of 2 is 4, and 3 of process 0"),
        (["--tensors", "OTHER"], "--tensors (sha256) of process 1 of 2 is "),
    ],
)
def test_processes_that_were_given_different_things_end_with_one_line(
    tensors, tmp_path, more, said
):
    other = tmp_path / "other.npz"
    made_tensors(11).save(other)
    more = [str(other) if word == "OTHER" else word for word in more]
    line = command(tensors, tmp_path / "run")
    done = Processes(tmp_path).together(line, [*line, *more])
    assert [1, 1] == [one.status for one in done]
    lines = "".join(one.said for one in done)
    assert said in lines
    assert lines.endswith("give all processes the same\n")
    assert 1 == lines.count("\n")
    assert not (tmp_path / "run").exists()


def test_rows_are_shared_out_whole_and_in_order():
    window = Window(*(torch.arange(10).repeat(4, 1) for _ in Window._fields))
    parts = [share(window, 1, Ranks(rank, 3)) for rank in range(3)]
    assert [3, 3, 4] == [part.keep.shape[1] for part, _ in parts]
    assert torch.equal(window.keep, torch.cat([part.keep for part, _ in parts], 1))
    some = torch.zeros(2, 5)
    assert [False, True, True] == sorted(share(some, 0, Ranks(r, 3))[1] for r in range(3))


@pytest.mark.parametrize("name", sorted(models()))
def test_every_model_of_this_program_can_be_trained_by_several(name):
    """What each of two works on is a whole batch, and their losses add up to that of all."""
    preset = load_preset(f"{name}-tiny")
    task = make_task(preset, tiny_corpus(name), 0, torch.device("cpu"))
    assert isinstance(task, SharedTask)
    batch = next(iter(task.batches(0)))
    results = []
    for rank in range(2):
        mine, there = share(batch, task.rows.batch, Ranks(rank, 2))
        assert there
        results.append(task.train_step(mine, None))
    whole = task.train_step(batch, None)
    assert whole.counted == pytest.approx(sum(one.counted for one in results))
    summed = sum(float(one.loss.detach()) * one.counted for one in results) / whole.counted
    assert float(whole.loss.detach()) == pytest.approx(summed, rel=0.2)  # latents are drawn anew
    if whole.carry is not None:
        dim = task.rows.carry
        for i, tensor in enumerate(whole.carry):
            parts = [one.carry[i].shape[dim] for one in results]
            assert tensor.shape[dim] == sum(parts)


def test_a_task_without_rows_is_refused_with_a_line(tmp_path):
    from streamer.errors import ConfigError

    class Plain:
        model = torch.nn.Linear(1, 1)

        def updates_per_epoch(self) -> int:
            return 1

    with pytest.raises(ConfigError, match="Plain cannot be trained by 2 processes"):
        Trainer(Plain(), LoopConfig(), tmp_path, {}, Ranks(0, 2))  # type: ignore[arg-type]


def _tiny_task() -> Any:
    preset = load_preset("chain-tiny")
    return make_task(preset, tiny_corpus("chain"), 0, torch.device("cpu"))


@pytest.fixture
def group(monkeypatch) -> Iterator[None]:
    """A process group of this process alone, joined as one of several are."""

    def begin(backend: str, timeout: timedelta) -> None:
        dist_begin(backend, timeout=timeout, store=dist.HashStore(), rank=0, world_size=1)

    dist_begin = dist.init_process_group
    monkeypatch.setattr(dist, "init_process_group", begin)
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "-",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)


def _threads_of_the_group() -> list[str]:
    names = [
        task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()
    ]
    return [name for name in names if "gloo" in name]


def test_the_group_has_ended_when_processes_part_though_its_training_is_still_held(group):
    """Python would free it holding the interpreter, for which one of its threads may wait."""
    with joined() as ranks:
        team = Team(_tiny_task(), ranks)
        assert _threads_of_the_group()
    assert [] == _threads_of_the_group()
    assert team.ranks == ranks


CLOSED = (
    "[/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:24: Connection reset"
)


class _Fails(torch.autograd.Function):
    """A loss whose gradient cannot be had."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, said: str) -> torch.Tensor:
        ctx.said = said
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> Any:
        raise RuntimeError(ctx.said)


def test_a_peer_that_dies_in_an_update_is_one_line_and_a_mistake_of_the_model_is_not(
    group, tmp_path, monkeypatch
):
    with joined() as ranks:
        trainer = Trainer(_tiny_task(), LoopConfig(), tmp_path, {}, ranks)
        batch = next(iter(trainer.task.batches(0)))
        step = trainer.team.step
        for said, kind, line in (
            (CLOSED, DataError, r"another process .* has ended \(Read error .127"),
            ("shapes do not match", RuntimeError, "^shapes do not match$"),
        ):
            monkeypatch.setattr(
                trainer.team,
                "step",
                lambda *a, said=said: step(*a)._replace(loss=_Fails.apply(step(*a).loss, said)),
            )
            with pytest.raises(kind, match=line):
                trainer._update(batch)


@pytest.mark.parametrize("rank", [0, 1])
def test_all_sum_the_same_figures_after_an_epoch_whose_last_update_was_the_last(
    group, tmp_path, rank
):
    """Stopped after an epoch's last update, before it was judged: nothing is left but to sum."""
    task = _tiny_task()
    began = Trainer(task, LoopConfig(), tmp_path, {})
    for batch in task.batches(0):
        began._update(batch)
    began._save("last.pt", {})
    with joined() as ranks:
        resumed = Trainer(_tiny_task(), LoopConfig(), tmp_path, {}, replace(ranks, rank=rank))
        resumed.resume()
    assert sorted(began.sums) == sorted(resumed.sums)
    for name, value in began.sums.items():
        assert resumed.sums[name] == pytest.approx(float(value) if rank == 0 else 0.0)


def test_half_an_environment_is_one_line(tensors, tmp_path, capsys, monkeypatch):
    from streamer.cli import main

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert 1 == main(command(tensors, tmp_path / "run"))
    assert "start with torchrun, or unset RANK" in capsys.readouterr().err
