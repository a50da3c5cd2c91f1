"""Small tools for writing ONNX graphs: nodes with fresh names, initializers stored in half.

In: operators and arrays. Out: nodes and initializers for ``onnx.helper.make_graph``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 9
"""Old enough for every ONNX Runtime that pyproject allows, new enough for Split's num_outputs."""

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


@dataclass
class Nodes:
    """Nodes in order, and fresh names for what lies between them."""

    prefix: str
    nodes: list[Any] = field(default_factory=list)
    count: int = 0

    def __call__(self, op: str, inputs: Sequence[str], out: str = "", **attributes: Any) -> str:
        """Append a node with one output and return its name."""
        return self.many(op, inputs, [out or self.fresh()], **attributes)[0]

    def many(
        self, op: str, inputs: Sequence[str], outs: list[str] | int, **attributes: Any
    ) -> list[str]:
        """Append a node with several outputs, named or counted."""
        names = outs if isinstance(outs, list) else [self.fresh() for _ in range(outs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def fresh(self) -> str:
        """Return a name that no node has yet."""
        self.count += 1
        return f"{self.prefix}{self.count}"


class Graph(Nodes):
    """The outer graph and all initializers."""

    def __init__(self) -> None:
        super().__init__("x")
        self.initializers: list[TensorProto] = []
        self.body_initializers: list[TensorProto] = []

    def inner(self, name: str, values: Any, dtype: Any = np.float32) -> None:
        """Add a small constant to the Scan's body."""
        array = np.array(values, dtype=dtype, order="C")
        self.body_initializers.append(numpy_helper.from_array(array, name))

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add an initializer; float32 that is exact in float16 is stored as float16 and cast."""
        array = np.array(values, dtype=dtype, order="C")
        if array.dtype == np.float32 and array.size >= 1024 and _exact_in_half(array):
            half = numpy_helper.from_array(array.astype(np.float16), f"{name}_half")
            self.initializers.append(half)
            return self("Cast", [f"{name}_half"], out=name, to=TensorProto.FLOAT)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name


def _exact_in_half(array: NDArray[np.float32]) -> bool:
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16).astype(np.float32) == array).all())


def value(name: str, dtype: int, shape: Sequence[int | str]) -> Any:
    """Return an input or output: sizes, or names of free sizes."""
    return helper.make_tensor_value_info(name, dtype, list(shape))


def make_model(graph: Any) -> ModelProto:
    """Return a model of the one opset that is used here."""
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="perpetuo",
    )
