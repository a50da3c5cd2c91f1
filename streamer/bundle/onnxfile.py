"""Reads an ONNX file without the onnx package, far enough to refuse it before ONNX Runtime sees it.

In: the bytes of a ``.onnx`` file. Out: its graph as plain values: inputs, outputs, constants and
nodes. Refused are external data (a file name inside the model that ONNX Runtime would open),
operators outside the standard domain, model-local functions, training sections, sparse tensors,
tensors that are not as long as they say, and more parts than any model of ours has.

Field numbers are those of onnx.proto3, which never change (:mod:`streamer.bundle.protobuf`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from streamer.bundle.protobuf import NO_MODEL, fields, integer, integers, message, text

STANDARD_DOMAINS = ("", "ai.onnx")
MAX_DEPTH = 2
"""Graphs within graphs (the body of a Scan) that are followed; the exporter nests one."""

MAX_NODES = 20_000
MAX_CONSTANTS = 5_000
MAX_VALUES = 4_096
"""Whole numbers of a constant that are read: shapes and axes are short."""

ELEMENT_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64",
}  # fmt: skip
_SIZES = {
    "float32": 4, "uint8": 1, "int8": 1, "int32": 4, "int64": 8, "bool": 1, "float16": 2,
    "float64": 8,
}  # fmt: skip
_EXTERNAL = 1


class TensorFacts(NamedTuple):
    """One input or output: a size, or the name of a size that is free, for each axis."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Constant(NamedTuple):
    """A tensor of the file: its sizes, and its values where they are few whole numbers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: tuple[int, ...] | None


@dataclass(slots=True)
class Node:
    """One operator.

    Attributes:
        op: Its type.
        inputs: Names of values; "" stands for one that is left out.
        outputs: The same.
        numbers: Attributes that are a whole number or a list of some, each as a list.
        graphs: Attributes that are a graph.
    """

    op: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    graphs: dict[str, GraphParts] = field(default_factory=dict)


@dataclass(slots=True)
class GraphParts:
    """A graph, or the body of an operator.

    Attributes:
        inputs: Without those that are constants.
        outputs: In the file's order.
        constants: Initializers.
        nodes: In the file's order.
    """

    inputs: list[TensorFacts] = field(default_factory=list)
    outputs: list[TensorFacts] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What a ``.onnx`` file says of itself.

    Attributes:
        opset: Version of the standard operators.
        graph: All of it.
    """

    opset: int
    graph: GraphParts

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        """Without those that are constants."""
        return tuple(self.graph.inputs)

    @property
    def outputs(self) -> tuple[TensorFacts, ...]:
        """In the file's order."""
        return tuple(self.graph.outputs)


def read_graph_facts(data: bytes) -> GraphFacts:
    """Read a ``.onnx`` file.

    Raises:
        ValueError: The bytes are no ONNX model, or hold something that no bundle may hold.
    """
    graph: memoryview | None = None
    opset = 0
    for number, value in fields(memoryview(data)):
        if number == 7:
            graph = message(value)
        elif number == 8:
            domain, version = "", 0
            for n, v in fields(message(value)):
                if n == 1:
                    domain = text(v)
                elif n == 2:
                    version = integer(v)
            if domain not in STANDARD_DOMAINS:
                raise ValueError(f"uses operators of the domain {domain!r}")
            opset = max(opset, version)
        elif number in (20, 25):
            raise ValueError("holds functions or a training section")
    if graph is None or opset < 1:
        raise ValueError(NO_MODEL)
    return GraphFacts(opset, _graph(graph, 0))


def _graph(data: memoryview, depth: int) -> GraphParts:
    if depth > MAX_DEPTH:
        raise ValueError(f"nests graphs deeper than {MAX_DEPTH}")
    parts = GraphParts()
    for number, value in fields(data):
        if number == 1:
            parts.nodes.append(_node(message(value), depth))
        elif number == 5:
            parts.constants.append(_constant(message(value)))
        elif number == 15:
            raise ValueError("holds sparse tensors")
        elif number == 11:
            parts.inputs.append(_value_info(message(value)))
        elif number == 12:
            parts.outputs.append(_value_info(message(value)))
        elif number == 13:
            _value_info(message(value))
        if len(parts.nodes) > MAX_NODES or len(parts.constants) > MAX_CONSTANTS:
            raise ValueError(
                f"has more than {MAX_NODES} operators or {MAX_CONSTANTS} constants, the limit"
            )
    known = {constant.name for constant in parts.constants}
    parts.inputs = [one for one in parts.inputs if one.name not in known]
    return parts


def _node(data: memoryview, depth: int) -> Node:
    node = Node()
    for number, value in fields(data):
        if number == 1:
            node.inputs.append(text(value))
        elif number == 2:
            node.outputs.append(text(value))
        elif number == 4:
            node.op = text(value)
        elif number == 5:
            _attribute(message(value), node, depth)
        elif number == 7 and text(value) not in STANDARD_DOMAINS:
            raise ValueError(f"uses operators of the domain {text(value)!r}")
    return node


def _attribute(data: memoryview, node: Node, depth: int) -> None:
    name, numbers = "", list[int]()
    graphs = list[GraphParts]()
    for number, value in fields(data):
        if number == 1:
            name = text(value)
        elif number in (3, 8):
            numbers += integers(value)
        elif number in (5, 10):
            _constant(message(value))
        elif number in (6, 11):
            graphs.append(_graph(message(value), depth + 1))
        elif number in (22, 23):
            raise ValueError("holds sparse tensors")
    if numbers:
        node.numbers[name] = numbers
    for graph in graphs:
        node.graphs[name] = graph


def _constant(data: memoryview) -> Constant:
    """Read a tensor; refuse data that lie elsewhere, or are not as many as its shape says."""
    name, dtype, shape, typed = "", "", list[int](), 0
    raw: memoryview | None = None
    numbers = list[int]()
    for number, value in fields(data):
        if number == 1:
            shape += integers(value)
        elif number == 2:
            dtype = ELEMENT_TYPES.get(integer(value), f"type {integer(value)}")
        elif number in (5, 7):
            numbers += integers(value)
        elif number in (4, 10):
            width = 4 if number == 4 else 8
            typed += len(message(value)) // width
        elif number == 8:
            name = text(value)
        elif number == 9:
            raw = message(value)
        elif number == 13 or (number == 14 and integer(value) == _EXTERNAL):
            raise ValueError("keeps tensors in another file (external data)")
    if dtype not in _SIZES or any(size < 0 for size in shape):
        raise ValueError(f"holds a tensor of {dtype or 'no type'} with the shape {shape}")
    count = product(shape)
    held = len(raw) // _SIZES[dtype] if raw is not None else typed + len(numbers)
    if held != count:
        raise ValueError(f"holds a tensor of {held} numbers, whose shape says {count}")
    return Constant(name, dtype, tuple(shape), _few(dtype, raw, numbers, count))


def _few(
    dtype: str, raw: memoryview | None, numbers: list[int], count: int
) -> tuple[int, ...] | None:
    """Return the values of a constant of few whole numbers; None of any other."""
    if dtype not in ("int32", "int64") or count > MAX_VALUES:
        return None
    if raw is None:
        return tuple(numbers)
    size = _SIZES[dtype]
    return tuple(
        int.from_bytes(raw[at : at + size], "little", signed=True)
        for at in range(0, size * count, size)
    )


def product(shape: list[int] | tuple[int, ...]) -> int:
    """Return the number of elements of a shape."""
    count = 1
    for size in shape:
        count *= size
    return count


def _value_info(info: memoryview) -> TensorFacts:
    name, dtype = "", ""
    shape: tuple[int | str, ...] = ()
    for number, value in fields(info):
        if number == 1:
            name = text(value)
        elif number == 2:
            for n, tensor in fields(message(value)):
                if n != 1:
                    raise ValueError("has an input or output that is no tensor")
                dtype, shape = _tensor_type(message(tensor))
    return TensorFacts(name, dtype, shape)


def _tensor_type(tensor: memoryview) -> tuple[str, tuple[int | str, ...]]:
    dtype = ""
    shape: list[int | str] = []
    for number, value in fields(tensor):
        if number == 1:
            dtype = ELEMENT_TYPES.get(integer(value), f"type {integer(value)}")
        elif number == 2:
            for _, dimension in fields(message(value)):
                size: int | str = "?"
                for n, v in fields(message(dimension)):
                    size = integer(v) if n == 1 else text(v) if n == 2 else size
                shape.append(size)
    return dtype, tuple(shape)
