"""Reads just enough of an ONNX file to refuse it, without the onnx package.

In: the bytes of a ``.onnx`` file. Out: its inputs, outputs and opset, for comparison with the
manifest. Refused are external data (a file name inside the model that ONNX Runtime would open),
operators outside the standard domain, model-local functions and training sections. Called by
:mod:`streamer.bundle` before ONNX Runtime sees a byte.

ONNX is protobuf: a message is a run of (field number, wire type, value). Field numbers are those of
onnx.proto3, which never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

STANDARD_DOMAINS = ("", "ai.onnx")
MAX_DEPTH = 8
"""Graphs within graphs (Scan, If) that are followed; the exporter nests one."""

_ELEMENT_TYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1


class TensorFacts(NamedTuple):
    """One input or output: a size, or the name of a size that is free, for each axis."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What a ``.onnx`` file says of itself.

    Attributes:
        opset: Version of the standard operators.
        inputs: Without those that are initializers.
        outputs: In the file's order.
    """

    opset: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


def read_graph_facts(data: bytes) -> GraphFacts:
    """Walk a ``.onnx`` file.

    Raises:
        ValueError: The bytes are no ONNX model, or hold something that no bundle may hold.
    """
    graph: memoryview | None = None
    opset = 0
    for number, value in _fields(memoryview(data)):
        if number == 7:
            graph = _message(value)
        elif number == 8:
            domain, version = "", 0
            for n, v in _fields(_message(value)):
                if n == 1:
                    domain = _text(v)
                elif n == 2:
                    version = _integer(v)
            if domain not in STANDARD_DOMAINS:
                raise ValueError(f"uses operators of the domain {domain!r}")
            opset = max(opset, version)
        elif number in (20, 25):
            raise ValueError("holds functions or a training section")
    if graph is None or opset < 1:
        raise ValueError("is not an ONNX model")
    return GraphFacts(opset, *_walk_graph(graph, 0))


def _walk_graph(
    graph: memoryview, depth: int
) -> tuple[tuple[TensorFacts, ...], tuple[TensorFacts, ...]]:
    if depth > MAX_DEPTH:
        raise ValueError(f"nests graphs deeper than {MAX_DEPTH}")
    inputs, outputs, initializers = [], [], set()
    for number, value in _fields(graph):
        if number == 1:
            _walk_node(_message(value), depth)
        elif number == 5:
            initializers.add(_walk_tensor(_message(value)))
        elif number == 15:
            raise ValueError("holds sparse tensors")
        elif number == 11:
            inputs.append(_value_info(_message(value)))
        elif number == 12:
            outputs.append(_value_info(_message(value)))
    return tuple(i for i in inputs if i.name not in initializers), tuple(outputs)


def _walk_node(node: memoryview, depth: int) -> None:
    for number, value in _fields(node):
        if number == 7 and _text(value) not in STANDARD_DOMAINS:
            raise ValueError(f"uses operators of the domain {_text(value)!r}")
        if number != 5:
            continue
        for n, v in _fields(_message(value)):
            if n in (5, 10):
                _walk_tensor(_message(v))
            elif n in (6, 11):
                _walk_graph(_message(v), depth + 1)
            elif n in (22, 23):
                raise ValueError("holds sparse tensors")


def _walk_tensor(tensor: memoryview) -> str:
    """Return the tensor's name; refuse data that lie elsewhere."""
    name = ""
    for number, value in _fields(tensor):
        if number == 8:
            name = _text(value)
        elif number == 13 or (number == 14 and _integer(value) == _EXTERNAL):
            raise ValueError("keeps tensors in another file (external data)")
    return name


def _value_info(info: memoryview) -> TensorFacts:
    name, dtype = "", ""
    shape: tuple[int | str, ...] = ()
    for number, value in _fields(info):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for n, tensor in _fields(_message(value)):
                if n != 1:
                    raise ValueError("has an input or output that is no tensor")
                dtype, shape = _tensor_type(_message(tensor))
    return TensorFacts(name, dtype, shape)


def _tensor_type(tensor: memoryview) -> tuple[str, tuple[int | str, ...]]:
    dtype = ""
    shape: list[int | str] = []
    for number, value in _fields(tensor):
        if number == 1:
            dtype = _ELEMENT_TYPES.get(_integer(value), f"type {_integer(value)}")
        elif number == 2:
            for _, dimension in _fields(_message(value)):
                size: int | str = "?"
                for n, v in _fields(_message(dimension)):
                    size = _integer(v) if n == 1 else _text(v) if n == 2 else size
                shape.append(size)
    return dtype, tuple(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of a message; numbers as int, everything else as bytes."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError("is not an ONNX model")
        if length > end - at:
            raise ValueError("is cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("is cut off")
        byte = message[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
    raise ValueError("is not an ONNX model")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("is not an ONNX model")
    return value


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("is not an ONNX model")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", errors="replace")
