"""What the exporter must know of a family of models: how to build, measure and prove it.

Each family has a module (``chain.py``, ``tunes.py``) that makes one :class:`FamilyExport`, and a
line in :mod:`export.registry`. All else, from the checkpoint to the card, is the same for all
(:mod:`export.pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from export.parity import Parity
from streamer.bundle import Bundle


class Built(NamedTuple):
    """One graph: its name in the bundle, its file, its bytes."""

    name: str
    file: str
    model: bytes


@dataclass(frozen=True)
class FamilyExport:
    """How models of a family become bundles.

    Attributes:
        kind: Of the bundle's manifest.
        about: Markdown for the card: what kind of model this is.
        phrase_notes: Notes of a phrase when nothing is said.
        observe: Model, file of the corpus or None, notes of a phrase -> fields of the manifest
            (``statistics`` always; ``filters``, ``judges``, ``tunes``, ... as the family has them).
        build: Model and what was observed -> its graphs.
        check: Draft of the bundle -> nothing, or the error with which the edge would refuse to
            play it by its defaults.
        prove: Model, draft of the bundle, seed -> what was compared (ParityError).
    """

    kind: Literal["step", "window"]
    about: str
    phrase_notes: int
    observe: Callable[[Any, Path | None, int], dict[str, Any]]
    build: Callable[[Any, dict[str, Any]], list[Built]]
    check: Callable[[Bundle], object]
    prove: Callable[[Any, Bundle, int], Parity]
