"""Bits on a common quantisation: so that models whose classes differ can be compared.

A model gives each of its classes a probability; a class is a half-open interval inside which it
draws evenly. What a note costs on a grid that belongs to no model is the probability that the model
gives the note's cell: of each class the part of it that lies in the cell. Pitch and pedal are exact
in every vocabulary. Coarser classes pay for what they leave open, finer ones are paid nothing for
what the grid does not ask.

In: log-probabilities of classes, and the notes that stood there. Out: bits, and bits a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import ChainCodec, ClassTable
from streamer.music.notes import NoteArray


@dataclass(frozen=True)
class Grid:
    """The common quantisation.

    Attributes:
        shift_ms: Cell of the time from one onset to the next.
        duration_ms: Cell of the key's duration.
        velocity: Cell of the change of velocity.
    """

    shift_ms: float = 10.0
    duration_ms: float = 10.0
    velocity: float = 4.0


COMMON = Grid()


def cell_shares(
    table: ClassTable, values: NDArray[Any], cell: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how much of each class lies in the cell of each value.

    Args:
        table: Of the argument.
        values: ``(notes,)``; those beyond the table are taken for its ends.
        cell: Width of a cell, which begin at multiples of it.

    Returns:
        The distinct cells' row of each value ``(notes,)``, and the shares ``(rows, classes)``.
    """
    edges = np.asarray(table.edges, dtype=np.float64)
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    cells, row = np.unique(np.floor(inside / cell), return_inverse=True)
    low, high = cells[:, None] * cell, (cells[:, None] + 1) * cell
    overlap = np.minimum(edges[None, 1:], high) - np.maximum(edges[None, :-1], low)
    return row.astype(np.int64), np.clip(overlap, 0.0, None) / np.diff(edges)


def note_bits(
    log_probs: tuple[NDArray[Any], ...], notes: NoteArray, codec: ChainCodec, grid: Grid = COMMON
) -> NDArray[np.float64]:
    """Return what each note costs, ``(notes, 5)`` bits.

    Args:
        log_probs: Of the five arguments, natural, ``(notes, classes)`` each.
        notes: The piece, sorted.
        codec: What the classes mean.
        grid: The cells.
    """
    classes = codec.encode(notes).astype(np.int64)
    at = np.arange(len(notes))
    values = {
        1: (codec.shift, np.diff(notes["onset_ms"], prepend=notes["onset_ms"][:1]), grid.shift_ms),
        2: (codec.duration, notes["duration_ms"], grid.duration_ms),
        3: (codec.velocity, np.diff(notes["velocity"].astype(np.float64), prepend=0.0),
            grid.velocity),
    }  # fmt: skip
    out = np.empty((len(notes), len(log_probs)))
    for m, logs in enumerate(log_probs):
        if m in values:
            table, of, cell = values[m]
            row, shares = cell_shares(table, np.round(of, 3), cell)
            chance = (np.exp(logs) * shares[row]).sum(axis=1)
            out[:, m] = -np.log2(np.maximum(chance, np.finfo(np.float64).tiny))
        else:
            out[:, m] = -logs[at, classes[:, m]] / np.log(2.0)
    return out


def seconds_of(notes: NoteArray) -> float:
    """Return how long a piece sounds, from its first onset to its last release, seconds."""
    last = float((notes["onset_ms"] + notes["duration_ms"]).max())
    return (last - float(notes["onset_ms"][0])) / 1000.0
