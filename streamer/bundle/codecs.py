"""Codecs by name: what the classes of a bundle's graphs mean, whichever family it is of.

In: the plain form that a manifest, tensor file or checkpoint holds. Out: a codec. What all codecs
have in common is enough for noise, engine and manifest; who needs more of one (the generator of a
family, its training) asks for it by its class with :func:`codec_as`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from streamer.registry import Family, every, find, opened


class Codec(Protocol):
    """Class tables of a note's arguments, in the order in which they are sampled."""

    @property
    def name(self) -> str:
        """Which codec this is, in manifests and tensor files."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Classes of each argument."""

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each argument begins in a row of all classes, and last the row's width."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tables: equal when and only when classes mean the same notes."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; :func:`codec_from_dict` reads it."""


@runtime_checkable
class SectionCodec(Codec, Protocol):
    """What the codecs of families that compose a section at a time have beside that."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a section; its steps are the first axis."""

    @property
    def beats(self) -> float:
        """Length of a section, quarter notes."""


C = TypeVar("C")


def codec_from_dict(data: Mapping[str, Any]) -> Codec:
    """Read the plain form of any codec that a family registers.

    Raises:
        ValueError: No codec has that name, or its tables are not whole.
        KeyError: A table is missing.
    """
    name = str(data["name"])
    family = _family_with(name)
    dotted = None if family is None else family.codec(name)
    if dotted is None:
        known = ", ".join(codec for each in every() for codec in each.codecs)
        raise ValueError(f"no codec is called {name!r}; there are {known}")
    codec: Codec = opened(dotted).from_dict(data)
    return codec


def codec_as(codec: Codec, kind: type[C]) -> C:
    """Return the codec as one of its own class.

    Raises:
        ValueError: It is another.
    """
    if not isinstance(codec, kind):
        raise ValueError(f"codec {codec.name} is no {kind.__name__}")
    return codec


def argument_names(codec: Codec) -> tuple[str, ...]:
    """Return what the codec's arguments are called, one name for each of its sizes.

    Raises:
        ValueError: No family registers the codec.
    """
    family = _family_with(codec.name)
    if family is None:
        raise ValueError(f"no family has a codec called {codec.name!r}")
    return family.arguments


def _family_with(codec: str) -> Family | None:
    return find(lambda family: family.codec(codec) is not None)
