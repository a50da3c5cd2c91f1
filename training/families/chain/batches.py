"""Windows of classes for training: many pieces side by side, each followed from start to end.

Every batch row plays pieces one after another without padding; the model's state is carried from
window to window and reset where a piece starts. Each epoch shuffles the pieces and augments each
of them once: transposition, time stretch and a velocity shift, drawn from a seeded generator.

In: a :class:`TensorSet`. Out: int64 and float32 torch tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.families.chain.asked import ASKED_WIDTH
from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import PIANO_HIGH, PIANO_LOW, NoteArray
from training.families.chain.asking import Asking
from training.families.chain.tensors import TensorSet


@dataclass(frozen=True)
class Augmentation:
    """How far a piece may be moved, each drawn uniformly once a piece and epoch.

    Attributes:
        transpose: Semitones up or down, 0..11; notes that leave the piano limit the draw.
        stretch: Share of the tempo, 0..0.5.
        velocity: Steps up or down, 0..40.
    """

    transpose: int = 5
    stretch: float = 0.1
    velocity: int = 8

    def apply(self, notes: NoteArray, rng: np.random.Generator) -> NoteArray:
        """Return a moved copy."""
        notes = notes.copy()
        low = max(-self.transpose, PIANO_LOW - int(notes["pitch"].min()))
        high = min(self.transpose, PIANO_HIGH - int(notes["pitch"].max()))
        move = int(rng.integers(low, high + 1)) if low <= high else 0
        notes["pitch"] = notes["pitch"].astype(np.int16) + move
        factor = float(np.exp(rng.uniform(-1, 1) * np.log1p(self.stretch)))
        notes["onset_ms"] *= factor
        notes["duration_ms"] *= factor
        louder = int(rng.integers(-self.velocity, self.velocity + 1))
        notes["velocity"] = np.clip(notes["velocity"].astype(np.int16) + louder, 1, 127)
        return notes


class Window(NamedTuple):
    """One training window; T steps, B rows.

    ``previous`` and ``current`` are classes ``(T, B, 5)``, ``previous`` is -1 where a piece
    starts; ``velocity`` ``(T, B)`` the previous note's absolute velocity; ``keep`` ``(T, B)`` is
    0 where a piece starts; ``weight`` ``(T, B)`` is 0 behind a row's last piece; ``asked``
    ``(T, B, ASKED_WIDTH)`` is what the phrase of each note is like, as far as it is told, and
    ``(T, B, 0)`` where nothing is.
    """

    previous: Tensor
    current: Tensor
    velocity: Tensor
    keep: Tensor
    weight: Tensor
    asked: Tensor


def _rows(lengths: Sequence[int], rows: int) -> list[list[int]]:
    """Deal pieces to rows, each to the row that is shortest so far."""
    dealt: list[list[int]] = [[] for _ in range(rows)]
    filled = np.zeros(rows, dtype=np.int64)
    for index, length in enumerate(lengths):
        row = int(filled.argmin())
        dealt[row].append(index)
        filled[row] += length
    return dealt


def _even_rows(lengths: Sequence[int], rows: int, rng: np.random.Generator) -> list[list[int]]:
    """Deal pieces so that rows end close together: the long ones first, then shuffle each row.

    Dealt as they come, a row that gets a long piece last plays on alone, behind the end of the
    learning rate's schedule, which counts full windows: a fifth of all, of some hundred pieces.
    """
    longest = np.argsort(lengths, kind="stable")[::-1]
    dealt = _rows([lengths[i] for i in longest], rows)
    return [[int(longest[i]) for i in rng.permutation(row)] for row in dealt]


def encode_piece(
    notes: NoteArray, codec: ChainCodec
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the classes ``(notes, 5)`` of a piece and its velocities ``(notes,)``."""
    return codec.encode(notes).astype(np.int64), notes["velocity"].astype(np.int64)


def windows(
    pieces: Sequence[NoteArray],
    codec: ChainCodec,
    *,
    batch: int,
    steps: int,
    rng: np.random.Generator | None = None,
    asking: Asking | None = None,
) -> Iterator[Window]:
    """Yield the windows of the given pieces, state carried between them.

    Args:
        pieces: Note arrays, each with at least one note.
        codec: Class tables.
        batch: Rows; fewer are used when there are fewer pieces.
        steps: Window length in notes.
        rng: Decides the order of pieces in rows that end close together; None deals them as given.
        asking: Says what of each phrase the model is told; None: nothing.
    """
    lengths, count = [len(p) for p in pieces], min(batch, max(1, len(pieces)))
    rows = _rows(lengths, count) if rng is None else _even_rows(lengths, count, rng)
    # The longest rows last, so that a row that ends early is masked and never cut out.
    length = max(sum(len(pieces[i]) for i in row) for row in rows)
    shape = (-(-length // steps) * steps, len(rows))
    previous = np.full((*shape, 5), -1, dtype=np.int8)
    current = np.zeros((*shape, 5), dtype=np.int8)
    velocity = np.zeros(shape, dtype=np.int16)
    keep, weight = np.ones(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    asked = np.zeros((*shape, 0 if asking is None else ASKED_WIDTH), dtype=np.float32)
    for column, row in enumerate(rows):
        at = 0
        for index in row:
            classes, loudness = encode_piece(pieces[index], codec)
            end = at + len(classes)
            current[at:end, column] = classes
            previous[at + 1 : end, column] = classes[:-1]
            velocity[at + 1 : end, column] = loudness[:-1]
            keep[at, column] = 0
            weight[at:end, column] = 1
            if asking is not None:
                asked[at:end, column] = asking.of_piece(pieces[index])
            at = end
    for start in range(0, shape[0], steps):
        part = slice(start, start + steps)
        yield Window(
            torch.from_numpy(previous[part].astype(np.int64)),
            torch.from_numpy(current[part].astype(np.int64)),
            torch.from_numpy(velocity[part].astype(np.float32)),
            torch.from_numpy(keep[part]),
            torch.from_numpy(weight[part]),
            torch.from_numpy(asked[part]),
        )


def epoch(
    tensors: TensorSet,
    indices: Sequence[int],
    augmentation: Augmentation,
    seed: int,
    *,
    batch: int,
    steps: int,
    share: float = 1.0,
    asking: bool = False,
) -> Iterator[Window]:
    """Yield one epoch of shuffled, augmented windows; the same seed gives the same windows.

    Args:
        tensors: The corpus.
        indices: Pieces to use.
        augmentation: How far pieces are moved.
        seed: Of this epoch alone.
        batch: Rows.
        steps: Window length.
        share: Part of the pieces to draw, 0..1; for corpora larger than an epoch should be.
        asking: Whether the model is told what phrases are like, now and then.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.asarray(indices))[: max(1, round(share * len(indices)))]
    pieces = [augmentation.apply(tensors.notes(int(i)), rng) for i in order]
    told = Asking(rng) if asking else None
    yield from windows(pieces, tensors.codec, batch=batch, steps=steps, rng=rng, asking=told)
