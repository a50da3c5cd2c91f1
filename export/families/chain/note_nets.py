"""The backbones of the baselines as nodes: what a note does to their state.

In: the weights of :mod:`training.baselines.nets` by torch's names. Out: nodes for the body of the
Scan (:mod:`export.families.chain.note_graph`), and the states that go from note to note.

- :class:`Attention` keeps keys and values of the last notes, so that none is computed twice. They
  move up one place a note, so that a place is a distance: the learned keys of the distances are one
  matrix, turned once. The mask is a count of the notes that there have been.
- :class:`Recurrence` keeps one number a channel and layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.nodes import Graph, Nodes

Arrays = Mapping[str, NDArray[np.float32]]
Shapes = dict[str, list[int | str]]

UNSEEN = -1e9
"""Added to the score of a place where no note has been."""


def silu(n: Nodes, x: str) -> str:
    """Return x times its sigmoid."""
    return n("Mul", [x, n("Sigmoid", [x])])


@dataclass(frozen=True)
class Backbone(ABC):
    """What lies between the embedding of a note and the heads.

    Attributes:
        arrays: Weights, by torch's names.
        width: Channels.
        layers: Blocks.
    """

    arrays: Arrays
    width: int
    layers: int

    @abstractmethod
    def states(self) -> Shapes:
        """Return the states by name, with their shapes at the graph's inputs."""

    @abstractmethod
    def note_states(self) -> Shapes:
        """Return the states by name, with their shapes within the Scan."""

    @abstractmethod
    def add_note(self, n: Nodes, x: str) -> str:
        """Add a note's nodes, ``(batch, width)`` in and out; states end in ``_next``."""

    @abstractmethod
    def put_together(self, graph: Graph, last: list[str]) -> None:
        """Make the graph's outputs of the Scan's last states, as :meth:`note_states` has them."""

    def take_apart(self, graph: Graph) -> list[str]:
        """Return the Scan's first states, as :meth:`note_states` has them."""
        return [
            part
            for name, shape in self.states().items()
            for part in (self._layers_of(graph, name) if shape[0] == self.layers else [name])
        ]

    def _layers_of(self, graph: Graph, name: str) -> list[str]:
        """Split a state ``(layers, ...)`` by layers."""
        parts = graph.many("Split", [name], self.layers, axis=0, num_outputs=self.layers)
        return [graph("Squeeze", [part, "axis_0"]) for part in parts]

    def _layers_to(self, graph: Graph, parts: list[str], out: str) -> None:
        graph("Concat", [graph("Unsqueeze", [x, "axis_0"]) for x in parts], out=out, axis=0)

    def add_weights(self, graph: Graph) -> None:
        """Add matrices to the graph and small constants to the Scan's body."""
        graph.constant("axis_0", [0], np.int64)
        for layer in range(self.layers):
            for part in ("up", "down"):
                self._matrix(graph, f"{part}_w{layer}", f"forward_layers.{layer}.{part}.weight")
                self._small(graph, f"{part}_b{layer}", f"forward_layers.{layer}.{part}.bias")
            for half in range(2):
                norm = 2 * layer + half
                self._small(graph, f"norm_w{norm}", f"norms.{norm}.weight")
                self._small(graph, f"norm_b{norm}", f"norms.{norm}.bias")

    def _matrix(self, graph: Graph, name: str, torch_name: str) -> None:
        graph.constant(name, self.arrays[f"net.{torch_name}"].T)

    def _small(self, graph: Graph, name: str, torch_name: str) -> None:
        graph.inner(name, self.arrays[f"net.{torch_name}"])

    def _norm(self, n: Nodes, x: str, norm: int) -> str:
        return n("LayerNormalization", [x, f"norm_w{norm}", f"norm_b{norm}"], axis=-1)

    def _fed_forward(self, n: Nodes, x: str, layer: int) -> str:
        up = n("Gemm", [self._norm(n, x, 2 * layer + 1), f"up_w{layer}", f"up_b{layer}"])
        shown, gate = n.many("Split", [up], 2, axis=1, num_outputs=2)
        gated = n("Mul", [shown, silu(n, gate)])
        return n("Add", [x, n("Gemm", [gated, f"down_w{layer}", f"down_b{layer}"])])


@dataclass(frozen=True)
class Attention(Backbone):
    """Causal attention with a learned key for each distance.

    Attributes:
        heads: They divide the width.
        memory: Notes before the present one that are seen, 1 or more.
    """

    heads: int
    memory: int

    @property
    def _each(self) -> int:
        return self.width // self.heads

    def states(self) -> Shapes:
        """See :class:`Backbone`; keys lie with their places last, as they are multiplied."""
        return {
            "past_keys": [self.layers, "batch", self.heads, self._each, self.memory],
            "past_values": [self.layers, "batch", self.heads, self.memory, self._each],
            "past_notes": ["batch", 1],
        }

    def note_states(self) -> Shapes:
        """See :class:`Backbone`."""
        keys, values, count = self.states().values()
        layers = range(self.layers)
        return {
            **{f"past_keys{layer}": keys[1:] for layer in layers},
            **{f"past_values{layer}": values[1:] for layer in layers},
            "past_notes": count,
        }

    def add_weights(self, graph: Graph) -> None:
        """See :class:`Backbone`."""
        super().add_weights(graph)
        places = self.memory + 1
        for layer in range(self.layers):
            own = f"attention.{layer}"
            self._matrix(graph, f"query_w{layer}", f"{own}.query.weight")
            self._matrix(graph, f"pair_w{layer}", f"{own}.pair.weight")
            self._matrix(graph, f"out_w{layer}", f"{own}.out.weight")
            distances = self.arrays[f"net.{own}.distances"]  # (heads, distances, each)
            apart = np.minimum(np.arange(places)[::-1], distances.shape[1] - 1)
            graph.constant(f"distances{layer}", distances[:, apart].transpose(0, 2, 1))
        graph.inner("one_query", [-1, self.heads, 1, self._each], np.int64)
        graph.inner("one_key", [-1, self.heads, self._each, 1], np.int64)
        graph.inner("one_row", [-1, self.width], np.int64)
        graph.inner("one_place", [-1, 1, 1, places], np.int64)
        graph.inner("oldest", [1, self.memory], np.int64)
        graph.inner("scale", np.float32(self._each**-0.5))
        graph.inner("apart", np.arange(places, dtype=np.float32)[::-1])
        graph.inner("unseen", np.float32(UNSEEN))
        graph.inner("one_note", np.float32(1))
        graph.inner("all_notes", np.float32(self.memory))

    def add_note(self, n: Nodes, x: str) -> str:
        """See :class:`Backbone`."""
        beyond = n("Greater", ["apart", "past_notes"])  # (batch, places)
        mask = n("Mul", [n("Cast", [beyond], to=1), "unseen"])
        mask = n("Reshape", [mask, "one_place"])
        n("Min", [n("Add", ["past_notes", "one_note"]), "all_notes"], out="past_notes_next")
        for layer in range(self.layers):
            x = n("Add", [x, self._attended(n, x, mask, layer)])
            x = self._fed_forward(n, x, layer)
        return x

    def _attended(self, n: Nodes, x: str, mask: str, layer: int) -> str:
        normed = self._norm(n, x, 2 * layer)
        query = n("Mul", [n("MatMul", [normed, f"query_w{layer}"]), "scale"])
        query = n("Reshape", [query, "one_query"])
        pair = n("MatMul", [normed, f"pair_w{layer}"])
        key, seen = n.many("Split", [pair], 2, axis=1, num_outputs=2)
        keys = n("Concat", [f"past_keys{layer}", n("Reshape", [key, "one_key"])], axis=3)
        values = n("Concat", [f"past_values{layer}", n("Reshape", [seen, "one_query"])], axis=2)
        n.many("Split", [keys, "oldest"], [n.fresh(), f"past_keys{layer}_next"], axis=3)
        n.many("Split", [values, "oldest"], [n.fresh(), f"past_values{layer}_next"], axis=2)
        near = n("Add", [n("MatMul", [query, f"distances{layer}"]), mask])
        scores = n("Add", [n("MatMul", [query, keys]), near])
        read = n("MatMul", [n("Softmax", [scores], axis=-1), values])
        return n("MatMul", [n("Reshape", [read, "one_row"]), f"out_w{layer}"])

    def put_together(self, graph: Graph, last: list[str]) -> None:
        """See :class:`Backbone`."""
        self._layers_to(graph, last[: self.layers], "past_keys_out")
        self._layers_to(graph, last[self.layers : -1], "past_values_out")
        graph("Identity", [last[-1]], out="past_notes_out")


@dataclass(frozen=True)
class Recurrence(Backbone):
    """A linear recurrence whose gates depend on the input alone."""

    def states(self) -> Shapes:
        """See :class:`Backbone`."""
        return {"memory": [self.layers, "batch", self.width]}

    def note_states(self) -> Shapes:
        """See :class:`Backbone`."""
        return {f"memory{layer}": ["batch", self.width] for layer in range(self.layers)}

    def add_weights(self, graph: Graph) -> None:
        """See :class:`Backbone`."""
        super().add_weights(graph)
        for layer in range(self.layers):
            self._matrix(graph, f"mix_w{layer}", f"mix.{layer}.weight")
            self._small(graph, f"mix_b{layer}", f"mix.{layer}.bias")
            self._matrix(graph, f"out_w{layer}", f"out.{layer}.weight")

    def add_note(self, n: Nodes, x: str) -> str:
        """See :class:`Backbone`."""
        for layer in range(self.layers):
            mixed = n("Gemm", [self._norm(n, x, 2 * layer), f"mix_w{layer}", f"mix_b{layer}"])
            gate, new, shown = n.many("Split", [mixed], 3, axis=1, num_outputs=3)
            old = f"memory{layer}"
            moved = n("Mul", [n("Sigmoid", [gate]), n("Sub", [new, old])])
            state = n("Add", [old, moved], out=f"{old}_next")
            read = n("Mul", [state, silu(n, shown)])
            x = n("Add", [x, n("MatMul", [read, f"out_w{layer}"])])
            x = self._fed_forward(n, x, layer)
        return x

    def put_together(self, graph: Graph, last: list[str]) -> None:
        """See :class:`Backbone`."""
        self._layers_to(graph, last, "memory_out")
