"""Whole pieces as rolls on the training device, from which sections are cut by the batch.

In: a :class:`training.families.windows.scoreset.ScoreSet` and a codec of held cells. Out: the
sections that :func:`training.families.windows.sections.chunks` would cut at the same places and
keys, without its work for
each note in each epoch: on a GPU that work takes longer than the update itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.families.windows.codec import RollCodec
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import piece_steps

MOST_TRANSPOSED = 11
"""Semitones by which a section is moved at most; the rolls have room for it on either side."""


class PieceRolls:
    """Pieces laid end to end, with silence between them.

    Args:
        scores: The corpus.
        indices: Its pieces to cut.
        codec: Grid and length of a section; held cells alone (ValueError otherwise).
        device: Where the rolls are kept, a byte a cell.
    """

    def __init__(
        self, scores: ScoreSet, indices: Sequence[int], codec: RollCodec, device: torch.device
    ) -> None:
        if codec.onsets:
            raise ValueError(
                "rolls hold no onsets; cut bars with training.families.windows.sections"
            )
        self.codec = codec
        pieces = [piece_steps(scores, index, codec) for index in indices]
        pieces = [rows for rows in pieces if len(rows)]
        margin, width = 2 * codec.steps, 128 + 2 * MOST_TRANSPOSED
        lengths = [int((rows[:, 0] + rows[:, 1]).max() - rows[:, 0].min()) for rows in pieces]
        starts = margin + np.cumsum([0, *(n + margin for n in lengths)])
        roll = np.zeros((int(starts[-1]), width), dtype=np.uint8)
        onsets = np.zeros(len(roll) + 1, dtype=np.int64)
        for rows, start in zip(pieces, starts.tolist(), strict=False):
            moved = rows[:, 0] - rows[:, 0].min() + start
            np.add.at(onsets, moved + 1, 1)
            for at, steps, key in zip(
                moved.tolist(), rows[:, 1].tolist(), rows[:, 2].tolist(), strict=True
            ):
                roll[at : at + steps, key + MOST_TRANSPOSED] = 1
        self._roll = torch.from_numpy(roll).to(device)
        self._struck = np.cumsum(onsets)
        self.firsts = starts[:-1]
        """Where each piece with a note begins, ``(pieces,)`` steps of the whole."""
        self.lengths = np.asarray(lengths, dtype=np.int64)
        """Steps of each."""

    def __len__(self) -> int:
        return len(self.lengths)

    def places(
        self, hop_steps: int, shift_steps: NDArray[Any], least_notes: int = 4
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where sections begin that follow one another in each piece, and its number.

        Args:
            hop_steps: From one start to the next.
            shift_steps: By which each piece's first section begins after it, ``(pieces,)``, of a
                section's length at most either way.
            least_notes: Sections in which fewer notes begin are left out.
        """
        found, owners = [], []
        for number, (first, length) in enumerate(
            zip(self.firsts.tolist(), self.lengths.tolist(), strict=True)
        ):
            some = np.arange(first + int(shift_steps[number]), first + length, hop_steps)
            found.append(some)
            owners.append(np.full(len(some), number, dtype=np.int64))
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        starts, pieces = np.concatenate(found), np.concatenate(owners)
        ends = np.minimum(starts + self.codec.steps, len(self._struck) - 1)
        kept = self._struck[ends] - self._struck[starts] >= least_notes
        return starts[kept], pieces[kept]

    def cut(self, starts: NDArray[np.int64], semitones: NDArray[Any]) -> Tensor:
        """Return sections ``(n, steps, pitches)`` uint8, each moved by its ``semitones``."""
        codec, device = self.codec, self._roll.device
        steps = torch.arange(codec.steps, device=device)
        keys = torch.arange(codec.low, codec.high + 1, device=device) + MOST_TRANSPOSED
        rows = torch.from_numpy(np.ascontiguousarray(starts)).to(device)[:, None] + steps
        moves = torch.from_numpy(np.ascontiguousarray(semitones)).to(device)[:, None]
        cells: Tensor = self._roll[rows[:, :, None], (keys - moves)[:, None, :]]
        return cells
