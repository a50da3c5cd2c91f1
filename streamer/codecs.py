"""Codecs by name: what the classes of a bundle's graphs mean, whichever family it is of.

In: the plain form that a manifest, tensor file or checkpoint holds. Out: a codec. What all codecs
have in common is enough for noise, engine and manifest; who needs more of one (the generator of a
family, its training) asks for it by its class with :func:`codec_as`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from streamer.bands import BAND_CODEC_NAME, TRACKS, BandCodec
from streamer.codec import ChainCodec
from streamer.notes import ARGUMENTS
from streamer.tunes import TUNE_ARGUMENTS, TUNE_CODEC_NAME, TuneCodec
from streamer.windows import ROLL_CODECS, WINDOW_ARGUMENTS, RollCodec


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


C = TypeVar("C")

_CHAIN_PREFIX = "weber-"


def codec_from_dict(data: Mapping[str, Any]) -> Codec:
    """Read the plain form of any codec.

    Raises:
        ValueError: No codec has that name, or its tables are not whole.
        KeyError: A table is missing.
    """
    name = str(data["name"])
    if name.startswith(_CHAIN_PREFIX):
        return ChainCodec.from_dict(data)
    if name == TUNE_CODEC_NAME:
        return TuneCodec.from_dict(data)
    if name in ROLL_CODECS:
        return RollCodec.from_dict(data)
    if name == BAND_CODEC_NAME:
        return BandCodec.from_dict(data)
    known = ", ".join((f"{_CHAIN_PREFIX}*", TUNE_CODEC_NAME, *ROLL_CODECS, BAND_CODEC_NAME))
    raise ValueError(f"no codec is called {name!r}; there are {known}")


def codec_as(codec: Codec, kind: type[C]) -> C:
    """Return the codec as one of its own class.

    Raises:
        ValueError: It is another.
    """
    if not isinstance(codec, kind):
        raise ValueError(f"codec {codec.name} is no {kind.__name__}")
    return codec


def argument_names(codec: Codec) -> tuple[str, ...]:
    """Return what the codec's arguments are called, one name for each of its sizes."""
    if codec.name in ROLL_CODECS:
        return WINDOW_ARGUMENTS
    if codec.name == BAND_CODEC_NAME:
        return TRACKS
    return TUNE_ARGUMENTS if codec.name == TUNE_CODEC_NAME else ARGUMENTS
