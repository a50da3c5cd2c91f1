"""The families that can play: what each brings to the shared rooms, as data and dotted names.

In: the name of a family, of a model, a codec, a part of the manifest or a table of the settings.
Out: the :class:`Family` that registers it, and what its dotted names stand for, imported when it is
asked for. A shared room asks here and never names a family. Any thread.

A family of this program is one line of :data:`FAMILIES`; one from outside is a package with an
entry point of the group :data:`GROUP`, whose name is the family's and whose value
``module:attribute`` is its :class:`Family`. Entry points are read when a name is met that no family
of this program registers, or when all families are listed, and then only where some package
registers one (:mod:`streamer.system.packages`): a start does not wait for them.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar

from streamer.errors import StreamerError
from streamer.system import packages

logger = logging.getLogger(__name__)

FAMILIES = ("chain", "tunes", "windows", "bands")
"""Families of this program; each is ``FAMILY`` in ``streamer.families.<name>.family``."""

GROUP = "perpetuo.families"
OURS = ("streamer", "training", "export")
"""Packages of this program."""


class Named(Protocol):
    """What a package registers under a name."""

    @property
    def name(self) -> str:
        """Of the entry point too."""


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What one family registers. A dotted name is ``package.module:attribute``.

    Attributes:
        name: Of the family, which is also that of its package.
        models: What ``family`` may be in the manifest of its bundles.
        codecs: Name of a codec to its class, dotted; a name that ends in ``*`` stands for all that
            begin so.
        kind: Of its bundles: ``step`` plays notes one after another, ``window`` a section at a
            time.
        arguments: What the arguments of its codecs are called, in the order of their sizes.
        tempered: Whether each argument may have a temperature of its own; else one is for all.
        parts: Key of the manifest to the type of its value, dotted: a ``msgspec.Struct``, or a list
            of such.
        problems: Function ``(manifest, codec) -> list[str]``, dotted: what contradicts itself in a
            manifest, each a line without path or remedy. None checks nothing.
        settings: Table of the settings file to its dataclass, dotted.
        controls: Dataclass of its live controls, dotted; None has none of its own.
        open: Function ``(bundle, settings, controls, rng, filters, runtime) -> Opened``, dotted
            (:class:`streamer.generators.base.Opened`).
        floors: Function ``(bundle) -> list of (rows, columns, times)``, dotted: the matrix products
            that no writing of its graphs could do without.
        check_defaults: Function ``(bundle) -> None``, dotted: BundleError where a default of the
            bundle cannot be used.
        about: What it plays, in a few words for people; "" where it does not say.
    """

    name: str
    models: tuple[str, ...]
    codecs: Mapping[str, str]
    kind: str
    arguments: tuple[str, ...]
    open: str
    floors: str
    check_defaults: str
    tempered: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    problems: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    controls: str | None = None
    about: str = ""

    def codec(self, name: str) -> str | None:
        """Return the dotted name of a codec's class; None where the codec is another family's."""
        for known, dotted in self.codecs.items():
            if name == known or (known.endswith("*") and name.startswith(known[:-1])):
                return dotted
        return None


def opened(dotted: str) -> Any:
    """Import what a dotted name ``package.module:attribute`` stands for.

    Raises:
        StreamerError: Another package has no such module or attribute, or needs what is not
            installed. (In this program that is a defect, and raised as it is.)
    """
    module, _, attribute = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if module.partition(".")[0] in OURS:
            raise
        raise StreamerError(
            f"{dotted} cannot be opened ({error}); update or remove its package"
        ) from error


@cache
def built_in() -> tuple[Family, ...]:
    """Return the families of this program, in the order of :data:`FAMILIES`."""
    return tuple(opened(f"streamer.families.{name}.family:FAMILY") for name in FAMILIES)


@cache
def outside() -> tuple[Family, ...]:
    """Return the families of other packages, by name; one that is broken is logged and left out."""
    return from_other_packages(GROUP, Family, FAMILIES)


def from_other_packages(group: str, kind: type[N], taken: Sequence[str]) -> tuple[N, ...]:
    """Return what other packages register in an entry-point group, by name.

    An entry point that cannot be loaded, or is none of ``kind`` under its own name, is logged and
    left out: a broken package must not keep those of this program from working.

    Args:
        group: Of entry points.
        kind: What each must be.
        taken: Names of this program.
    """
    if not packages.registers(group):
        return ()
    # Imported here: it costs as much as the whole command to import.
    from importlib import metadata

    found = []
    for entry in sorted(metadata.entry_points(group=group), key=lambda entry: entry.name):
        try:
            family = entry.load()
        except Exception as error:  # noqa: BLE001 - whatever another package raises on import
            wrong = f"{type(error).__name__}: {error}"
        else:
            if isinstance(family, kind) and entry.name == family.name and entry.name not in taken:
                found.append(family)
                continue
            wrong = (
                f"{entry.value} must be a {kind.__name__} called {entry.name}, and not one of ours"
            )
        logger.warning("family %s is left out: %s; update or remove its package", entry.name, wrong)
    return tuple(found)


def every() -> tuple[Family, ...]:
    """Return all families that are installed, those of this program first."""
    return (*built_in(), *outside())


def find(has: Callable[[Family], bool]) -> Family | None:
    """Return the first family that ``has`` says yes to; None where there is none."""
    return next((family for family in _in_turn() if has(family)), None)


def family_of(model: str, codec: str) -> Family | None:
    """Return the family of a bundle: that of its model, or else that of its codec.

    Args:
        model: What the manifest calls ``family``.
        codec: Name of the bundle's codec.
    """
    return find(lambda family: model in family.models) or find(
        lambda family: family.codec(codec) is not None
    )


def _in_turn() -> Iterator[Family]:
    """Yield every family; entry points are read when those of this program have been passed by."""
    yield from built_in()
    yield from outside()
