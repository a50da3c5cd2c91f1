"""Checkpoint in, proven bundle out: the steps of ``perpetuo export`` in their order.

Rebuild the model, round its weights, build the graph, take ground truth, write manifest and card,
load the result as the edge would, and play both against each other. Only then does the bundle get
its name.
"""

from __future__ import annotations

import datetime as dt
import logging
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import torch

from export.bundle import describe_graph, make_manifest, write_bundle
from export.card import FamilyText, write_card
from export.family import Built, FamilyExport
from export.licences import NOTICES, UNKNOWN, sources_of, weights_licence
from export.parity import Parity
from export.registry import exporter, families
from export.wrap import load_for_export
from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import Manifest
from streamer.errors import ConfigError
from streamer.pipeline import check_defaults
from streamer.registry import opened
from streamer.version import __version__
from training.run.checkpoint import Checkpoint
from training.run.trainable import ExportableModel

logger = logging.getLogger(__name__)

_NOT_TOLD = ("corpus", "prepared", "versions", "seed")
"""Entries of a checkpoint that have a place of their own in the manifest, or are too long."""

_DEFAULTS = {"temperature": 1.0, "phrase_notes": 0, "candidates": 16}
"""Defaults that every bundle has; notes of a phrase are the family's where nothing is said."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


@dataclass(frozen=True)
class ExportOptions:
    """How a checkpoint becomes a bundle.

    Attributes:
        name: The bundle's name; None takes the preset's.
        target: The bundle's folder; None takes the name, in the working directory.
        tensors: File of the corpus for the ground truth; None leaves it out.
        expression: Corpus file from whose tracks velocity and timing are learnt, for a model that
            has none of its own; only what all of its styles share is taken.
        licence: SPDX identifier; None takes the strictest that the corpora ask for.
        corpus: One line on the corpus; None is made from the collections' names.
        remarks: Markdown for the card.
        phrase_notes: Notes of a phrase; None takes what the family usually has.
        defaults: Entries of the manifest's defaults that differ.
        seed: Of the parity proof's noise.
    """

    name: str | None = None
    target: Path | None = None
    tensors: Path | None = None
    expression: Path | None = None
    licence: str | None = None
    corpus: str | None = None
    remarks: str = ""
    phrase_notes: int | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Exported:
    """What came of it."""

    bundle: Bundle
    parity: Parity


def export_checkpoint(path: Path, options: ExportOptions = ExportOptions()) -> Exported:
    """Export; nothing is left behind on failure.

    Args:
        path: A checkpoint, or a run folder.
        options: See there.

    Raises:
        DataError: The checkpoint or the tensors cannot be used.
        ConfigError: The name cannot be a bundle's, or a default is none of the family's.
        ParityError: The graph does not play what the model plays.
        BundleError: The target cannot be written, or the defaults are not playable.
    """
    checkpoint, model = load_for_export(path)
    name = options.name or str(checkpoint.training.get("preset") or checkpoint.family)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            [f"--name must be lower-case letters, digits and dashes (48 at most), not {name!r}"]
        )
    family = exporter(checkpoint.family)
    _check_defaults(family, checkpoint.family, options.defaults)
    phrase_notes = options.phrase_notes or family.phrase_notes
    observed = family.observe(model, options.tensors, phrase_notes)
    if options.expression is not None:
        observed["expression"] = _expression(options.expression)
    built = family.build(model, observed)
    manifest = _manifest(name, checkpoint, built, options, phrase_notes, family, observed)
    weights = sum(p.numel() for p in model.parameters())
    target = options.target or Path(name)
    parity = _prove(family, model, manifest, built, options.seed)
    metrics = {**manifest.metrics, "parity": asdict(parity)}
    manifest = msgspec.structs.replace(manifest, metrics=metrics)
    size = sum(len(graph.model) for graph in built)
    text = FamilyText(family.about, family.entropies, family.card_sections(manifest))
    card = write_card(manifest, text, weights=weights, size=size, remarks=options.remarks)
    return Exported(write_bundle(target, manifest, _files(built), card), parity)


def _check_defaults(family: FamilyExport[Any], model: str, defaults: Mapping[str, Any]) -> None:
    """Refuse defaults that the edge would never look at (ConfigError)."""
    known = (*_DEFAULTS, *family.defaults)
    own = ", ".join(family.defaults) or "none"
    problems = [
        f"--default {name}: of {model} there is {own}" for name in defaults if name not in known
    ]
    if problems:
        raise ConfigError(problems)


def _expression(path: Path) -> dict[str, Any]:
    """Return the tables of the performance layer that a corpus file teaches.

    Raises:
        DataError: It teaches none.
    """
    learn = next(family.expression for family in families() if family.expression is not None)
    tables: dict[str, Any] = opened(learn)(path)
    return tables


def _files(built: list[Built]) -> dict[str, bytes]:
    return {graph.file: graph.model for graph in built}


def _prove(
    family: FamilyExport[Any],
    model: ExportableModel,
    manifest: Manifest,
    built: list[Built],
    seed: int,
) -> Parity:
    """Play a draft of the bundle, loaded from disk as the edge loads it, against the model."""
    with tempfile.TemporaryDirectory(prefix="perpetuo-export-") as folder:
        draft = write_bundle(Path(folder) / "draft", manifest, _files(built), "")
        check_defaults(draft)
        parity = family.prove(model, draft, seed)
    logger.info(
        "parity: %d notes identical, log-probabilities within %.1e nats",
        parity.notes,
        parity.log_prob_error,
    )
    return parity


def _manifest(
    name: str,
    checkpoint: Checkpoint,
    built: list[Built],
    options: ExportOptions,
    phrase_notes: int,
    family: FamilyExport[Any],
    observed: dict[str, Any],
) -> Manifest:
    training = checkpoint.training
    sources = sources_of(training.get("corpus", {}))
    licence = options.licence or weights_licence(sources)
    told = {key: value for key, value in training.items() if key not in _NOT_TOLD}
    defaults = {**_DEFAULTS, "phrase_notes": phrase_notes, **options.defaults}
    return make_manifest(
        name,
        checkpoint.codec_tables(),
        [describe_graph(*graph) for graph in built],
        family=checkpoint.family,
        kind=family.kind,
        defaults=defaults,
        corpus=options.corpus or ", ".join(source.name for source in sources),
        sources=sources,
        licence=licence,
        licence_notice=NOTICES.get(licence, NOTICES[UNKNOWN] if not options.licence else ""),
        config={"model": checkpoint.config, "training": told},
        seed=int(training.get("seed", 0)),
        metrics={**checkpoint.metrics, **({"unit": checkpoint.unit} if checkpoint.unit else {})},
        versions={**training.get("versions", {}), **_versions()},
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        **observed,
    )


def _versions() -> dict[str, str]:
    return {
        "perpetuo": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "onnx": version("onnx"),
        "onnxruntime": version("onnxruntime"),
    }
