"""The frame of a step graph: what every network that draws the chain's classes has around it.

In: the outer graph and the network's own nodes and states. Out: the ends of the graph, one ``Scan``
over the notes, and after it the measures of all notes at once, from their logits. Used by the
chain (:mod:`export.families.chain.graph`) and by the baselines
(:mod:`export.families.chain.note_graph`).

The graph holds ``head_b`` (all classes) and ``sizes`` before :func:`measure` is called; the body
holds ``centres``, ``lowest``, ``highest`` and ``first_rows``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper

from export.families.chain.shape import GROUPS
from export.nodes import FLOAT, INT, Graph, Nodes, value
from streamer.families.chain.codec import VELOCITY_HIGH, VELOCITY_LOW
from streamer.music.notes import ARGUMENTS

Dims = list[int | str]
Shapes = Mapping[str, Dims]


def outside(sizes: Sequence[int], states: Shapes) -> tuple[list[Any], list[Any]]:
    """Return inputs and outputs of the graph.

    In ``previous`` int64 (batch, 5), -1 for none; ``velocity`` (batch,), 0 for none; the states;
    ``noise`` (notes, batch, classes). Out ``classes`` int64, ``entropies``, ``log_probs`` (notes,
    batch, 5), ``velocities`` (notes, batch), and each state with ``_out`` behind its name.

    Args:
        sizes: Classes of each argument.
        states: The network's, float32, by name.
    """
    rows: Dims = ["notes", "batch"]
    inputs = [
        value("previous", INT, ["batch", GROUPS]),
        value("velocity", FLOAT, ["batch"]),
        *(value(name, FLOAT, shape) for name, shape in states.items()),
        value("noise", FLOAT, [*rows, sum(sizes)]),
    ]
    outputs = [
        value("classes", INT, [*rows, GROUPS]),
        value("entropies", FLOAT, [*rows, GROUPS]),
        value("log_probs", FLOAT, [*rows, GROUPS]),
        value("velocities", FLOAT, rows),
        value("previous_out", INT, ["batch", GROUPS]),
        value("velocity_out", FLOAT, ["batch"]),
        *(value(f"{name}_out", FLOAT, shape) for name, shape in states.items()),
    ]
    return inputs, outputs


# In the Scan.


def move_level(n: Nodes, chosen: Sequence[str]) -> str:
    """Write ``level_moved`` and ``level_next``, the velocity after a change; return the latter."""
    change = n("Gather", ["centres", chosen[ARGUMENTS.index("velocity")]])
    # The unclipped sum leaves as well: an output may not be given twice, and Clip is cheap outside.
    moved = n("Add", ["level", change], out="level_moved")
    return n("Clip", [moved, "lowest", "highest"], out="level_next")


def write_rows(n: Nodes, chosen: Sequence[str]) -> None:
    """Write ``columns``, what was drawn, and ``rows_next``, its rows in the table of inputs."""
    columns = n("Concat", list(chosen), out="columns", axis=1)
    n("Add", [columns, "first_rows"], out="rows_next")


def close_body(
    graph: Graph,
    n: Nodes,
    width: int,
    states: Iterable[tuple[str, int, Dims]],
    noises: Sequence[Dims],
    sizes: Sequence[int],
) -> Any:
    """Return the body of the Scan, its ends in the order in which :func:`scan_notes` has them.

    Args:
        graph: Has the constants of the body.
        n: Nodes of one note.
        width: Columns that are kept of a note: its classes, and a bin of velocity where it has one.
        states: Name, type and shape of each state of the network.
        noises: Shape of the noise of each argument.
        sizes: Classes of each argument.
    """
    states = list(states)
    wide: Dims = ["batch", width]
    one: Dims = ["batch", 1]
    inputs = [value("rows", INT, wide), value("level", FLOAT, one)]
    inputs += [value(*state) for state in states]
    inputs += [value(f"noise_{m}", FLOAT, dims) for m, dims in enumerate(noises)]
    outputs = [value("rows_next", INT, wide), value("level_next", FLOAT, one)]
    outputs += [value(f"{name}_next", kind, shape) for name, kind, shape in states]
    outputs += [value("columns", INT, wide), value("level_moved", FLOAT, one)]
    outputs += [value(f"logits_{m}", FLOAT, ["batch", size]) for m, size in enumerate(sizes)]
    return helper.make_graph(n.nodes, "note", inputs, outputs, graph.body_initializers)


# After the Scan.


def scan_notes(
    graph: Graph, body: Any, start: Sequence[str], slices: Sequence[str], last: Sequence[str]
) -> None:
    """Run the body over the notes.

    Args:
        graph: The outer graph.
        body: One note, of :func:`close_body`.
        start: Rows, level and states that the first note starts from.
        slices: Noise of each argument, of all notes.
        last: Names of the states after the last note.
    """
    graph.many(
        "Scan",
        [*start, *slices],
        [graph.fresh(), graph.fresh(), *last, "all_columns", "all_levels", *_all_logits()],
        body=body,
        num_scan_inputs=len(slices),
    )


def measure(graph: Graph, width: int) -> None:
    """Write entropies and log-probabilities, untempered, of all notes; and the classes.

    Args:
        graph: After :func:`scan_notes`.
        width: As that of :func:`close_body`.
    """
    columns = graph.many("Split", ["all_columns"], width, axis=2, num_outputs=width)
    axis = graph.constant("axis_last", [-1], np.int64)
    parts = graph.many("Split", ["head_b", "sizes"], GROUPS, axis=0)
    entropies, log_probs = [], []
    for m, logits in enumerate(_all_logits()):
        log_p = graph("LogSoftmax", [graph("Add", [logits, parts[m]])], axis=-1)
        product = graph("Mul", [graph("Exp", [log_p]), log_p])
        entropies.append(graph("Neg", [graph("ReduceSum", [product, axis], keepdims=1)]))
        log_probs.append(graph("GatherElements", [log_p, columns[m]], axis=2))
    graph("Concat", entropies, out="entropies", axis=2)
    graph("Concat", log_probs, out="log_probs", axis=2)
    graph("Concat", columns[:GROUPS], out="classes", axis=2)


def write_velocities(graph: Graph, unit: int = 1) -> None:
    """Write velocities, and the classes and the velocity that the next call starts from.

    Args:
        graph: After :func:`measure`.
        unit: Steps of MIDI velocity that a level counts.
    """
    # Named as in the files that there are, whose bytes stay what they were.
    scale = graph.constant("four", unit) if unit != 1 else ""
    bounds = [
        graph.constant("least_level", VELOCITY_LOW / unit),
        graph.constant("greatest_level", VELOCITY_HIGH / unit),
    ]
    levels = graph("Clip", ["all_levels", *bounds])
    levels = graph("Mul", [levels, scale]) if scale else levels
    graph("Squeeze", [levels, graph.constant("axis_2", [2], np.int64)], out="velocities")
    end = graph.constant("end", -1, np.int64)
    graph("Gather", ["classes", end], out="previous_out", axis=0)
    graph("Gather", ["velocities", end], out="velocity_out", axis=0)


def _all_logits() -> list[str]:
    return [f"all_logits_{m}" for m in range(GROUPS)]
