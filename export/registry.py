"""The families that can be exported, by the names that checkpoints and bundles have.

In: the name of a model. Out: what its family registers (:mod:`export.family`), and its exporter,
imported when it is asked for; torch and onnx come with an exporter and not with this module.

A family of this program is one line of :data:`FAMILIES`; one from outside is a package with an
entry point of the group :data:`GROUP`, whose name is the family's and whose value
``module:attribute`` is its :class:`export.family.ExportFamily`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from export.family import ExportFamily, FamilyExport
from streamer.registry import from_other_packages, opened

FAMILIES = ("chain", "tunes", "windows", "bands")
"""Families of this program; each is ``FAMILY`` in ``export.families.<name>.family``."""

GROUP = "perpetuo.export_families"


@cache
def families() -> tuple[ExportFamily, ...]:
    """Return all families that are installed, those of this program first."""
    ours = [opened(f"export.families.{name}.family:FAMILY") for name in FAMILIES]
    return (*ours, *from_other_packages(GROUP, ExportFamily, FAMILIES))


def exportable() -> dict[str, str]:
    """Return the models that can be exported, by name, with the dotted name of the exporter."""
    return {model: dotted for family in families() for model, dotted in family.exporters.items()}


def exporter(model: str) -> FamilyExport[Any]:
    """Return how a model becomes a bundle (KeyError where it cannot)."""
    found: FamilyExport[Any] = opened(exportable()[model])
    return found


def family_of(model: str) -> ExportFamily | None:
    """Return the family of a model; None where none registers it."""
    return next((family for family in families() if model in family.exporters), None)
