"""Declarations: what the annotation of a dataclass field says of its values, and the checks by it.

In: an annotation such as ``Annotated[float, Range(0.1, 4.0)] | None`` and a plain value, from TOML
or a command line. Out: the value as that type, or :class:`Wrong` with the legal values in words.

A live control says more of itself, and once, with a :class:`Control` beside its :class:`Range`. Out
of it comes a :class:`ControlSpec`, from which every surface is made: the table of the settings,
options, MIDI learn, scenes, documentation. Shared controls are fields of
:class:`streamer.settings.controls.Controls`; a family's own are fields of a :class:`ControlGroup`
of its package. No numpy, nothing that makes a start slow.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from streamer.system.reading import named_path

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


@dataclass(frozen=True, slots=True)
class Text:
    """The legal values of a text: ``pattern`` matches all of it; ``words`` says what it must be."""

    pattern: re.Pattern[str]
    words: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The legal values of a text that is read: those that ``read`` takes.

    Attributes:
        read: Returns the text as it is kept; ValueError with a few words that name what is wrong.
        words: What it must be.
        examples: Some, the plainest first: a knob goes through them.
    """

    read: Callable[[str], str]
    words: str
    examples: tuple[str, ...]


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
        legal = next((part for part in parts[1:] if isinstance(part, Range | Text | Reading)), None)
        if isinstance(legal, Reading):
            return _read(legal, value)
        if isinstance(legal, Text):
            if not isinstance(value, str) or not legal.pattern.fullmatch(value):
                raise Wrong(legal.words)
            return value
        return convert(parts[0], value) if legal is None else _number(parts[0], legal, value)
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
        return named_path(value)
    if annotation is bool:
        if not isinstance(value, bool):
            raise Wrong("true or false")
        return value
    if not isinstance(value, str) or not value.strip():
        raise Wrong("a text that is not empty")
    return value


def _read(legal: Reading, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(legal.words)
    try:
        return legal.read(value)
    except ValueError as error:
        raise Wrong(f"{legal.words} ({error})") from error


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


Way = Literal["send", "redraw", "start"]

HEARD: Mapping[Way, str] = types.MappingProxyType(
    {
        "send": "at once",
        "redraw": "soon",
        "start": "at the next start",
    }
)
"""How soon a change is heard, by the path that it takes. Soon is a moment from now, or the next
note or beat where the music can change: what is written from there on is drawn again."""


@dataclass(frozen=True, slots=True)
class Control:
    """What a field's annotation says of a live control beside its type and range.

    Attributes:
        group: What it belongs to where controls are listed, one word or two.
        path: Where a change is obeyed: ``send`` in the next message that leaves, ``redraw`` in
            what is drawn again from a moment later on, ``start`` when the program starts again.
        help: What it does, in plain words; a phrase without a full stop.
        neutral: The value at the middle of a knob, where nothing is changed. None takes the
            default where that lies inside the range; a range without one is a line from end to end.
        families: Names of the families that obey it; empty for all. Of a control that a family
            declares for itself this is that family.
        unset: What holds while the control is None, where it may be: a phrase; and the value that
            an example shows.
    """

    group: str
    path: Way
    help: str
    neutral: float | None = None
    families: tuple[str, ...] = ()
    unset: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """One live control with all that is known of it.

    Attributes:
        name: Unique among all controls of all families.
        annotation: Its type and legal values, as :func:`convert` takes it.
        default: Its value where nothing is said.
        declared: What its annotation says.
        families: Names of the families that obey it; empty for all.
    """

    name: str
    annotation: Any
    default: Any
    declared: Control
    families: tuple[str, ...]

    @property
    def range(self) -> Range | None:
        """The legal values of a number; None of what is no number."""
        return next((part for part in _parts(self.annotation) if isinstance(part, Range)), None)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words of which it is one; none of what is a number or a switch."""
        for part in _parts(self.annotation):
            if get_origin(part) is Literal:
                return tuple(map(str, get_args(part)))
        return ()

    @property
    def reading(self) -> Reading | None:
        """How its text is read; None of what is no text."""
        return next((part for part in _parts(self.annotation) if isinstance(part, Reading)), None)

    @property
    def examples(self) -> tuple[str, ...]:
        """The words that a knob goes through: the choices, or examples of a text."""
        return self.choices if self.reading is None else self.reading.examples

    @property
    def kind(self) -> Literal["number", "whole number", "switch", "choice", "text"]:
        """What its values are."""
        if self.choices:
            return "choice"
        if self.reading is not None:
            return "text"
        if takes(self.annotation, float):
            return "number"
        return "whole number" if takes(self.annotation, int) else "switch"

    @property
    def unit(self) -> str:
        """What its numbers count; "" for numbers that count nothing."""
        return self.range.unit if self.range else ""

    @property
    def neutral(self) -> float | None:
        """The value at a knob's middle; None where a knob is a line from end to end."""
        wanted = self.default if self.declared.neutral is None else self.declared.neutral
        if self.range is None or wanted is None or not self.range.low < wanted < self.range.high:
            return None
        return float(wanted)

    @property
    def optional(self) -> bool:
        """Whether it may be None: what the model, or another setting, says."""
        return self.declared.unset is not None

    @property
    def heard(self) -> str:
        """How soon a change is heard."""
        return HEARD[self.declared.path]

    def convert(self, value: Any) -> Any:
        """Return a value as this control's type.

        Raises:
            ValueError: With the name and the legal values.
        """
        if value is None and self.optional:
            return None
        try:
            return convert(self.annotation, value)
        except Wrong as wrong:
            raise ValueError(f"{self.name} must be {wrong}, not {shown(value)}") from wrong


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """Base of a frozen dataclass whose fields are live controls; checks their values.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    def __post_init__(self) -> None:
        problems = []
        for spec in specs_of(type(self)):
            try:
                object.__setattr__(self, spec.name, spec.convert(getattr(self, spec.name)))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))


def specs_of(group: type[ControlGroup], family: str | None = None) -> tuple[ControlSpec, ...]:
    """Return the controls that a dataclass declares, in the order of its fields.

    Args:
        group: A frozen dataclass; fields without a :class:`Control` are none.
        family: Whose own controls they are; None takes the families that the declarations name.
    """
    specs = _declared(group)  # type: ignore[arg-type]  # a class has a hash, whatever mypy says
    return specs if family is None else tuple(replace(one, families=(family,)) for one in specs)


@cache
def _declared(group: Any) -> tuple[ControlSpec, ...]:
    hints = get_type_hints(group, include_extras=True)
    return tuple(
        ControlSpec(
            name=field.name,
            annotation=hints[field.name],
            default=field.default,
            declared=part,
            families=part.families,
        )
        for field in fields(group)
        for part in _parts(hints[field.name])
        if isinstance(part, Control)
    )


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and all that it is made of, unions and metadata opened."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _parts(part)
