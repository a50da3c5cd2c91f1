"""Operators that a graph of a bundle may have: sizes of their outputs and their work.

In: an operator and what it is given: sizes, and the numbers of what stands in the file. Out: the
shapes of its outputs as the ONNX standard has them, and its products and sums. A ValueError for
what cannot be run, or is told by data alone. One table, :data:`RULES`; what is not in it is refused
(:mod:`streamer.bundle.onnxbounds`). Standard library alone; any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.bundle.onnxfile import Node, product

MAX_BYTES = 192 * 2**20
"""Of one run at the sizes of free axes that are reckoned with; the largest of our graphs takes
48 MiB, one with a memory."""

ELEMENT_BYTES = 4
"""Of most tensors; those of eight bytes are few."""

MAX_RANK = 8

Shape = tuple[int, ...]


@dataclass(slots=True)
class Value:
    """A tensor between two operators: its sizes, and its numbers where they stand in the file."""

    shape: Shape
    numbers: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        return product(self.shape)


Inferred = tuple[list[Shape], float]
"""Shapes of an operator's outputs, and its work."""


def limited(shape: Shape) -> Shape:
    """Return the sizes of a tensor, or refuse one that would fill the memory (ValueError)."""
    if len(shape) > MAX_RANK or product(shape) * ELEMENT_BYTES > MAX_BYTES:
        raise ValueError(
            f"makes a tensor of {' x '.join(map(str, shape[:MAX_RANK]))}; "
            f"the limit is {MAX_BYTES // 2**20} MiB"
        )
    return shape


def number_of(node: Node, name: str, otherwise: int) -> int:
    """Return an attribute that is one whole number."""
    return node.numbers.get(name, [otherwise])[0]


def axis_of(axis: int, shape: list[int] | Shape) -> int:
    """Return an axis counted from the front."""
    found = axis + len(shape) if axis < 0 else axis
    if not 0 <= found < len(shape):
        raise ValueError(f"uses axis {axis} of a tensor that has {len(shape)}")
    return found


def numbers_of(given: list[Value], place: int) -> tuple[int, ...] | None:
    """Return an operand that is a shape or a list of axes; None where it is left out."""
    if len(given) <= place or given[place].shape == (0,):
        return None
    numbers = given[place].numbers
    if numbers is None:
        raise ValueError("has sizes that depend on data")
    return numbers


def _broadcast(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    found = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        several = {size for size in sizes if size != 1}
        if len(several) > 1:
            raise ValueError(f"joins tensors of {' and '.join(map(str, shapes))}")
        found.append(several.pop() if several else 1)
    return tuple(found)


def _same(node: Node, given: list[Value]) -> Inferred:
    return [given[0].shape], float(given[0].count)


def _joined(node: Node, given: list[Value]) -> Inferred:
    shape = _broadcast(*(value.shape for value in given))
    return [shape], float(product(limited(shape)))


def _gemm(node: Node, given: list[Value]) -> Inferred:
    (rows, inner), (other, columns) = given[0].shape, given[1].shape
    if number_of(node, "transA", 0):
        rows, inner = inner, rows
    if number_of(node, "transB", 0):
        other, columns = columns, other
    if inner != other:
        raise ValueError(f"multiplies {given[0].shape} by {given[1].shape}")
    return [(rows, columns)], 2.0 * rows * columns * inner


def _matmul(node: Node, given: list[Value]) -> Inferred:
    first, second = given[0].shape, given[1].shape
    wide = second if len(second) > 1 else (*second, 1)
    if len(first) < 2 or first[-1] != wide[-2]:
        raise ValueError(f"multiplies {first} by {second}")
    shape = (*_broadcast(first[:-2], wide[:-2]), first[-2], wide[-1])
    work = 2.0 * product(limited(shape)) * first[-1]
    return [shape if wide == second else shape[:-1]], work


def _concat(node: Node, given: list[Value]) -> Inferred:
    shape = list(given[0].shape)
    at = axis_of(number_of(node, "axis", 0), shape)
    shape[at] = sum(value.shape[at] for value in given)
    for value in given:
        if (*value.shape[:at], *value.shape[at + 1 :]) != (*shape[:at], *shape[at + 1 :]):
            raise ValueError("puts tensors on end that do not fit")
    return [tuple(shape)], float(product(shape))


def _split(node: Node, given: list[Value]) -> Inferred:
    shape = given[0].shape
    at = axis_of(number_of(node, "axis", 0), shape)
    sizes = numbers_of(given, 1)
    if sizes is None:
        parts = number_of(node, "num_outputs", len(node.outputs))
        if parts != len(node.outputs) or parts < 1:
            raise ValueError("has a Split into another number of parts")
        each = -(-shape[at] // parts)
        sizes = (*(each,) * (parts - 1), shape[at] - each * (parts - 1))
    if sum(sizes) != shape[at] or min(sizes) < 0:
        raise ValueError("has a Split into parts that are not the whole")
    return [(*shape[:at], size, *shape[at + 1 :]) for size in sizes], float(given[0].count)


def _reshape(node: Node, given: list[Value]) -> Inferred:
    wanted = numbers_of(given, 1)
    if wanted is None:
        raise ValueError("has a Reshape to no shape")
    old, keep = given[0].shape, not number_of(node, "allowzero", 0)
    shape = [old[at] if size == 0 and keep else size for at, size in enumerate(wanted)]
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise ValueError(f"has a Reshape to {wanted}")
    if -1 in shape:
        rest = product([size for size in shape if size != -1])
        shape[shape.index(-1)] = given[0].count // rest
    if product(shape) != given[0].count:
        raise ValueError(f"has a Reshape of {old} to {wanted}")
    return [tuple(shape)], float(given[0].count)


def _transpose(node: Node, given: list[Value]) -> Inferred:
    shape = given[0].shape
    order = node.numbers.get("perm", [*reversed(range(len(shape)))])
    if sorted(order) != [*range(len(shape))]:
        raise ValueError(f"has a Transpose to {order}")
    return [tuple(shape[at] for at in order)], float(given[0].count)


def _gather(node: Node, given: list[Value]) -> Inferred:
    data, places = given[0].shape, given[1].shape
    at = axis_of(number_of(node, "axis", 0), data)
    shape = (*data[:at], *places, *data[at + 1 :])
    return [shape], float(product(limited(shape)))


def _gather_elements(node: Node, given: list[Value]) -> Inferred:
    if len(given[0].shape) != len(given[1].shape):
        raise ValueError("has a GatherElements whose places do not fit")
    return [given[1].shape], float(given[1].count)


def _scatter_elements(node: Node, given: list[Value]) -> Inferred:
    if len(given[0].shape) != len(given[1].shape) or given[1].shape != given[2].shape:
        raise ValueError("has a ScatterElements whose places do not fit")
    return [given[0].shape], float(given[0].count + given[1].count)


def _gather_nd(node: Node, given: list[Value]) -> Inferred:
    data, places = given[0].shape, given[1].shape
    before = number_of(node, "batch_dims", 0)
    if not 0 <= before < len(places) or before + places[-1] > len(data):
        raise ValueError("has a GatherND whose places do not fit")
    shape = (*places[:-1], *data[before + places[-1] :])
    return [shape], float(product(limited(shape)))


def _squeeze(node: Node, given: list[Value]) -> Inferred:
    shape, axes = given[0].shape, numbers_of(given, 1)
    if axes is None:
        axes = tuple(at for at, size in enumerate(shape) if size == 1)
    gone = {axis_of(axis, shape) for axis in axes}
    if any(shape[at] != 1 for at in gone):
        raise ValueError("has a Squeeze of an axis that is not 1 long")
    return [tuple(size for at, size in enumerate(shape) if at not in gone)], 0.0


def _unsqueeze(node: Node, given: list[Value]) -> Inferred:
    axes = numbers_of(given, 1) or ()
    shape = list(given[0].shape)
    rank = [0] * (len(shape) + len(axes))
    for at in sorted(axis_of(axis, rank) for axis in axes):
        shape.insert(at, 1)
    return [tuple(shape)], 0.0


def _reduced(node: Node, given: list[Value]) -> Inferred:
    shape = given[0].shape
    axes = node.numbers.get("axes") or numbers_of(given, 1) or tuple(range(len(shape)))
    gone = {axis_of(axis, shape) for axis in axes}
    keep = number_of(node, "keepdims", 1)
    found = tuple(1 if at in gone else size for at, size in enumerate(shape))
    left = found if keep else tuple(size for at, size in enumerate(shape) if at not in gone)
    return [left], float(given[0].count)


def _best(node: Node, given: list[Value]) -> Inferred:
    one = Node(node.op, numbers={**node.numbers, "axes": [number_of(node, "axis", 0)]})
    return _reduced(one, given[:1])


def _one_hot(node: Node, given: list[Value]) -> Inferred:
    depth = numbers_of(given, 1)
    if depth is None or len(depth) != 1 or depth[0] < 0:
        raise ValueError("has a OneHot of no depth")
    shape = list(given[0].shape)
    shape.insert(axis_of(number_of(node, "axis", -1), [*shape, 0]), depth[0])
    return [tuple(shape)], float(product(limited(tuple(shape))))


def _expand(node: Node, given: list[Value]) -> Inferred:
    wanted = numbers_of(given, 1)
    if wanted is None or min(wanted, default=0) < 0:
        raise ValueError("has an Expand to no shape")
    shape = _broadcast(given[0].shape, wanted)
    return [shape], float(product(limited(shape)))


def _recurrent(gates: int) -> Callable[[Node, list[Value]], Inferred]:
    def infer(node: Node, given: list[Value]) -> Inferred:
        steps, batch, width = given[0].shape
        ways, rows, columns = given[1].shape
        hidden = given[2].shape[2]
        fits = columns == width and rows == gates * hidden == given[2].shape[1]
        plain = (
            not number_of(node, "layout", 0) and number_of(node, "hidden_size", hidden) == hidden
        )
        if not fits or not plain or ways not in (1, 2) or given[2].shape[0] != ways:
            raise ValueError(f"has a {node.op} whose weights do not fit")
        wanted = {3: (ways, 2 * rows), 5: (ways, batch, hidden), 6: (ways, batch, hidden)}
        for place, shape in wanted.items():
            if len(given) > place and given[place].shape not in ((0,), shape):
                raise ValueError(f"has a {node.op} whose bias or state does not fit")
        if len(given) > 4 and given[4].shape != (0,):
            raise ValueError(f"has a {node.op} over sequences of several lengths")
        if len(given) > 7:
            raise ValueError(f"has a {node.op} with peepholes")
        last = (ways, batch, hidden)
        work = 2.0 * steps * batch * ways * rows * (width + hidden)
        return [(steps, ways, batch, hidden), last, last], work

    return infer


_SAME = (
    "Abs", "Cast", "Ceil", "Clip", "Erf", "Exp", "Floor", "Identity", "LayerNormalization", "Log",
    "LogSoftmax", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Softmax",
    "Softplus", "Sqrt", "Tanh",
)  # fmt: skip
_JOINED = (
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min",
    "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where",
)  # fmt: skip
_REDUCED = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")

RULES: dict[str, Callable[[Node, list[Value]], Inferred]] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_JOINED, _joined),
    **dict.fromkeys(_REDUCED, _reduced),
    "ArgMax": _best,
    "ArgMin": _best,
    "Concat": _concat,
    "Expand": _expand,
    "GRU": _recurrent(3),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "LSTM": _recurrent(4),
    "MatMul": _matmul,
    "OneHot": _one_hot,
    "Reshape": _reshape,
    "ScatterElements": _scatter_elements,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""What a bundle may hold beside ``Scan``: sizes of outputs and work, by the type of operator."""
