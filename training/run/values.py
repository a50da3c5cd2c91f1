"""Values of a preset: each of the kind, and in the range, that its dataclass declares.

In: values as TOML has them. Out: what is wrong with them, one line each. Ranges are the dataclass's
own (its ``__post_init__``); a kind is that of the annotation. Any thread.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def wrong_kinds(table: type, values: Mapping[str, Any], section: str) -> list[str]:
    """Return a line for each value that is not of the kind which its field is declared as.

    Args:
        table: A dataclass.
        values: Of its fields; names that it has not are left alone.
        section: Before each name, as ``loop`` in ``loop.epochs``.
    """
    kinds = get_type_hints(table)
    return [
        f"{section}.{name}: must be {_named(kinds[name])}, not {value!r}"
        for name, value in values.items()
        if name in kinds and not _fits(kinds[name], value)
    ]


def _fits(kind: Any, value: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(part, value) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        listed = isinstance(value, list | tuple)
        many = (parts[0],) * len(value) if listed and parts[-1] is Ellipsis else parts
        pairs = zip(many, value, strict=True) if listed and len(many) == len(value) else ()
        return listed and len(many) == len(value) and all(_fits(*pair) for pair in pairs)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(parts[1], one) for one in value.values())
    if origin is list:
        return isinstance(value, list) and all(_fits(parts[0], one) for one in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return number and isinstance(value, int)
    if kind is float:
        return number and math.isfinite(value)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _named(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_named(part) for part in parts if part is not type(None))
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        return f"{len(parts)} of {_named(parts[0]).removeprefix('a ')}s in brackets"
    return _NAMES.get(kind, "a table" if origin is dict else str(kind))
