"""Tables whose rows are what a class adds to a submodel's first layer, and how the body sums them.

Each submodel has a table of its own. Its rows, in this order: pitch classes of the previous note
with the submodel's bias, the bias alone (no previous note), all other classes of the previous note,
zeros (no previous note), velocity bins, and the classes of this note's arguments that are drawn
before. So one Gather and one product with ones make all that comes before the recurrent product,
and what is gathered stays in the cache: one table for all submodels at once wrote and read a
megabyte a note for sixteen candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.nodes import Graph, Nodes

SHIFT = 1
"""The argument that the law of two hands may draw twice."""

Array = NDArray[np.float32]


def regated(gates: NDArray[Any]) -> Array:
    """Put gates i, f, g, o (last axis) into the order i, f, o, g: three sigmoids side by side."""
    i, f, g, o = np.split(gates, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)


def ungated(gates: NDArray[Any]) -> Array:
    """Undo :func:`regated`."""
    i, f, o, g = np.split(gates, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)


def first_rows(sizes: Sequence[int]) -> list[int]:
    """Return the first row of each argument of the previous note, and of the velocity bins."""
    ends = np.cumsum(sizes)
    return [0, *(int(end) + 1 for end in ends[:-1]), int(ends[-1]) + 2]


def none_rows(sizes: Sequence[int]) -> list[int]:
    """Return the rows of a previous note that there is not."""
    zeros = first_rows(sizes)[-1] - 1
    return [sizes[0], *[zeros] * (len(sizes) - 1)]


def add_tables(
    graph: Graph, arrays: Mapping[str, Array], sizes: tuple[int, ...], twice: bool
) -> list[int]:
    """Add the tables ``table_0`` .. and what the body needs to read them.

    Args:
        graph: Gets them.
        arrays: Of the model (:mod:`export.families.chain.graph`).
        sizes: Classes of each argument.
        twice: Whether the time shift is drawn twice: what pitch adds to it is ``share_shift`` then.

    Returns:
        First rows of what goes on to the next note: each argument, and the bin if there is one.
    """
    groups, width = len(sizes), arrays["bias0"].shape[-1]
    bins = arrays.get("velocity_table", np.zeros((0, groups * width), np.float32))
    zeros = np.zeros((1, width), np.float32)
    for m in range(groups):
        own = slice(m * width, (m + 1) * width)
        prefix = [regated(arrays[f"prefix_table_{m}"])] if m else []
        if twice and m == SHIFT:
            graph.constant("share_shift", prefix.pop())
        rows = regated(arrays["prev_table"][:, own])
        rest = np.concatenate([rows[sizes[0] :], zeros, regated(bins[:, own]), *prefix])
        bias = graph.constant(f"bias0_{m}", regated(arrays["bias0"][m])[None])
        pitch = graph("Add", [graph.constant(f"pitch_rows_{m}", rows[: sizes[0]]), bias])
        parts = [pitch, bias, graph.constant(f"rest_rows_{m}", rest)]
        graph("Concat", parts, out=f"table_{m}", axis=0)
    first = first_rows(sizes)
    kept = groups + (1 if len(bins) else 0)
    drawn = np.cumsum((first[-1] + len(bins), *sizes))
    for m in range(groups):
        graph.inner(f"drawn_{m}", [drawn[m]], np.int64)
        graph.inner(f"ones_{kept + m}", np.ones((1, kept + m)))
    return first[:kept]


@dataclass
class Rows:
    """Rows of the tables that are known so far, in the body of one note.

    Attributes:
        n: The body's nodes.
        count: How many there are, a candidate.
        name: Of the numbers of the rows, ``(batch, count)``.
        seen: How many classes of this note they hold.
    """

    n: Nodes
    count: int
    name: str = "rows"
    seen: int = field(default=0)

    def summed(self, m: int, chosen: Sequence[str]) -> str:
        """Return what comes before the first layer of submodel m, ``(batch, 4 * hidden)``.

        Args:
            m: Which submodel.
            chosen: Classes of this note so far that are rows of its table, ``(batch, 1)`` each.
        """
        new = range(self.seen, len(chosen))
        if new:
            rows = [self.n("Add", [chosen[j], f"drawn_{j}"]) for j in new]
            self.name = self.n("Concat", [self.name, *rows], axis=1)
            self.count, self.seen = self.count + len(rows), len(chosen)
        rows_of = self.n("Gather", [f"table_{m}", self.name], axis=0)
        # A product with ones sums the rows, in less than ReduceSum's time for one candidate.
        return self.n("Squeeze", [self.n("MatMul", [f"ones_{self.count}", rows_of]), "middle"])
