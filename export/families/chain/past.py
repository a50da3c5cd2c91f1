"""What a chain's memory knows before the Scan, as nodes: the places of the past, described once.

A base of :class:`export.families.chain.memory.MemoryNodes`, which says what the letters mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.nodes import Graph
from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.remembering import (
    AGE_BINS,
    HEADS,
    INTERVALS,
    NEAREST,
    PAST_STATE,
    WIDEST,
)

Arrays = Mapping[str, NDArray[np.float32]]

NEVER = -1e9
"""Added to the score of what cannot be looked at."""

FACTS = ("pitch", "wide", "shift", "duration", "velocity", "pedal")
"""Columns of what is kept of each note: classes, and the interval to it. The first four are what
may be the same there as here, in the order of ``same``."""

SLOTS_AT_ONCE = 3
"""Notes before a place whose rows are summed at once: of more the rows would take more memory at a
time, of fewer the sums in all."""

ARGUMENT_OF = {"pitch": 0, "shift": 1, "duration": 2, "velocity": 3}
MIDDLE = PITCH_CLASSES - 1


class PastNodes:
    """Describes the past.

    Args:
        graph: The outer graph, with the weights ``m_places``, ``m_place_bias``, ``m_key`` and
            ``m_ages``.
        reach: Notes that are looked back on.
        sizes: Classes of each argument.
    """

    def __init__(self, graph: Graph, reach: int, sizes: tuple[int, ...]) -> None:
        self._graph, self._reach, self._sizes = graph, reach, sizes
        self._kept = reach + NEAREST + 1
        self._slots = (INTERVALS + 1, sizes[0] + 1, sizes[1] + 1, sizes[2] + 1)
        self._starts = [int(x) for x in np.cumsum((0, *self._slots))]
        self._named = 0

    def _aged(self, name: str, ages: NDArray[Any]) -> str:
        """What each of some ages adds, ``(1, heads, ages)``: NEVER beyond the reach."""
        g = self._graph
        bins = np.minimum(np.log2(ages + 0.5), AGE_BINS - 1).astype(np.int64)
        column = g("Gather", ["m_ages", self._number(bins)], axis=1)
        beyond = self._number(np.where(ages > self._reach, NEVER, 0.0)[None], np.float32)
        return g("Unsqueeze", [g("Add", [column, beyond]), self._number([0])], out=name)

    def _number(self, values: Any, dtype: Any = np.int64) -> str:
        self._named += 1
        return self._graph.constant(f"m_c{self._named}", values, dtype)

    def _cut(self, tensor: str, sizes: Sequence[int]) -> list[str]:
        """Cut a tensor along axis 1."""
        return self._graph.many("Split", [tensor, self._number(list(sizes))], len(sizes), axis=1)

    def _near_interval(self, wide: str, alone: str) -> str:
        """The interval among those that describe a place."""
        g = self._graph
        near = g("Add", [wide, self._number(INTERVALS // 2 - MIDDLE)])
        near = g("Max", [g("Min", [near, self._number(INTERVALS - 1)]), self._number(0)])
        return g("Where", [alone, self._number(INTERVALS), near])

    def _describe_past(self) -> None:
        g, reach = self._graph, self._reach
        axis, zero = self._number([2]), self._number(0)
        columns = g.many("Split", [PAST_STATE], 5, axis=2, num_outputs=5)
        pitch, shift, duration, velocity = (g("Squeeze", [c, axis]) for c in columns[:4])
        first, _ = self._cut(pitch, (1, self._kept - 1))
        nothing = g("Sub", [g("Mul", [first, zero]), self._number(1)])
        elder, _ = self._cut(pitch, (self._kept - 1, 1))
        before = g("Concat", [nothing, elder], axis=1)
        alone = g("Less", [before, zero])
        wide = g("Add", [g("Sub", [pitch, before]), self._number(MIDDLE)])
        wide = g("Where", [alone, self._number(WIDEST), wide])
        absent = g("Less", [pitch, zero])
        facts = [self._near_interval(wide, alone)]
        for size, column in zip(self._slots[1:], (pitch, shift, duration), strict=True):
            facts.append(g("Where", [absent, self._number(size - 1), column]))
        table = g("Concat", [g("Unsqueeze", [fact, axis]) for fact in facts], axis=2)
        table = g("Add", [table, self._number(self._starts[:-1])])
        keys = g("MatMul", [self._places(table), "m_key"])
        g.many("Split", [g("Transpose", [keys], perm=[0, 2, 1])],
               [f"m_past_keys_{h}" for h in HEADS], axis=1, num_outputs=len(HEADS))  # fmt: skip
        known = dict(zip(FACTS, (pitch, wide, shift, duration, velocity), strict=False))
        switch = g.constant("m_switch", [0.0, 1.0])
        for name, column in known.items():
            recent = self._cut(column, (self._kept - reach, reach))[1]
            g("Unsqueeze", [recent, self._number([1])], out=f"m_past_{name}")
            width = WIDEST + 1 if name == "wide" else self._sizes[ARGUMENT_OF[name]]
            # A class that is not there would count from the end.
            beyond = g("Where", [g("Less", [recent, zero]), self._number(width), recent])
            g("OneHot", [beyond, self._number([width]), switch], out=f"m_came_{name}", axis=-1)
        gone = self._cut(absent, (self._kept - reach, reach))[1]
        gone = g("Where", [gone, g.constant("m_never", NEVER), g.constant("m_nil", 0.0)])
        g("Unsqueeze", [gone, self._number([1])], out="m_absent")
        nil = self._cut(gone, (1, reach - 1))[0]
        nil = g("Mul", [nil, g.constant("m_nought", 0.0)])
        g("Unsqueeze", [nil, self._number([1])], out="m_each_past")

    def _places(self, table: str) -> str:
        """Describe the last R places: facts of all notes ``(W, kept, 4)`` to ``(W, R, width)``."""
        g = self._graph
        parts = []
        for slot in range(1, NEAREST + 1):
            begin = NEAREST + 1 - slot
            part = self._cut(table, (begin, self._reach, slot))[1]
            parts.append(g("Add", [part, self._number((slot - 1) * self._starts[-1])]))
        sums = []
        for begin in range(0, NEAREST, SLOTS_AT_ONCE):
            together = g("Concat", parts[begin : begin + SLOTS_AT_ONCE], axis=2)
            rows = g("Gather", ["m_places", together], axis=0)
            sums.append(g("ReduceSum", [rows, self._number([2])], keepdims=0))
        return g("Relu", [g("Sum", [*sums, "m_place_bias"])])

    def _first_rows(self) -> str:
        """Rows that describe the place of the first note, ``(W, 24)``."""
        g = self._graph
        axis, zero = self._number([2]), self._number(0)
        recent = self._cut(PAST_STATE, (self._kept - NEAREST - 1, NEAREST + 1))[1]
        columns = g.many("Split", [recent], 5, axis=2, num_outputs=5)
        pitch, shift, duration = (g("Squeeze", [c, axis]) for c in columns[:3])
        before = self._cut(pitch, (NEAREST, 1))[0]
        here = [self._cut(column, (1, NEAREST))[1] for column in (pitch, shift, duration)]
        alone = g("Less", [before, zero])
        wide = g("Add", [g("Sub", [here[0], before]), self._number(MIDDLE)])
        facts = [self._near_interval(wide, alone)]
        absent = g("Less", [here[0], zero])
        for size, column in zip(self._slots[1:], here, strict=True):
            facts.append(g("Where", [absent, self._number(size - 1), column]))
        table = g("Concat", [g("Unsqueeze", [fact, axis]) for fact in facts], axis=2)
        newest = list(range(NEAREST - 1, -1, -1))
        table = g("Gather", [table, self._number(newest)], axis=1)
        offsets = np.arange(NEAREST)[:, None] * self._starts[-1] + self._starts[:-1]
        table = g("Add", [table, self._number(offsets[None])])
        return g("Reshape", [table, self._number([0, 4 * NEAREST])])
