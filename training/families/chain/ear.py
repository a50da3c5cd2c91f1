"""The ear: a small recurrent network that tells how music went on from how a model goes on.

In: :class:`training.families.chain.ear_pairs.Pairs`. Out: a :class:`Judge`, whose logit for a
phrase in its context is the logarithm of how much likelier real music is to go on so than the model
is. A candidate that is drawn in proportion to its exponential is therefore drawn as real music
would be, as far as the ear can hear (importance resampling). Ours; the idea of judging pairs in
context is that of noise-contrastive estimation [Gutmann2010].
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.families.chain.hearing import FEATURES
from training.evaluation.two_sample import auc
from training.families.chain.ear_file import FLOOR_SHARES, PROVEN, TrainedEar
from training.families.chain.ear_pairs import EACH, PHRASE, Pairs

logger = logging.getLogger(__name__)

FIRST_JUDGED = 4
"""Notes of a phrase before which nothing can be told."""

Told = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class EarConfig:
    """How an ear is made and trained.

    Attributes:
        hidden: Units, 4..512.
        epochs: 1 or more.
        batch: Places at once.
        learning_rate: Of the first step; it falls to nothing.
        dropout: Share of the inputs that are left out.
        weight_decay: Of all weights.
    """

    hidden: int = 96
    epochs: int = 8
    batch: int = 128
    learning_rate: float = 3e-3
    dropout: float = 0.1
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        if not 4 <= self.hidden <= 512:
            raise ValueError(f"hidden must be in range 4..512, not {self.hidden}")
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(
                f"epochs and batch must be 1 or more, not {self.epochs} and {self.batch}"
            )


class Judge(nn.Module):
    """One gated recurrent layer and a line.

    Args:
        hidden: Units.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, notes: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logit after each note, ``(notes, batch)``, and the state after the last.

        Args:
            notes: ``(notes, batch, FEATURES)``.
            state: ``(1, batch, hidden)``.
        """
        out, state = self.gru(notes, state)
        return self.head(out)[..., 0], state


def train_ear(
    train: Pairs, valid: Pairs, config: EarConfig, seed: int, told: Told = lambda row: None
) -> Judge:
    """Train a judge; the weights of the epoch that hears most in ``valid`` are kept.

    Args:
        train: Places of some works.
        valid: Of others.
        config: How.
        seed: Of weights and order.
        told: Called after each epoch with its figures.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    judge = Judge(config.hidden)
    optimiser = torch.optim.AdamW(
        judge.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    steps = config.epochs * math.ceil(len(train) / config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps, pct_start=0.1
    )
    best, weights = -math.inf, judge.state_dict()
    for epoch in range(config.epochs):
        judge.train()
        losses = []
        order = rng.permutation(len(train))
        for first in range(0, len(train), config.batch):
            rows = np.sort(order[first : first + config.batch])
            loss = _loss(judge, train, rows, config.dropout)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        figures = hear(judge, valid)
        row = {"epoch": epoch + 1.0, "loss": float(np.mean(losses)), **figures.told()}
        told(row)
        if figures.auc(PHRASE) > best:
            best = figures.auc(PHRASE)
            weights = {k: v.clone() for k, v in judge.state_dict().items()}
    judge.load_state_dict(weights)
    return judge.eval()


def _loss(judge: Judge, pairs: Pairs, rows: NDArray[np.int64], dropout: float) -> Tensor:
    real, own = _logits(judge, pairs, rows, dropout)
    wrong = nn.functional.softplus(-real[FIRST_JUDGED:]).mean()
    return wrong + nn.functional.softplus(own[FIRST_JUDGED:]).mean()


def _logits(
    judge: Judge, pairs: Pairs, rows: NDArray[np.int64], dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the logits of real continuations ``(PHRASE, rows)`` and of drawn ones ``(.., each)``.

    All of a place share the state after its past.
    """
    each = pairs.own.shape[1]
    past = _tensor(pairs.past[rows])
    ahead = _tensor(np.concatenate([pairs.real[rows][:, None], pairs.own[rows]], axis=1))
    ahead = ahead.reshape(len(rows) * (1 + each), *ahead.shape[2:])
    state = torch.zeros(1, len(rows), judge.gru.hidden_size)
    drop = nn.functional.dropout
    _, state = judge(drop(past, dropout, judge.training).transpose(0, 1), state)
    state = state.repeat_interleave(1 + each, dim=1)
    logits, _ = judge(drop(ahead, dropout, judge.training).transpose(0, 1), state)
    logits = logits.reshape(logits.shape[0], len(rows), 1 + each)
    return logits[..., 0], logits[..., 1:]


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


@dataclass(frozen=True)
class Heard:
    """Logits after each note.

    Attributes:
        real: ``(PHRASE, places)``.
        own: ``(PHRASE, places, EACH)``.
    """

    real: NDArray[np.float32]
    own: NDArray[np.float32]

    def auc(self, notes: int) -> float:
        """Return how well real and drawn are told apart after some notes, over all places."""
        real, own = self.real[notes - 1], self.own[notes - 1].ravel()
        scores = np.concatenate([own, real])
        labels = np.repeat([False, True], [len(own), len(real)])
        return float(auc(scores.astype(np.float64), labels))

    def paired(self) -> float:
        """Return how often what came is preferred to what was drawn at the same place."""
        return float((self.real[-1][:, None] > self.own[-1]).mean())

    def told(self) -> dict[str, float]:
        """Return the figures for reports."""
        found = {f"auc_{n}": self.auc(n) for n in (8, 16, PHRASE)}
        means = {"real_mean": float(self.real[-1].mean()), "own_mean": float(self.own[-1].mean())}
        return {**found, "paired": self.paired(), **means}


@torch.no_grad()
def hear(judge: Judge, pairs: Pairs, batch: int = 256) -> Heard:
    """Judge all places."""
    judge.eval()
    real = np.zeros((PHRASE, len(pairs)), np.float32)
    own = np.zeros((PHRASE, len(pairs), EACH), np.float32)
    for first in range(0, len(pairs), batch):
        rows = np.arange(first, min(first + batch, len(pairs)))
        found = _logits(judge, pairs, rows)
        real[:, rows], own[:, rows] = found[0].numpy(), found[1].numpy()
    return Heard(real, own)


@torch.no_grad()
def finished(judge: Judge, valid: Pairs, test: Pairs, about: dict[str, Any]) -> TrainedEar:
    """Round a judge's weights to float16, and return it with its floor and held-out figures.

    Args:
        judge: Changed in place.
        valid: Where the floor is taken from.
        test: What it is measured on, works that nothing was chosen by.
        about: More for the report.
    """
    for weight in judge.parameters():
        weight.copy_(weight.half().float())
    heard = hear(judge, valid)
    both = zip((heard.real[-1], heard.own[-1]), FLOOR_SHARES, strict=True)
    floor = min(float(np.quantile(logits, share)) for logits, share in both)
    rows = np.arange(min(PROVEN, len(test)))
    past = np.ascontiguousarray(test.past[rows].transpose(1, 0, 2), dtype=np.float32)
    ahead = np.concatenate([test.real[rows], test.own[rows, 0]]).astype(np.float32)
    ahead = np.ascontiguousarray(ahead.transpose(1, 0, 2))
    _, state = judge(torch.from_numpy(past), torch.zeros(1, len(rows), judge.gru.hidden_size))
    logits = judge(torch.from_numpy(ahead), state.repeat(1, 2, 1))[0][-1]
    report = {**about, "floor": floor, "held_out": hear(judge, test).told()}
    weights = {name: value.numpy() for name, value in judge.state_dict().items()}
    return TrainedEar(weights, past, ahead, logits.numpy(), report)
