"""Scores -> the sections that window families train on.

In: a :class:`training.families.windows.scoreset.ScoreSet` and a codec. Out: cells, packed a bit
each in memory, and unpacked a batch at a time. Sections of a fixed number of beats are cut anywhere
(chunks of DRAW); bars are cut at the bar lines of a metre (the query VAE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from training.families.windows.scoreset import ScoreInfo, ScoreSet


@dataclass(frozen=True)
class Sections:
    """Sections of a corpus.

    Attributes:
        packed: ``(sections, bytes)`` uint8: the cells of each, a bit each.
        codec: What they mean.
        piece: The piece that each is of, ``(sections,)``.
    """

    packed: NDArray[np.uint8]
    codec: RollCodec
    piece: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.packed)

    def cells(self, index: NDArray[Any] | slice) -> NDArray[np.uint8]:
        """Return some sections, ``(n, steps, pitches, layers)``."""
        flat = np.unpackbits(self.packed[index], axis=1, count=self.codec.cells)
        return flat.reshape(-1, *self.codec.shape)


def piece_steps(scores: ScoreSet, index: int, codec: RollCodec) -> NDArray[Any]:
    """Return a piece on the codec's grid: ``(notes, 3)`` of onset, length (steps) and pitch."""
    notes = scores.notes(index)
    onset, length = codec.grid(notes["onset"], notes["length"])
    return np.stack([onset, length, notes["pitch"].astype(np.int64)], axis=1)


def chunks(
    scores: ScoreSet,
    indices: Sequence[int],
    codec: RollCodec,
    *,
    hop_beats: float | None = None,
    shift_beats: NDArray[Any] | None = None,
    transpose: NDArray[Any] | None = None,
    least_notes: int = 4,
) -> Sections:
    """Cut pieces into sections of the codec's length.

    Args:
        scores: The corpus.
        indices: Its pieces to cut.
        codec: Grid and length.
        hop_beats: From one start to the next; None: no overlap.
        shift_beats: Where in each piece the first section begins, one number a piece.
        transpose: Semitones to move each piece by, one number a piece.
        least_notes: Sections with fewer are left out.
    """
    hop = codec.steps if hop_beats is None else max(1, round(hop_beats * codec.steps_per_beat))
    packed, owners = [], []
    for place, index in enumerate(indices):
        rows = piece_steps(scores, index, codec)
        if not len(rows):
            continue
        if transpose is not None:
            rows[:, 2] += int(transpose[place])
        first = int(rows[:, 0].min())
        if shift_beats is not None:
            first += round(float(shift_beats[place]) * codec.steps_per_beat)
        ends = rows[:, 0] + rows[:, 1]
        for start in range(first, int(ends.max()), hop):
            near = (rows[:, 0] < start + codec.steps) & (ends > start)
            some = rows[near]
            if (some[:, 0] >= start).sum() < least_notes:
                continue
            cells = codec.encode(some[:, 0] - start, some[:, 1], some[:, 2])
            packed.append(np.packbits(cells.reshape(-1)))
            owners.append(index)
    return _sections(packed, owners, codec)


def bar_starts(info: ScoreInfo, end: float) -> list[tuple[float, float]]:
    """Return (start, length) in quarter notes of every whole bar before ``end``."""
    found: list[tuple[float, float]] = []
    changes = [*info.metres, (end, 4, 4)]
    for (start, beats, unit), (stop, _, _) in zip(changes, changes[1:], strict=False):
        length = beats * 4.0 / unit
        count = int(np.ceil(max(min(stop, end) - start, 0.0) / length - 1e-6))
        found.extend((start + i * length, length) for i in range(count))
    return found


def bars(
    scores: ScoreSet, indices: Sequence[int], codec: RollCodec, *, empty: bool = False
) -> Sections:
    """Cut pieces at their bar lines; bars of another length than the codec's are left out.

    Args:
        scores: The corpus.
        indices: Its pieces.
        codec: ``beats`` is the length of a bar.
        empty: Whether bars without a note count too.
    """
    packed, owners = [], []
    for index in indices:
        rows = piece_steps(scores, index, codec)
        end = float((rows[:, 0] + rows[:, 1]).max()) / codec.steps_per_beat if len(rows) else 0.0
        for start, length in bar_starts(scores.pieces[index], end):
            if length != codec.beats:
                continue
            first = round(start * codec.steps_per_beat)
            near = (rows[:, 0] < first + codec.steps) & (rows[:, 0] + rows[:, 1] > first)
            if not near.any() and not empty:
                continue
            some = rows[near]
            cells = codec.encode(some[:, 0] - first, some[:, 1], some[:, 2])
            packed.append(np.packbits(cells.reshape(-1)))
            owners.append(index)
    return _sections(packed, owners, codec)


def _sections(packed: list[NDArray[Any]], owners: list[int], codec: RollCodec) -> Sections:
    width = -(-codec.cells // 8)
    stacked = np.stack(packed) if packed else np.zeros((0, width), dtype=np.uint8)
    return Sections(stacked, codec, np.asarray(owners, dtype=np.int64))
