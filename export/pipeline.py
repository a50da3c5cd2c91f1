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
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import torch

import streamer
from export.bundle import describe_graph, make_manifest, write_bundle
from export.card import write_card
from export.graph import build_chain_graph
from export.licences import NOTICES, UNKNOWN, sources_of, weights_licence
from export.parity import Parity, prove_parity
from export.statistics import PHRASE_NOTES, measure_judges, measure_statistics
from export.wrap import load_for_export
from streamer.bundle import Bundle
from streamer.engine import Engine
from streamer.errors import ConfigError
from streamer.manifest import STEP_GRAPH, Manifest, Statistics
from streamer.pipeline import step_settings
from streamer.settings import Settings
from training.checkpoint import Checkpoint
from training.data.tensors import TensorSet

logger = logging.getLogger(__name__)

GRAPH_FILE = "chain.onnx"

_NOT_TOLD = ("corpus", "prepared", "versions", "seed")
"""Entries of a checkpoint that have a place of their own in the manifest, or are too long."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


@dataclass(frozen=True)
class ExportOptions:
    """How a checkpoint becomes a bundle.

    Attributes:
        name: The bundle's name; None takes the preset's.
        target: The bundle's folder; None takes the name, in the working directory.
        tensors: Tensor file for the ground truth; None leaves it out.
        licence: SPDX identifier; None takes the strictest that the corpora ask for.
        corpus: One line on the corpus; None is made from the collections' names.
        remarks: Markdown for the card.
        phrase_notes: Notes of a phrase.
        defaults: Entries of the manifest's defaults that differ.
        seed: Of the parity proof's noise.
    """

    name: str | None = None
    target: Path | None = None
    tensors: Path | None = None
    licence: str | None = None
    corpus: str | None = None
    remarks: str = ""
    phrase_notes: int = PHRASE_NOTES
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
        ConfigError: The name cannot be a bundle's.
        ParityError: The graph does not play what the model plays.
        BundleError: The target cannot be written, or the defaults are not playable.
    """
    checkpoint, model = load_for_export(path)
    name = options.name or str(checkpoint.training.get("preset") or checkpoint.family)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            [f"--name must be lower-case letters, digits and dashes (48 at most), not {name!r}"]
        )
    graph = build_chain_graph(model.export_arrays()).SerializeToString(deterministic=True)
    if options.tensors is None:
        statistics, judges = Statistics(options.phrase_notes), {}
    else:
        tensors = TensorSet.load(options.tensors)
        statistics = measure_statistics(model, tensors, options.phrase_notes)
        judges = measure_judges(tensors)
    manifest = _manifest(name, checkpoint, graph, statistics, options)
    manifest = msgspec.structs.replace(manifest, judges=judges)
    weights = sum(p.numel() for p in model.parameters())
    target = options.target or Path(name)
    parity = _prove(model, manifest, graph, options.seed)
    metrics = {**manifest.metrics, "parity": asdict(parity)}
    manifest = msgspec.structs.replace(manifest, metrics=metrics)
    card = write_card(manifest, weights, len(graph), options.remarks)
    return Exported(write_bundle(target, manifest, {GRAPH_FILE: graph}, card), parity)


def _prove(model: Any, manifest: Manifest, graph: bytes, seed: int) -> Parity:
    """Play a draft of the bundle, loaded from disk as the edge loads it, against the model."""
    with tempfile.TemporaryDirectory(prefix="perpetuo-export-") as folder:
        draft = write_bundle(Path(folder) / "draft", manifest, {GRAPH_FILE: graph}, "")
        step_settings(draft, Settings())  # whether the edge can play by its defaults
        parity = prove_parity(model, Engine(draft), seed)
    logger.info(
        "parity: %d notes identical, log-probabilities within %.1e nats",
        parity.notes,
        parity.log_prob_error,
    )
    return parity


def _manifest(
    name: str,
    checkpoint: Checkpoint,
    graph: bytes,
    statistics: Statistics,
    options: ExportOptions,
) -> Manifest:
    training = checkpoint.training
    sources = sources_of(training.get("corpus", {}))
    licence = options.licence or weights_licence(sources)
    told = {key: value for key, value in training.items() if key not in _NOT_TOLD}
    defaults = {
        "temperature": 1.0,
        "phrase_notes": options.phrase_notes,
        "candidates": 16,
        **options.defaults,
    }
    return make_manifest(
        name,
        checkpoint.codec_tables(),
        [describe_graph(STEP_GRAPH, GRAPH_FILE, graph)],
        statistics,
        family=checkpoint.family,
        filters=limits_from(statistics),
        defaults=defaults,
        corpus=options.corpus or ", ".join(source.name for source in sources),
        sources=sources,
        licence=licence,
        licence_notice=NOTICES.get(licence, NOTICES[UNKNOWN] if not options.licence else ""),
        config={"model": checkpoint.config, "training": told},
        seed=int(training.get("seed", 0)),
        metrics=dict(checkpoint.metrics),
        versions={**training.get("versions", {}), **_versions()},
        created=dt.datetime.now(dt.UTC).date().isoformat(),
    )


def limits_from(statistics: Statistics) -> dict[str, float | list[float]]:
    """Return bounds of the hard filters: what one phrase in a thousand of the corpus goes beyond.

    Named as the fields of :class:`streamer.selection.filters.Limits`.
    """
    if not statistics.note:
        return {}
    low, high = statistics.levels.index(0.001), statistics.levels.index(0.999)
    note = statistics.note
    return {
        "mean_pitch": [note["pitch"][low], note["pitch"][high]],
        "density": [note["density"][low], note["density"][high]],
        "velocity": [note["velocity"][low], note["velocity"][high]],
        "polyphony": note["polyphony"][high],
        "longest_rest_ms": note["longest_rest_ms"][high],
    }


def _versions() -> dict[str, str]:
    return {
        "perpetuo": streamer.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "onnx": version("onnx"),
        "onnxruntime": version("onnxruntime"),
    }
