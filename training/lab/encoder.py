"""How the encoder of :mod:`training.evaluation.embedding` is taught: two excerpts, one piece?

In: prepared pieces. Out: weights. Two excerpts of each of many pieces stand side by side, one of
them moved in pitch, tempo and loudness; the encoder is to find each one's partner among all
([Oord2018]). No label is used, and what is left when key and tempo are hidden is manner.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamer.errors import DataError
from streamer.music.notes import NoteArray
from streamer.system.atomic import atomic_file
from training.evaluation.embedding import FEATURES, KERNEL, NOTES, Encoder, features
from training.families.chain.batches import Augmentation
from training.families.chain.tensors import TensorSet

MOVED = Augmentation(transpose=5, stretch=0.25, velocity=15)


@dataclass(frozen=True)
class EncoderConfig:
    """Shape and training.

    Attributes:
        channels: Of each convolution.
        layers: Convolutions.
        vector: Numbers of a vector.
        batch: Pieces side by side.
        temperature: Of the softmax over partners.
        rate: Learning rate.
    """

    channels: int = 64
    layers: int = 3
    vector: int = 32
    batch: int = 48
    temperature: float = 0.1
    rate: float = 2e-3


class _Net(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        sizes = [FEATURES, *[config.channels] * config.layers]
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, KERNEL, padding=KERNEL // 2)
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.out = nn.Linear(2 * config.channels, config.vector)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = F.gelu(layer(x), approximate="tanh")
        out: Tensor = self.out(torch.cat((x.mean(dim=2), x.amax(dim=2)), dim=1))
        return out


def fit_encoder(
    tensors: TensorSet,
    seconds: float,
    seed: int,
    config: EncoderConfig | None = None,
    *,
    updates: int | None = None,
    timer: Callable[[], float] = time.process_time,
) -> tuple[Encoder, dict[str, float]]:
    """Teach an encoder.

    Args:
        tensors: Prepared pieces.
        seconds: How long, as the timer counts.
        seed: Of weights and draws.
        config: Shape; None takes the default.
        updates: At most so many; None: as many as there is time for.
        timer: Only grows.

    Returns:
        The encoder, and ``updates``, ``loss`` and ``found``: how often a held-out excerpt's partner
        is the nearest of all, and ``chance``, how often it would be by chance.

    Raises:
        DataError: Fewer than four pieces of two excerpts in a split.
    """
    config = config or EncoderConfig()
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, held = _pieces(tensors, "train"), _pieces(tensors, "valid")
    net = _Net(config)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=0.01)
    end, count, loss = timer() + seconds, 0, float("nan")
    while timer() < end and (updates is None or count < updates):
        net.train()
        some = rng.choice(len(train), min(config.batch, len(train)), replace=False)
        found = _loss(net, [train[i] for i in some], rng, config.temperature)
        optimizer.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        count, loss = count + 1, float(found.detach())
    return _frozen(net), {"updates": count, "loss": loss, **_found(net, held, seed)}


def _pieces(tensors: TensorSet, split: str) -> list[NoteArray]:
    found = [p for p in tensors.iterate(split) if len(p) >= 2 * NOTES]
    if len(found) < 4:
        raise DataError(
            f"{len(found)} pieces of {2 * NOTES} notes in the split {split}; 4 are the least"
        )
    return found


def _pair(piece: NoteArray, rng: np.random.Generator) -> tuple[NoteArray, NoteArray]:
    """Return two excerpts that do not overlap, the second moved."""
    first, second = rng.choice(len(piece) // NOTES, 2, replace=False) * NOTES
    return piece[first : first + NOTES], MOVED.apply(piece[second : second + NOTES], rng)


def _loss(
    net: nn.Module, pieces: list[NoteArray], rng: np.random.Generator, temperature: float
) -> Tensor:
    pairs = [_pair(piece, rng) for piece in pieces]
    sides = [torch.from_numpy(np.stack([features(p[i]) for p in pairs])) for i in range(2)]
    a, b = (F.normalize(net(side), dim=1) for side in sides)
    scores = a @ b.T / temperature
    own = torch.arange(len(pairs))
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


@torch.no_grad()
def _found(net: nn.Module, pieces: list[NoteArray], seed: int) -> dict[str, float]:
    net.eval()
    rng, hits, rounds = np.random.default_rng(seed + 1), 0.0, 8
    for _ in range(rounds):
        pairs = [_pair(piece, rng) for piece in pieces]
        a, b = (
            F.normalize(net(torch.from_numpy(np.stack([features(p[i]) for p in pairs]))), dim=1)
            for i in range(2)
        )
        hits += float(((a @ b.T).argmax(dim=1) == torch.arange(len(pairs))).float().mean())
    return {"found": hits / rounds, "chance": 1.0 / len(pieces)}


def _frozen(net: _Net) -> Encoder:
    layers = []
    for layer in net.layers:
        kernel = layer.weight.detach().numpy().transpose(2, 1, 0)  # type: ignore[operator]
        layers.append((kernel, layer.bias.detach().numpy()))  # type: ignore[operator]
    return Encoder(
        tuple(layers), (net.out.weight.detach().numpy().T, net.out.bias.detach().numpy())
    )


def save_encoder(path: Path, encoder: Encoder) -> None:
    """Write weights as half-precision numbers, whole or not at all."""
    data: dict[str, Any] = {
        f"k{i}": k.astype(np.float16) for i, (k, _) in enumerate(encoder.layers)
    }
    data |= {f"b{i}": b.astype(np.float16) for i, (_, b) in enumerate(encoder.layers)}
    out, bias = encoder.out
    data |= {"out": out.astype(np.float16), "out_bias": bias.astype(np.float16)}
    with atomic_file(path) as file:
        np.savez_compressed(file, layers=np.int64(len(encoder.layers)), **data)
