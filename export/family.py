"""What a family registers with export, and how models of a family become bundles; light to import.

A family is ``FAMILY`` in ``export/families/<name>/family.py`` and one line of
:data:`export.registry.FAMILIES`; one from another package is an entry point. A dotted name is
``package.module:attribute`` and is opened when it is used. All else, from the checkpoint to the
card, is the same for all (:mod:`export.pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from export.parity import Parity
    from streamer.bundle.bundle import Bundle
    from streamer.bundle.manifest import Manifest
    from training.run.checkpoint import Checkpoint
    from training.run.trainable import ExportableModel

M = TypeVar("M", bound="ExportableModel")


class Built(NamedTuple):
    """One graph: its name in the bundle, its file, its bytes."""

    name: str
    file: str
    model: bytes


@dataclass(frozen=True, kw_only=True)
class FamilyExport(Generic[M]):
    """How models of one class become bundles.

    Attributes:
        kind: Of the bundle's manifest.
        about: Markdown for the card: what kind of model this is.
        entropies: For the card: what the mean entropies are of (:class:`export.card.FamilyText`).
        phrase_notes: Notes of a phrase when nothing is said.
        observe: Model, file of the corpus or None, notes of a phrase -> fields of the manifest
            (``statistics`` always; ``filters``, ``judges`` and parts of the family as it has them).
        build: Model and what was observed -> its graphs.
        prove: Model, draft of the bundle, seed -> what was compared (ParityError).
        defaults: Names of the bundle's defaults that a person may set beside temperature, notes of
            a phrase and candidates.
        card_sections: Manifest -> headings and Markdown of the card that only this family has.
        rebuild: Checkpoint -> the trained model in evaluation mode (DataError); None: as the model
            is registered with training.
    """

    kind: Literal["step", "window"]
    about: str
    entropies: str
    phrase_notes: int
    observe: Callable[[M, Path | None, int], dict[str, Any]]
    build: Callable[[M, dict[str, Any]], list[Built]]
    prove: Callable[[M, Bundle, int], Parity]
    defaults: Sequence[str] = ()
    card_sections: Callable[[Manifest], Sequence[tuple[str, str]]] = lambda _manifest: ()
    rebuild: Callable[[Checkpoint], M] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFamily:
    """What one family registers.

    Attributes:
        name: Of the family, which is also that of its package.
        exporters: Name of a model to its :class:`FamilyExport`, dotted.
        baselines: What ``perpetuo bench`` compares the engine with, by name: functions
            ``(bundle) -> player`` (:mod:`export.baselines`), dotted.
        expression: Function ``(corpus file) -> tables`` of the performance layer, dotted; None
            where its corpora do not tell how music is played.
        restate: Function ``(bundle, corpus file, target) -> line``, dotted: writes a bundle anew
            with what its corpus says now.
        filter: Function ``(bundle, folder, target) -> line``, dotted: writes a bundle anew with
            trained filters.
        ear: Function ``(bundle, folder, target) -> line``, dotted: writes a bundle anew with a
            trained ear.
        unwrap: Function ``(bundle, checkpoint file) -> line``, dotted: writes the checkpoint of a
            bundle.
    """

    name: str
    exporters: Mapping[str, str]
    baselines: Mapping[str, str] = field(default_factory=dict)
    expression: str | None = None
    restate: str | None = None
    filter: str | None = None
    ear: str | None = None
    unwrap: str | None = None
