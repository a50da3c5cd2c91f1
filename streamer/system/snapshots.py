"""The whole state of an object that can go back, as data: to be written down and gone on from.

In: an object whose attributes :class:`streamer.system.marks.Marked` names. Out: nested lists of
plain values, and the same object in another process as it was. Nothing in them is executed: of
classes only dataclasses are made, and only of the modules that hold music and its models, which
are loaded already; arrays hold numbers; what does not look like what is there is refused.

An object that is made with its generator (a memory, a path) is filled; one that comes and goes (a
tune) is a dataclass, and made anew. Thread: that of the object.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from streamer.system.marks import Marked

ROOMS = (
    "streamer.families.", "streamer.generators.", "streamer.music.", "streamer.expression.",
    "streamer.engine.",
)  # fmt: skip
"""Modules whose dataclasses may be part of a state."""

MOST_DEPTH = 24
MOST_ITEMS = 200_000
"""Values of one state, those of arrays not counted."""

FIGURES = "_stats"
"""Counts for people, which no note depends on."""

LEAST_PACKED = 8
"""Plain numbers of one kind, so many or more, are written as an array."""

_PACKED: dict[type[Any], str] = {int: "<i8", float: "<f8"}
NUMBERS = "numbers"
"""Key under which they stand, in the place of the items."""

_SEQUENCES: dict[str, type[Any]] = {"l": list, "t": tuple, "f": frozenset, "s": set}


class Unfit(Exception):
    """What is read is no state, or not of this object; the text says why."""


def names_of(thing: Marked) -> tuple[str, ...]:
    """Return the attributes in which an object's state lies, what redraws need not undo too."""
    kind = type(thing)
    left_out = (FIGURES, *kind.rebuilt)
    return tuple(name for name in (*kind.marked, *kind.remembered) if name not in left_out)


def taken(thing: Any) -> Any:
    """Return a value as plain data.

    Raises:
        TypeError: It holds what cannot be written down: a defect.
    """
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, np.random.Generator):
        return ["r", taken(thing.bit_generator.state)]
    if isinstance(thing, Marked) and not dataclasses.is_dataclass(thing):
        return ["o", {name: taken(getattr(thing, name)) for name in names_of(thing)}]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        kind = f"{type(thing).__module__}:{type(thing).__qualname__}"
        values = {f.name: taken(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
        return ["c", kind, values]
    if isinstance(thing, np.ndarray | np.generic):
        array = np.asarray(thing)
        written: Any = array.dtype.str if array.dtype.names is None else array.dtype.descr
        return ["a", written, list(array.shape), np.ascontiguousarray(array).tobytes()]
    return _taken_container(thing)


def _taken_container(thing: Any) -> Any:
    if isinstance(thing, deque):
        return ["q", thing.maxlen, _items(thing)]
    if isinstance(thing, dict) and (keys := _packed(thing)) is not None:
        values = _packed(thing.values())
        if values is not None:
            return ["n", keys, values]
    if isinstance(thing, Mapping):
        pairs = [[taken(key), taken(value)] for key, value in thing.items()]
        return ["m" if isinstance(thing, MappingProxyType) else "d", pairs]
    for tag, kind in _SEQUENCES.items():
        if isinstance(thing, kind):
            return [tag, _items(thing)]
    if _is_stateless(thing):
        return ["k"]
    raise TypeError(f"a state must not hold {type(thing).__module__}.{type(thing).__qualname__}")


def _items(things: Collection[Any]) -> Any:
    packed = _packed(things)
    return [taken(one) for one in things] if packed is None else packed


def _packed(things: Collection[Any]) -> Any:
    """Return many plain numbers of one kind as an array; None where they are none."""
    if len(things) < LEAST_PACKED:
        return None
    kinds = {*map(type, things)}
    kind = _PACKED.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None:
        return None
    try:
        return {NUMBERS: taken(np.fromiter(things, dtype=kind, count=len(things)))}
    except OverflowError:  # numbers with more than 64 bits
        return None


def _is_stateless(thing: Any) -> bool:
    """Whether an object holds nothing: what was made in its place is the same."""
    if thing is None or type(thing).__module__ == "builtins":
        return False
    return not getattr(thing, "__dict__", None) and not getattr(type(thing), "__slots__", ())


def put_back(thing: Marked, node: Any) -> None:
    """Let an object be as it was.

    Args:
        thing: Made as the one was that the state was taken of.
        node: Of :func:`taken`, from anywhere.

    Raises:
        Unfit: It is none, or of another object; the object is then of no use.
    """
    try:
        _Reader().fill(thing, node, 0)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise Unfit("it is damaged") from error


class _Reader:
    """Reads one state; counts what it reads."""

    def __init__(self) -> None:
        self._items = 0

    def fill(self, thing: Marked, node: Any, depth: int) -> None:
        """Fill an object."""
        values = _part(node, "o", 2)[1]
        if not isinstance(values, dict) or {*values} != {*names_of(thing)}:
            raise Unfit(f"it is no state of a {type(thing).__name__}")
        for name in names_of(thing):
            setattr(thing, name, self.value(values[name], getattr(thing, name), depth + 1))
        thing.rebuild()

    def value(self, node: Any, there: Any, depth: int) -> Any:
        """Return a value; ``there`` is what stands in its place now."""
        self._items += 1
        if depth > MOST_DEPTH or self._items > MOST_ITEMS:
            raise Unfit("it is too large")
        if node is None or isinstance(node, bool | int | float | str):
            return _like(node, there)
        if not isinstance(node, list) or not node or not isinstance(node[0], str):
            raise Unfit("it is damaged")
        if node[0] == "r":
            return self._generator(node, there, depth)
        if node[0] == "k":
            if not _is_stateless(there):
                raise Unfit("it is of another kind of music")
            return there
        if node[0] == "o":
            if not isinstance(there, Marked):
                raise Unfit("it is of another kind of music")
            self.fill(there, node, depth)
            return there
        return _like(self._made(node, there, depth), there)

    def _made(self, node: list[Any], there: Any, depth: int) -> Any:
        tag = node[0]
        if tag == "a":
            return _array(node)
        if tag == "c":
            return self._instance(node, there, depth)
        if tag == "q":
            _, longest, items = _part(node, "q", 3)
            if longest is not None and (type(longest) is not int or longest < 0):
                raise Unfit("it is damaged")
            return deque(self._all(items, depth), longest)
        if tag == "n":
            _, keys, values = _part(node, "n", 3)
            return dict(zip(self._all(keys, depth), self._all(values, depth), strict=True))
        if tag in ("d", "m"):
            pairs = _part(node, tag, 2)[1]
            if not isinstance(pairs, list) or any(not _is_pair(pair) for pair in pairs):
                raise Unfit("it is damaged")
            before = there if isinstance(there, Mapping) else {}
            made = {}
            for key, value in pairs:
                key = self.value(key, None, depth + 1)
                made[key] = self.value(value, before.get(key), depth + 1)
            return MappingProxyType(made) if tag == "m" else made
        if tag in _SEQUENCES:
            return _SEQUENCES[tag](self._all(_part(node, tag, 2)[1], depth))
        raise Unfit("it is damaged")

    def _all(self, items: Any, depth: int) -> list[Any]:
        if isinstance(items, dict):
            numbers = _array(items.get(NUMBERS, []))
            if not isinstance(numbers, np.ndarray) or numbers.dtype.str not in _PACKED.values():
                raise Unfit("it is damaged")
            return [*numbers.ravel().tolist()]
        if not isinstance(items, list):
            raise Unfit("it is damaged")
        return [self.value(item, None, depth + 1) for item in items]

    def _instance(self, node: list[Any], there: Any, depth: int) -> Any:
        _, name, values = _part(node, "c", 3)
        module, _, kind = str(name).partition(":")
        found: Any = None
        if kind.isidentifier():
            found = getattr(sys.modules.get(module), kind, None)
        known = module.startswith(ROOMS) and isinstance(found, type)
        if not known or not hasattr(found, "__dataclass_fields__"):
            raise Unfit(f"it holds a {str(name)[:80]}, which this version has not")
        names = {field.name for field in dataclasses.fields(found)}
        if not isinstance(values, dict) or {*values} != names:
            raise Unfit(f"it is no state of a {kind}")
        made = {n: self.value(v, getattr(there, n, None), depth + 1) for n, v in values.items()}
        instance: Any = object.__new__(found)
        for field_name, value in made.items():
            object.__setattr__(instance, field_name, value)
        return instance

    def _generator(self, node: list[Any], there: Any, depth: int) -> np.random.Generator:
        if not isinstance(there, np.random.Generator):
            raise Unfit("it is of another kind of music")
        state = self.value(_part(node, "r", 2)[1], None, depth + 1)
        try:
            there.bit_generator.state = state
        except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
            raise Unfit("its random numbers are of another kind") from error
        return there


def _part(node: Any, tag: str, length: int) -> list[Any]:
    if not isinstance(node, list) or len(node) != length or node[0] != tag:
        raise Unfit("it is damaged")
    return node


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2


def _array(node: list[Any]) -> Any:
    _, kind, shape, data = _part(node, "a", 4)
    try:
        described = kind if isinstance(kind, str) else [(str(n), str(t)) for n, t in kind]
        dtype = np.dtype(described)
        parts = [dtype] if dtype.fields is None else [field[0] for field in dtype.fields.values()]
        if any(part.kind not in "biuf" for part in parts) or not isinstance(data, bytes):
            raise Unfit("it holds what is no number")
        array = np.frombuffer(data, dtype=dtype).reshape([int(n) for n in shape]).copy()
    except (TypeError, ValueError, OverflowError) as error:
        raise Unfit("it is damaged") from error
    if dtype.names is None and dtype.kind == "f" and np.isnan(array).any():
        raise Unfit("it holds numbers that are none")
    return array[()] if array.ndim == 0 and dtype.names is None else array


def _like(value: Any, there: Any) -> Any:
    """Return a value that may stand where another stands now.

    Raises:
        Unfit: It is of another kind.
    """
    if there is None or value is None:
        return value
    numbers = (bool, int, float, np.generic)
    if isinstance(there, numbers) and isinstance(value, numbers):
        return value
    if isinstance(there, np.ndarray):
        fits = isinstance(value, np.ndarray) and value.dtype == there.dtype
        if not fits or value.ndim != there.ndim:
            raise Unfit("it is of another kind of music")
        return value
    if isinstance(there, deque) and isinstance(value, deque):
        if value.maxlen != there.maxlen:
            raise Unfit("it is of another kind of music")
        return value
    if type(value) is not type(there):
        raise Unfit("it is of another kind of music")
    return value
