"""Check plain values (from TOML or a command line) against the annotations of a dataclass.

In: an annotation such as ``Annotated[float, Range(0.1, 4.0)] | None`` and a value. Out: the value
as that type, or :class:`Wrong` with the legal values in words. Called by ``streamer.settings``.
"""

from __future__ import annotations

import json
import os
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

MOST_SHOWN = 80
"""Characters of a wrong value in a message."""


@dataclass(frozen=True, slots=True)
class Range:
    """The legal values of a number, both ends included; ``unit`` is what it counts."""

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{' ' + self.unit if self.unit else ''}"


class Wrong(Exception):
    """A value that a setting cannot take; the text says what it must be."""


def shown(value: Any) -> str:
    """Return a value as TOML writes it; a long one is cut, or only named where it is a number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        text = json.dumps(str(value))
    else:
        try:
            text = str(value)
        except ValueError:  # Python writes no number of more than 4,300 digits
            return "a number that is far too long"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def takes(annotation: Any, kind: type) -> bool:
    """Whether a value of ``kind`` is one of those that the annotation allows."""
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return any(takes(part, kind) for part in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return takes(get_args(annotation)[0], kind)
    return annotation is kind


def convert(annotation: Any, value: Any) -> Any:
    """Return ``value`` as the annotation's type.

    Raises:
        Wrong: With what it must be.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _number(parts[0], parts[1], value)
    if origin in (Union, types.UnionType):
        wanted: list[str] = []
        for part in parts:
            if part is type(None):
                continue
            try:
                return convert(part, value)
            except Wrong as wrong:
                wanted.append(str(wrong))
        raise Wrong(" or ".join(dict.fromkeys(wanted)))
    if origin is Literal:
        if value not in parts:
            raise Wrong(f"one of {', '.join(map(str, parts))}")
        return value
    if origin is tuple:
        return _tuple(parts, value)
    if annotation is Path:
        if not isinstance(value, str | Path) or not str(value):
            raise Wrong("a path")
        return Path(os.path.expanduser(value))
    if annotation is bool:
        if not isinstance(value, bool):
            raise Wrong("true or false")
        return value
    if not isinstance(value, str) or not value.strip():
        raise Wrong("a text that is not empty")
    return value


def _number(kind: type, legal: Range, value: Any) -> int | float:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or (kind is float and isinstance(value, float))):
        raise Wrong(f"{'a whole number' if kind is int else 'a number'} in {legal}")
    if not legal.low <= value <= legal.high:
        raise Wrong(f"in range {legal}")
    return int(value) if kind is int else float(value)


def _tuple(parts: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(parts) == 2 and parts[1] is Ellipsis:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(convert(parts[0], item) for item in items)
    if not isinstance(value, list | tuple) or len(value) != len(parts):
        raise Wrong(f"{len(parts)} such values in a row")
    return tuple(convert(part, item) for part, item in zip(parts, value, strict=True))
