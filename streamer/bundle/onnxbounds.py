"""How much memory and work a graph can take at most, told from its operators before it is run.

In: a graph as :mod:`streamer.bundle.onnxfile` reads it, and the greatest sizes of its free axes.
Out: bounds, or a ValueError for a graph that could take more, or cannot be told: operators that no
exporter of ours writes (loops without end, branches, sizes that depend on data) are refused by not
being in the table. Sizes are inferred as the ONNX standard has them, with each free axis at its
greatest; what counts here only ever grows with them. Standard library alone; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamer.bundle.onnxfile import GraphParts, Node
from streamer.bundle.onnxrules import (
    ELEMENT_BYTES,
    MAX_BYTES,
    RULES,
    Inferred,
    Shape,
    Value,
    axis_of,
    limited,
    number_of,
)

FREE_SIZES = {"batch": 17, "pasts": 1, "notes": 67, "passes": 61}
"""Size of a free axis, by its name, that a graph must be able to take: candidates as bundles ask
for them, notes of the longest phrases; ``pasts`` is 1 wherever a stream plays, whose candidates
share their past. No model has such sizes of its own."""

MAX_WORK = 5e10
"""Products and sums of one run at these sizes; the largest of our graphs takes 3e9, and a Pi 4 does
some 5e9 a second."""


@dataclass(slots=True)
class Bounds:
    """What one run can take at most.

    Attributes:
        bytes: Of all that lies between operators, as if nothing were let go of.
        work: Products and sums.
    """

    bytes: float = 0.0
    work: float = 0.0


def bound(graph: GraphParts, free: Mapping[str, int] = FREE_SIZES) -> Bounds:
    """Return what a run of a graph can take.

    Args:
        graph: Read from a file.
        free: Greatest size of each free axis, by its name.

    Raises:
        ValueError: It could take more than :data:`MAX_BYTES` or :data:`MAX_WORK`; or it holds what
            no bundle may hold.
    """
    known: dict[str, Value] = {}
    for tensor in graph.inputs:
        known[tensor.name] = Value(_sizes(tensor.shape, free))
    bounds = Bounds(sum(ELEMENT_BYTES * value.count for value in known.values()))
    _infer(graph, known, bounds, 1.0)
    _refuse_above(bounds)
    for tensor in graph.outputs:
        stated, real = _sizes(tensor.shape, free), known[tensor.name].shape
        if stated != real:
            raise ValueError(f"makes {tensor.name} of {real}, and says {stated}")
    return bounds


def _sizes(shape: tuple[int | str, ...], free: Mapping[str, int]) -> Shape:
    found = []
    for size in shape:
        greatest = free.get(size) if isinstance(size, str) else size
        if greatest is None or greatest < 0:
            raise ValueError(f"has an axis {size!r}; free axes are {', '.join(free)}")
        found.append(greatest)
    return limited(tuple(found))


def _refuse_above(bounds: Bounds) -> None:
    if bounds.bytes > MAX_BYTES:
        raise ValueError(
            f"can take {bounds.bytes / 2**20:.0f} MiB a run; the limit is {MAX_BYTES // 2**20}"
        )
    if bounds.work > MAX_WORK:
        raise ValueError(f"can take {bounds.work:.1e} products a run; the limit is {MAX_WORK:.0e}")


def _infer(graph: GraphParts, outer: Mapping[str, Value], bounds: Bounds, runs: float) -> None:
    """Infer the shapes of all values of a graph, and add what they take to ``bounds``.

    Args:
        graph: With its inputs in ``outer``.
        outer: What is known before; the values of the graph are added where it is a dict.
        bounds: Added to.
        runs: How often the graph is run.
    """
    known = outer if isinstance(outer, dict) else dict(outer)
    for constant in graph.constants:
        known[constant.name] = Value(constant.shape, constant.values)
    for node in graph.nodes:
        given = [known[name] if name in known else _missing(name) for name in node.inputs]
        if node.op == "Scan":
            shapes, work = _scan(node, given, known, bounds, runs)
        else:
            rule = RULES.get(node.op)
            if rule is None:
                raise ValueError(f"uses the operator {node.op!r}, which no bundle of ours has")
            try:
                shapes, work = rule(node, given)
            except (IndexError, KeyError, ZeroDivisionError) as error:
                raise ValueError(f"has a {node.op} that cannot be run") from error
        bounds.work += runs * work
        if len(node.outputs) > len(shapes):
            raise ValueError(f"has a {node.op} with {len(node.outputs)} outputs")
        for name, shape in zip(node.outputs, shapes, strict=False):
            if name:  # one that is left out is not made
                known[name] = Value(limited(shape))
                bounds.bytes += ELEMENT_BYTES * known[name].count
        _refuse_above(bounds)
    for tensor in graph.outputs:
        if tensor.name not in known:
            _missing(tensor.name)


def _missing(name: str) -> Value:
    if name:
        raise ValueError(f"uses the value {name!r} before it is there")
    return Value((0,))


def _scan(
    node: Node, given: list[Value], known: Mapping[str, Value], bounds: Bounds, runs: float
) -> Inferred:
    """The body once for each place along an axis of what is scanned: its length is known."""
    body = node.graphs.get("body")
    scanned = number_of(node, "num_scan_inputs", 0)
    states = len(given) - scanned
    if body is None or scanned < 1 or states < 0 or len(body.inputs) != len(given):
        raise ValueError("has a Scan that scans nothing")
    axes = node.numbers.get("scan_input_axes", [0] * scanned)
    if len(axes) != scanned:
        raise ValueError("has a Scan whose axes are not those of its inputs")
    inner = dict(known)
    trips = set()
    for place, (tensor, value) in enumerate(zip(body.inputs, given, strict=True)):
        shape = list(value.shape)
        if place >= states:
            trips.add(shape.pop(axis_of(axes[place - states], shape)))
        inner[tensor.name] = Value(tuple(shape))
    if len(trips) != 1:
        raise ValueError("has a Scan over inputs of different lengths")
    (length,) = trips
    _infer(body, inner, bounds, runs * length)
    after = [inner[tensor.name].shape for tensor in body.outputs]
    for before, state in zip(given[:states], after, strict=False):
        if before.shape != state:
            raise ValueError("has a Scan whose state changes its shape")
    places = node.numbers.get("scan_output_axes", [0] * (len(after) - states))
    stacked = [
        (*shape[: (at := axis_of(axis, [*shape, 0]))], length, *shape[at:])
        for shape, axis in zip(after[states:], places, strict=True)
    ]
    return [*after[:states], *stacked], 0.0


OPERATORS = frozenset((*RULES, "Scan"))
"""Operators that a graph of a bundle may have."""
