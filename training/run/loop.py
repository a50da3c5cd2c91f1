"""The one training loop: AdamW, warm-up and cosine, averaged weights, resume, early stopping.

In: a :class:`training.run.task.Task` and a run folder. Out, in that folder: ``last.pt``,
``best.pt``, ``metrics.jsonl``, ``curves.png`` and TensorBoard events where it is installed. A run
that is killed goes on with ``resume=True`` from the last save, at the same window, with the same
batches to come.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamer.errors import DataError
from training.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.run.curves import write_curves, write_events
from training.run.ranks import ALONE, Ranks, TogetherError, working_together
from training.run.stopping import StopTraining as StopTraining
from training.run.stopping import stop_flag
from training.run.task import AdversarialTask, Task
from training.run.team import Team

logger = logging.getLogger(__name__)


CHECK_UPDATES = 50
"""On a GPU, updates from one look at whether the gradient is finite to the next."""


@dataclass(frozen=True)
class LoopConfig:
    """Optimiser and schedule.

    Attributes:
        epochs: Passes over the drawn pieces.
        learning_rate: Peak, after the warm-up.
        warmup: Updates of linear warm-up.
        final_share: Learning rate at the end as a share of the peak, 0..1.
        weight_decay: AdamW.
        clip: Largest gradient norm.
        average: Decay of the averaged weights, which are what is judged and kept; 0 is off.
        patience: Epochs without a better held-out figure before training stops; 0 is never.
        save_seconds: A kill loses at most this much.
    """

    epochs: int = 10
    learning_rate: float = 2e-3
    warmup: int = 200
    final_share: float = 0.02
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.999
    patience: int = 3
    save_seconds: float = 60.0

    def __post_init__(self) -> None:
        ranges = {
            "epochs": (1, math.inf), "learning_rate": (1e-12, 10.0), "warmup": (0, math.inf),
            "final_share": (0.0, 1.0), "weight_decay": (0.0, 10.0), "clip": (1e-9, math.inf),
            "average": (0.0, 0.999999), "patience": (0, math.inf), "save_seconds": (0.0, math.inf),
        }  # fmt: skip
        wrong = [
            f"loop.{name} must be in range {low:g}..{high:g}, not {getattr(self, name):g}"
            for name, (low, high) in ranges.items()
            if not low <= getattr(self, name) <= high
        ]
        if wrong:
            raise ValueError("; ".join(wrong))


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for 0 meanwhile: they are a processor's slowest.

    Gradients that fade over a long window end in them: an update of MusAE took three times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Trainer:
    """One run; see the module's text.

    Args:
        task: Family and data.
        config: Optimiser and schedule.
        folder: Run folder.
        about: For the model card: preset, seed, corpus.
        ranks: The processes that train together; each makes a trainer of the same.
    """

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        folder: Path,
        about: dict[str, Any],
        ranks: Ranks = ALONE,
    ) -> None:
        self.task, self.config, self.folder, self.about = task, config, folder, about
        self.ranks, self.team = ranks, Team(task, ranks)
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay,
            betas=(0.9, 0.98), fused=True,
        )  # fmt: skip
        self.opponent_optimizer: torch.optim.Optimizer | None = None
        if isinstance(task, AdversarialTask):
            # Little momentum, as WGAN-GP wants it: what the opponent learns against keeps moving.
            self.opponent_optimizer = torch.optim.Adam(
                task.opponent.parameters(), lr=config.learning_rate, betas=(0.5, 0.9)
            )
        self.averaged = {k: v.detach().clone() for k, v in task.model.state_dict().items()}
        self.epoch, self.window, self.update = 0, 0, 0
        self.best, self.bad_epochs, self.seconds = math.inf, 0, 0.0
        self.carry: Any = None
        self.sums: dict[str, float | Tensor] = defaultdict(float)
        self.total_updates = max(1, config.epochs * task.updates_per_epoch())

    def run(self, progress: Callable[[str, float], None] | None = None) -> dict[str, float]:
        """Train to the end and return the best held-out figures.

        Args:
            progress: Called between updates with a line of figures and the share done, 0..1.

        Raises:
            StopTraining: SIGINT or SIGTERM; everything was saved first.
        """
        best: dict[str, float] = {}
        with stop_flag() as stopped:
            while self.epoch < self.config.epochs:
                self._run_epoch(stopped, progress)
                figures = self._finish_epoch()
                if figures["total"] < self.best:
                    self.best, self.bad_epochs, best = figures["total"], 0, figures
                    self._save("best.pt", figures, weights=self.averaged, progress={})
                else:
                    self.bad_epochs += 1
                self._save("last.pt", figures)
                if self.config.patience and self.bad_epochs >= self.config.patience:
                    logger.info("no better for %d epochs: stopped early", self.bad_epochs)
                    break
        return best or load_checkpoint(self.folder / "best.pt").metrics

    def run_for(self, seconds: float, timer: Callable[[], float] = time.monotonic) -> None:
        """Train for so long and no longer, without judging or saving.

        Args:
            seconds: As the timer counts them.
            timer: Only grows; that of the process counts no time in which others ran.

        Raises:
            StopTraining: SIGINT or SIGTERM.
        """
        end = timer() + seconds
        with stop_flag() as stopped:
            while timer() < end:
                for batch in self.task.batches(self.epoch):
                    self._update(batch)
                    if stopped():
                        raise StopTraining(stopped())
                    if timer() >= end:
                        break
                self.epoch, self.carry = self.epoch + 1, None

    def _run_epoch(
        self, stopped: Callable[[], int], progress: Callable[[str, float], None] | None
    ) -> None:
        saved = started = time.monotonic()
        for index, batch in enumerate(self.task.batches(self.epoch)):
            if index < self.window:
                continue
            self.team.ask(stopped(), time.monotonic() - saved > self.config.save_seconds)
            self._update(batch)
            self.window = index + 1
            now = time.monotonic()
            stop, due = self.team.told(stopped(), now - saved > self.config.save_seconds)
            if stop or due:
                self.seconds += now - started
                started = saved = now
                self._save("last.pt", {})
            if stop:
                raise StopTraining(stop)
            if progress and self.update % 10 == 0:
                total, unit = self._mean_sums()["total"], self.task.unit
                line = f"epoch {self.epoch + 1}/{self.config.epochs} train {total:.3f}"
                line += f" nats a {unit.per}"
                progress(line, min(1.0, self.update / self.total_updates))
        self.seconds += time.monotonic() - started

    def _update(self, batch: Any) -> None:
        self.task.model.train()
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._move_opponent(batch, rate)
        result = self.team.step(batch, self.carry)
        self.optimizer.zero_grad(set_to_none=True)
        with working_together():
            result.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        # To look at it has the host wait for a GPU, and what is not finite once remains so.
        looked = not norm.is_cuda or self.update % CHECK_UPDATES == 0
        if looked and not torch.isfinite(norm):
            raise TogetherError(
                f"loss is not finite at update {self.update}; lower loop.learning_rate"
                f" (now {self.config.learning_rate:g})"
            )
        self.optimizer.step()
        self.carry = result.carry
        for name, value in result.sums.items():
            self.sums[name] = self.sums[name] + value
        self.sums["count"] += result.counted
        self.update += 1
        self._average()

    def _move_opponent(self, batch: Any, rate: float) -> None:
        if self.opponent_optimizer is None or not isinstance(self.task, AdversarialTask):
            return
        for group in self.opponent_optimizer.param_groups:
            group["lr"] = rate
        batch = self.team.opponent_batch(batch)
        for loss in self.task.opponent_losses(batch):
            self.opponent_optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.team.sum_gradients(list(self.task.opponent.parameters()))
            self.opponent_optimizer.step()

    def _average(self) -> None:
        # A short memory at first, so that the average is not held back by the random start.
        decay = min(self.config.average, (1 + self.update) / (10 + self.update))
        new = self.task.model.state_dict()
        torch._foreach_lerp_(
            list(self.averaged.values()),
            [new[name].detach().to(old.dtype) for name, old in self.averaged.items()],
            1 - decay,
        )

    def _learning_rate(self) -> float:
        c = self.config
        if self.update < c.warmup:
            return c.learning_rate * (self.update + 1) / c.warmup
        done = min(1.0, (self.update - c.warmup) / max(1, self.total_updates - c.warmup))
        wave = 0.5 * (1 + math.cos(math.pi * done))
        return c.learning_rate * (c.final_share + (1 - c.final_share) * wave)

    def _mean_sums(self) -> dict[str, float]:
        count = max(float(self.sums["count"]), 1.0)
        nats = {k: float(v) / count for k, v in self.sums.items() if k != "count"}
        return {**nats, "total": float(self.task.unit.total(nats))}

    def _finish_epoch(self) -> dict[str, float]:
        started = time.monotonic()
        self.sums = self._all_sums()
        train = self._mean_sums()
        # The first judges for all: held-out figures are of the whole set.
        figures: dict[str, float] = self.ranks.from_first(
            self._judge() if self.ranks.first else None
        )
        self.seconds += time.monotonic() - started
        if self.ranks.first:
            self._write_row(train, figures)
        self.epoch, self.window, self.carry = self.epoch + 1, 0, None
        self.sums = defaultdict(float)
        return figures

    def _judge(self) -> dict[str, float]:
        """Return the held-out figures of the averaged weights."""
        raw = {k: v.clone() for k, v in self.task.model.state_dict().items()}
        self.task.model.load_state_dict(self.averaged)
        figures = self.task.evaluate()
        self.task.model.load_state_dict(raw)
        return figures

    def _all_sums(self) -> dict[str, float | Tensor]:
        """Return the figures of training, summed over all processes."""
        names = sorted(self.sums)
        summed = self.ranks.sum([float(self.sums[name]) for name in names])
        return defaultdict(float, zip(names, summed, strict=True))

    def _write_row(self, train: dict[str, float], figures: dict[str, float]) -> None:
        hours = self.seconds / 3600
        row = {
            "epoch": self.epoch + 1, "update": self.update, "hours": hours,
            "learning_rate": self._learning_rate(), "unit": self.task.unit.to_dict(),
            "train": train, "valid": figures,
        }  # fmt: skip
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        write_curves(self.folder, self.task.unit)
        write_events(self.folder, row)
        line = self.task.unit.line(figures)
        logger.info("epoch %d: train %.4f, valid %s, %.2f h", self.epoch + 1, train["total"], line,
                    hours)  # fmt: skip

    def keep(self, path: Path, figures: dict[str, float]) -> None:
        """Write the averaged weights as a checkpoint that no run goes on from."""
        folder, self.folder = self.folder, path.parent
        self._save(path.name, figures, weights=self.averaged, progress={})
        self.folder = folder

    def _save(
        self,
        name: str,
        metrics: dict[str, float],
        weights: dict[str, Tensor] | None = None,
        progress: dict[str, Any] | None = None,
    ) -> None:
        if progress is None:
            rngs = self.ranks.gather(torch.get_rng_state())
            carry, sums = self.team.joined_carry(self.carry), self._all_sums()
            progress = {
                "epoch": self.epoch, "window": self.window, "update": self.update,
                "best": self.best, "bad_epochs": self.bad_epochs, "seconds": self.seconds,
                "sums": {k: float(v) for k, v in sums.items()},
                "averaged": self.averaged,
                "optimizer": self.optimizer.state_dict(),
                "carry": carry, "rng": rngs[0], "rngs": rngs[1:],
            }  # fmt: skip
            if self.opponent_optimizer is not None and isinstance(self.task, AdversarialTask):
                progress["opponent"] = {
                    "weights": self.task.opponent.state_dict(),
                    "optimizer": self.opponent_optimizer.state_dict(),
                }
        if not self.ranks.first:
            return
        about = self.task.describe()
        training = {**self.about, "loop": asdict(self.config), "data": about.get("data", {}),
                    "hours": self.seconds / 3600, "updates": self.update}  # fmt: skip
        save_checkpoint(
            self.folder / name,
            Checkpoint(
                about["family"], about["config"], about["codec"],
                weights if weights is not None else self.task.model.state_dict(),
                training, metrics, progress, self.task.unit.to_dict(),
            ),
        )  # fmt: skip

    def resume(self) -> None:
        """Go on from ``last.pt``.

        Raises:
            DataError: There is none, or it belongs to another configuration.
        """
        checkpoint = load_checkpoint(self.folder / "last.pt")
        about = self.task.describe()
        for key in ("family", "config", "codec"):
            if getattr(checkpoint, key) != about[key]:
                raise DataError(
                    f"{self.folder / 'last.pt'}: its {key} differs from this run's; resume with the"
                    " preset and tensors it was started with, or choose another --output"
                )
        self.task.model.load_state_dict(checkpoint.weights, strict=True)
        p = checkpoint.progress
        self.optimizer.load_state_dict(p["optimizer"])
        if self.opponent_optimizer is not None and isinstance(self.task, AdversarialTask):
            self.task.opponent.load_state_dict(p["opponent"]["weights"], strict=True)
            self.opponent_optimizer.load_state_dict(p["opponent"]["optimizer"])
        self.averaged = {k: v.clone() for k, v in p["averaged"].items()}
        self.epoch, self.window, self.update = p["epoch"], p["window"], p["update"]
        self.best, self.bad_epochs, self.seconds = p["best"], p["bad_epochs"], p["seconds"]
        # The first goes on with the sums of all. Others have the same names, which are summed too.
        whole = p["sums"] if self.ranks.first else dict.fromkeys(p["sums"], 0.0)
        self.sums = defaultdict(float, whole)
        carry = p["carry"]
        own = None if carry is None else self.team.own_carry(carry)
        self.carry = None if own is None else self.task.restore_carry(own)
        rngs = [p["rng"], *p.get("rngs", [])]
        if self.ranks.rank < len(rngs):  # more processes than before draw what they draw
            torch.set_rng_state(rngs[self.ranks.rank])
