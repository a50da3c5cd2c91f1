"""The memory of a chain as nodes of the chained step (:mod:`training.families.chain.memory`).

Before the Scan the places of the past are described, once for all candidates that share it: one
row of the state ``past`` serves all, or each candidate has its own. Within the Scan each candidate
keeps the places and classes of its own notes since, the last :data:`CALL_NOTES` of them, which move
up as a note comes. The searches run over both, the past first, then the notes since, and last the
sink. All sizes but the batch stand in the file, so that what a run takes can be told from it.

W is the rows of the past, 1 or B; R the notes that are looked back on; M is :data:`CALL_NOTES`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.families.chain.past import FACTS, MIDDLE, NEVER, Arrays, PastNodes
from export.nodes import FLOAT, INT, Graph, Nodes, value
from streamer.engine.engine import CALL_NOTES
from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.remembering import (
    HEADS,
    INTERVALS,
    KEY_WIDTH,
    LEAST_SHARE,
    NEAREST,
    OF_ARGUMENT,
    PAST_STATE,
    PLACE_WIDTH,
    WIDEST,
)


class ScanState(NamedTuple):
    """A state of the Scan: its name in the body, what it starts with, its type and shape."""

    name: str
    start: str
    kind: int
    shape: list[int | str]


MATCHES = 4
"""How many of :data:`FACTS` may be the same there as here."""

_VALUES = dict(zip(HEADS, ("pitch", "wide", "shift", "duration", "velocity"), strict=True))


def memory_weights(arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    """Return the memory's weights from the initializers of a graph, as training names them.

    The way back from :class:`MemoryNodes`, up to rounding; KeyError where one is missing.
    """
    width = len(HEADS) * KEY_WIDTH
    return {
        "places": arrays["m_places"],
        "place_bias": arrays["m_place_bias"],
        "query": arrays["m_queries"][:, :width] * np.float32(KEY_WIDTH**0.5),
        "key": arrays["m_key"],
        "ages": arrays["m_ages"],
        "sinks": arrays["m_sinks"].reshape(-1),
        "same": arrays["m_same"],
        "gates": np.concatenate([arrays[f"m_gate_{name}"].T for name in HEADS]),
        "gate_bias": np.concatenate([arrays[f"m_gate_bias_{name}"] for name in HEADS]),
    }


class MemoryNodes(PastNodes):
    """Writes the memory into a graph.

    Args:
        graph: The outer graph; gets weights and the description of the past.
        arrays: ``memory_*`` as ``Chain.export_arrays`` returns them.
        sizes: Classes of each argument.
    """

    def __init__(self, graph: Graph, arrays: Arrays, sizes: tuple[int, ...]) -> None:
        super().__init__(graph, int(arrays["memory_reach"][0]), sizes)
        self._arrays = arrays
        self._now: dict[str, str] = {}
        self._same: dict[str, str] = {}
        self._scores: list[str] = []
        self._add_weights()
        self._add_numbers()
        self._describe_past()
        self.kept_states = self._states()

    @property
    def taken(self) -> Any:
        """The graph's input ``past``."""
        return value(PAST_STATE, INT, ["pasts", self._kept, len(FACTS) - 1])

    @property
    def given(self) -> Any:
        """The graph's output ``past_out``."""
        return value(f"{PAST_STATE}_out", INT, ["batch", self._kept, len(FACTS) - 1])

    def _add_weights(self) -> None:
        graph, a = self._graph, self._arrays
        graph.constant("m_places", a["memory_places"])
        graph.constant("m_place_bias", a["memory_place_bias"])
        scale = np.float32(KEY_WIDTH**-0.5)
        graph.constant("m_key", a["memory_key"])
        # Against one's own notes places are compared as they are: both products in one matrix.
        query, key = (
            a[f"memory_{name}"].reshape(PLACE_WIDTH, len(HEADS), KEY_WIDTH)
            for name in ("query", "key")
        )
        near = np.einsum("ihk,jhk->ihj", query, key).reshape(PLACE_WIDTH, -1)
        both = np.concatenate([a["memory_query"], near], axis=1) * scale
        graph.constant("m_queries", both.astype(np.float32))
        for head, name in enumerate(HEADS):
            graph.constant(f"m_gate_{name}", a["memory_gates"][head][:, None])
            graph.inner(f"m_gate_bias_{name}", a["memory_gate_bias"][head : head + 1])
        # One by one where the body needs them, cut from what can be read back as it was.
        graph.constant("m_same", a["memory_same"])
        graph.constant("m_ages", a["memory_ages"])
        rows = graph.many("Split", ["m_same"], len(HEADS), axis=0, num_outputs=len(HEADS))
        for name, row in zip(HEADS, rows, strict=True):
            facts = [f"m_same_{name}_{k}" for k in range(MATCHES)]
            graph.many("Split", [row], facts, axis=1, num_outputs=len(facts))
        self._aged("m_near_ages", np.arange(CALL_NOTES, 0, -1))
        graph.inner("m_sinks", a["memory_sinks"][None, :, None])

    def _add_numbers(self) -> None:
        inner = self._graph.inner
        inner("m_none", 0.0)
        inner("m_one", 1.0)
        inner("m_sharper", 1.0 / LEAST_SHARE)
        inner("m_keys", np.arange(PITCH_CLASSES)[None] + MIDDLE, np.int64)
        inner("m_middle", MIDDLE, np.int64)
        inner("m_half", INTERVALS // 2, np.int64)
        inner("m_most", INTERVALS - 1, np.int64)
        inner("m_no_interval", INTERVALS, np.int64)
        inner("m_no_wide", WIDEST, np.int64)
        inner("m_zero", 0, np.int64)
        inner("m_unit", 1, np.int64)
        inner("m_slot", self._starts[-1], np.int64)
        inner("m_starts", np.array(self._starts[:-1])[None], np.int64)
        inner("m_older", [4 * (NEAREST - 1), 4], np.int64)
        inner("m_axis_1", [1], np.int64)
        inner("m_axis_2", [2], np.int64)
        inner("m_axis_0", [0], np.int64)
        inner("m_last_axis", [-1], np.int64)
        inner("m_middle_axis", [-2], np.int64)
        inner("m_below_all", -1_000_000, np.int64)
        queries = [len(HEADS) * KEY_WIDTH, len(HEADS) * PLACE_WIDTH]
        inner("m_query_parts", queries, np.int64)
        inner("m_near_shape", [0, len(HEADS), PLACE_WIDTH], np.int64)
        inner("m_share_parts", [self._reach, CALL_NOTES, 1], np.int64)
        inner("m_eldest", [1, CALL_NOTES - 1], np.int64)
        inner("m_last_age", [self._reach - 1, 1], np.int64)
        inner("m_too_old", np.full((1, len(HEADS), 1), NEVER))
        inner("m_there", np.zeros((1, 1, 1)))

    @staticmethod
    def _matches(head: int) -> int:
        argument = OF_ARGUMENT[head]
        return argument + 1 if argument else 0

    def _states(self) -> list[ScanState]:
        """Return the Scan's states; writes the nodes of what they start with."""
        g = self._graph
        column = g("Unsqueeze", ["velocity", self._number([1])])
        nil = g("Mul", [column, g.constant("m_null", 0.0)])
        blank = g("Cast", [nil], to=INT)
        deep = g("Unsqueeze", [blank, self._number([2])])
        near = g("Add", [deep, self._number(np.zeros((1, CALL_NOTES, len(FACTS))))])
        deep = g("Unsqueeze", [nil, self._number([2])])
        zeros = np.zeros((1, PLACE_WIDTH, CALL_NOTES))
        places = g("Add", [deep, self._number(zeros, np.float32)])
        rows = g("Add", [self._first_rows(), blank])
        ages = self._aged("m_first_ages", np.arange(self._reach, 0, -1))
        gone = self._number(np.full((1, 1, CALL_NOTES), NEVER), np.float32)
        g("Identity", [nil], out="m_sink_column")
        before = g("Gather", ["previous", self._number([0])], axis=1)
        return [
            ScanState("near", near, INT, ["batch", CALL_NOTES, len(FACTS)]),
            ScanState("near_places", places, FLOAT, ["batch", PLACE_WIDTH, CALL_NOTES]),
            ScanState("place_rows", rows, INT, ["batch", 4 * NEAREST]),
            ScanState("before", before, INT, ["batch", 1]),
            ScanState("past_ages", ages, FLOAT, [1, len(HEADS), self._reach]),
            ScanState("near_gone", gone, FLOAT, [1, 1, CALL_NOTES]),
            ScanState("since", self._number([0]), INT, [1]),
        ]

    # In the Scan.

    def search(self, n: Nodes) -> None:
        """Compare the present place with all others: scores of each head, without matches."""
        rows = n("Gather", ["m_places", "place_rows"], axis=0)
        summed = n("ReduceSum", [rows, "m_axis_1"], keepdims=0)
        self._place = n("Relu", [n("Add", [summed, "m_place_bias"])])
        queries = n("MatMul", [self._place, "m_queries"])
        far, near = n.many("Split", [queries, "m_query_parts"], 2, axis=1)
        near = n("MatMul", [n("Reshape", [near, "m_near_shape"]), "near_places"])
        count = len(HEADS)
        fars = n.many("Split", [n("Unsqueeze", [far, "m_axis_1"])], count, axis=2,
                      num_outputs=count)  # fmt: skip
        nears = n.many("Split", [near], count, axis=1, num_outputs=count)
        old = n("Add", ["past_ages", "m_absent"])
        new = n("Add", [n("Add", ["m_near_ages", "near_gone"]), "m_each_past"])
        sinks = n("Add", ["m_sinks", "m_each_past"])
        biases = n("Concat", [old, new, sinks], axis=2)
        ages = n.many("Split", [biases], count, axis=1, num_outputs=count)
        sink = n("Unsqueeze", ["m_sink_column", "m_axis_1"])
        self._scores = []
        for head, name in enumerate(HEADS):
            past = n("MatMul", [fars[head], f"m_past_keys_{name}"])
            scores = n("Concat", [past, nears[head], sink], axis=2)
            self._scores.append(n("Add", [scores, ages[head]]))
        self._near = dict(
            zip(FACTS, n.many("Split", ["near"], len(FACTS), axis=2, num_outputs=len(FACTS)),
                strict=True)
        )  # fmt: skip

    def drawn(self, n: Nodes, name: str, chosen: str) -> None:
        """Take note of a class that was drawn: pitch, shift or duration.

        ``(batch, 1)``, or ``(2, batch, 1)`` of a pitch whose time shift is drawn twice.
        """
        if self._now.get(name) == chosen:
            return
        now = {name: chosen}
        if name == "pitch":
            now["wide"] = n("Add", [n("Sub", [chosen, "before"]), "m_middle"])
        for fact in now:
            self._same.pop(fact, None)
        self._now |= now

    def _alike(self, n: Nodes, fact: str) -> str:
        """Whether a fact was the same there, ``(batch, 1, S + 1)`` bool."""
        if fact not in self._same:
            now = n("Unsqueeze", [self._now[fact], "m_last_axis"])
            near = n("Transpose", [self._near[fact]], perm=[0, 2, 1])
            past = n("Equal", [f"m_past_{fact}", now])
            sink = n("Less", [now, "m_below_all"])
            self._same[fact] = n("Concat", [past, n("Equal", [near, now]), sink], axis=-1)
        return self._same[fact]

    def offered(self, n: Nodes, m: int, top: str, *, twice: bool = False) -> list[str]:
        """Return what the memory adds to an argument's logits, one name a head.

        Args:
            n: The body's nodes.
            m: The argument; those before it were told by :meth:`drawn`.
            top: Output of its submodel.
            twice: Whether it is drawn twice, of two rows a candidate: ``(2, batch, hidden)``.
        """
        return [
            self._offer(n, head, top, twice=twice)
            for head, argument in enumerate(OF_ARGUMENT)
            if argument == m
        ]

    def _offer(self, n: Nodes, head: int, top: str, *, twice: bool) -> str:
        name = HEADS[head]
        scores = self._scores[head]
        for k, fact in enumerate(FACTS[: self._matches(head)]):
            weight = f"m_same_{name}_{k}"
            scores = n("Add", [scores, n("Where", [self._alike(n, fact), weight, "m_none"])])
        shares = n("Softmax", [scores], axis=-1)
        past, own, _ = n.many("Split", [shares, "m_share_parts"], 3, axis=-1)
        fact = _VALUES[name]
        found = n("Squeeze", [n("MatMul", [past, f"m_came_{fact}"]), "m_middle_axis"])
        place = n("Squeeze", [self._near[fact], "m_axis_2"])
        if twice:
            one = n("Unsqueeze", [place, "m_axis_0"])
            place = n("Concat", [one, one], axis=0)
        own = n("Squeeze", [own, "m_middle_axis"])
        found = n("ScatterElements", [found, place, own], axis=-1, reduction="add")
        if name == "interval":
            index = n("Sub", ["m_keys", "before"])
            found = n("GatherElements", [found, index], axis=1)
        felt = n("Log", [n("Add", [n("Mul", [found, "m_sharper"]), "m_one"])])
        gate = n("Add", [n("MatMul", [top, f"m_gate_{name}"]), f"m_gate_bias_{name}"])
        return n("Mul", [felt, gate])

    def remember(self, n: Nodes, chosen: list[str]) -> None:
        """Write the states after a note whose classes are ``(batch, 1)`` each."""
        pitch, shift, duration, velocity, pedal = chosen[:5]
        alone = n("Less", ["before", "m_zero"])
        step = n("Sub", [pitch, "before"])
        wide = n("Where", [alone, "m_no_wide", n("Add", [step, "m_middle"])])
        columns = n("Concat", [pitch, wide, shift, duration, velocity, pedal], axis=1)
        _, near = n.many("Split", ["near", "m_eldest"], 2, axis=1)
        new = n("Unsqueeze", [columns, "m_axis_1"])
        n("Concat", [near, new], out="near_next", axis=1)
        _, places = n.many("Split", ["near_places", "m_eldest"], 2, axis=2)
        place = n("Unsqueeze", [self._place, "m_axis_2"])
        n("Concat", [places, place], out="near_places_next", axis=2)
        small = n("Max", [n("Min", [n("Add", [step, "m_half"]), "m_most"]), "m_zero"])
        small = n("Where", [alone, "m_no_interval", small])
        rows = n("Add", [n("Concat", [small, pitch, shift, duration], axis=1), "m_starts"])
        older, _ = n.many("Split", ["place_rows", "m_older"], 2, axis=1)
        n("Concat", [rows, n("Add", [older, "m_slot"])], out="place_rows_next", axis=1)
        n("Identity", [pitch], out="before_next")
        ages, _ = n.many("Split", ["past_ages", "m_last_age"], 2, axis=2)
        n("Concat", ["m_too_old", ages], out="past_ages_next", axis=2)
        _, gone = n.many("Split", ["near_gone", "m_eldest"], 2, axis=2)
        n("Concat", [gone, "m_there"], out="near_gone_next", axis=2)
        n("Add", ["since", "m_unit"], out="since_next")

    # After the Scan.

    def end(self, near: str, since: str) -> None:
        """Write ``past_out``: the last notes of each candidate.

        Args:
            near: The state of that name after the Scan.
            since: How many notes were drawn, ``(1,)``.
        """
        g = self._graph
        parts = g.many("Split", [near], len(FACTS), axis=2, num_outputs=len(FACTS))
        played = g("Concat", [parts[0], *parts[2:]], axis=2)
        rows = self._number(np.zeros((1, self._kept, 1)))
        nil = g("Cast", [g("Mul", ["velocity", g.constant("m_blank", 0.0)])], to=INT)
        nil = g("Unsqueeze", [nil, self._number([1, 2])])
        past = g("Add", [PAST_STATE, g("Add", [nil, rows])])
        whole = g("Concat", [past, played], axis=1)
        order = self._number(np.arange(self._kept))
        moved = g("Add", [order, since])
        inside = g("Less", [moved, self._number(self._kept)])
        index = g("Where", [inside, moved, g("Add", [order, self._number(CALL_NOTES)])])
        g("Gather", [whole, index], out=f"{PAST_STATE}_out", axis=1)
