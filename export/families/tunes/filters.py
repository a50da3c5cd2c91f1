"""Puts filters into a bundle: a folder of ``perpetuo train filter`` in, the bundle anew out.

Each classifier becomes a graph and is proven against scikit-learn's own answers, the fingerprint
becomes a graph and is proven against its table; manifest and card say what they are and what their
labels were. What the bundle had of the kind before is replaced.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from export.bundle import describe_graph, write_bundle
from export.families.tunes.classifier_graph import build_classifier_graph, prove
from export.families.tunes.fingerprint_graph import build_fingerprint_graph
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.bundle.manifest import GraphSpec, Manifest
from streamer.engine.session import open_session
from streamer.errors import DataError
from streamer.families.tunes.features import TUNE_FEATURES
from streamer.families.tunes.fingerprint import known_in
from streamer.families.tunes.spec import (
    ALL_STYLES,
    ENCODE_GRAPH,
    ClassifierSpec,
    FingerprintSpec,
    classifiers_of,
    fingerprint_of,
    tunes_of,
)
from training.families.tunes.classifiers import Classifier
from training.families.tunes.filter_fit import REPORT_FILE

FINGERPRINT_GRAPH = "fingerprint"
CARD_HEADING = "## What drops weak tunes"

_PREFIX = "classifier-"
_AGAIN = "make the filters again with perpetuo train filter"
_PROOF_ROWS = 4096


@dataclass(frozen=True)
class Added:
    """What came of it.

    Attributes:
        bundle: As written.
        errors: Largest error of each classifier against scikit-learn, by style.
    """

    bundle: Bundle
    errors: dict[str, float]


def add_filters(source: Path, folder: Path, target: Path) -> Added:
    """Write a bundle anew, with filters.

    Args:
        source: The bundle.
        folder: What ``perpetuo train filter`` wrote.
        target: Where to; may be ``source``.

    Raises:
        BundleError: The bundle cannot be read or written.
        DataError: The filters cannot be used, or were not made for this bundle.
        ClassifierParityError: A graph does not answer as it should.
    """
    bundle = load_bundle(source)
    report = read_report(folder)
    _check_fit(bundle, report, folder)
    models: dict[str, bytes] = {}
    graphs: list[GraphSpec] = []

    def add(name: str, model: bytes) -> str:
        models[f"{name}.onnx"] = model
        graphs.append(describe_graph(name, f"{name}.onnx", model))
        return name

    specs, errors = [], {}
    for entry in report["classifiers"]:
        classifier = Classifier.load(folder / entry["file"])
        model = build_classifier_graph(classifier).SerializeToString(deterministic=True)
        errors[entry["style"]] = prove(classifier, model)
        specs.append(_classifier(entry, report, add(_PREFIX + entry["style"], model), errors))
    fingerprint = None
    if "fingerprint" in report:
        table, entry = _table(folder, report), report["fingerprint"]
        model = build_fingerprint_graph(table, entry["each"]).SerializeToString(deterministic=True)
        _prove_fingerprint(table, entry["each"], model)
        fingerprint = _fingerprint(entry, table, add(FINGERPRINT_GRAPH, model))
    kept = [g for g in bundle.manifest.graphs if not _is_filter(g.name)]
    manifest = bundle.manifest.with_parts(classifiers=specs, fingerprint=fingerprint)
    manifest = msgspec.structs.replace(manifest, graphs=[*kept, *graphs])
    models |= {spec.file: bundle.graph_bytes(spec.name) for spec in kept}
    card = with_section(bundle.card, card_section(manifest, report))
    return Added(write_bundle(target, manifest, models, card), errors)


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report of a folder of filters.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = folder / REPORT_FILE
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict) or not isinstance(report["classifiers"], list):
            raise TypeError("no filters in it")
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is none; {_AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    return report


def _check_fit(bundle: Bundle, report: dict[str, Any], folder: Path) -> None:
    """Refuse filters that were made with another encoder or for styles that are not there."""
    manifest = bundle.manifest
    if tunes_of(manifest) is None:
        raise DataError(f"bundle {manifest.name} plays no tunes: filters of tunes cannot judge it")
    latent = any(len(e["features"]) > len(TUNE_FEATURES) for e in report["classifiers"])
    known = {g.name: g.sha256 for g in manifest.graphs}
    made_with = report.get("encoder_sha256", "")
    if latent and ENCODE_GRAPH not in known:
        raise DataError(f"{folder}: its filters want an encoder, and {manifest.name} has none")
    if latent and made_with and made_with != known[ENCODE_GRAPH]:
        raise DataError(
            f"{folder}: was made with the encoder {made_with[:12]}, but that of {manifest.name} is "
            f"{known[ENCODE_GRAPH][:12]}; give this bundle to perpetuo train filter --encoder"
        )
    styles = {e["style"] for e in report["classifiers"]} - {ALL_STYLES, *manifest.styles}
    if styles:
        raise DataError(
            f"{folder}: has filters for {', '.join(sorted(styles))}, but {manifest.name} plays "
            f"{', '.join(manifest.styles)}"
        )


def _classifier(
    entry: dict[str, Any], report: dict[str, Any], graph: str, errors: dict[str, float]
) -> ClassifierSpec:
    held = entry["held_out"]
    metrics = {
        "auc": held["auc"],
        **{f"auc_{kind}": value for kind, value in held["auc_against"].items()},
        **{f"precision_at_{y}": value for y, value in held["precision_at_yield"].items()},
        "base_rate": held["base_rate"],
        **{f"kept_{kind}": value for kind, value in held["kept"].items()},
        "held_out_works": float(held["works"]),
        "parity": errors[entry["style"]],
    }
    return ClassifierSpec(
        style=entry["style"],
        graph=graph,
        threshold=entry["threshold"],
        method=entry["method"],
        labels=report["labels"],
        features=entry["features"],
        notes=entry["notes"],
        least_notes=entry["least_notes"],
        metrics={name: round(float(value), 9) for name, value in metrics.items()},
    )


def _fingerprint(entry: dict[str, Any], table: NDArray[np.uint8], graph: str) -> FingerprintSpec:
    told = entry["report"]
    metrics = {
        "tracks": float(told["tracks"]),
        "held_out_phrases": float(told["held_out_phrases"]),
        "kept_of_held_out": told["kept_of_held_out"],
    }
    return FingerprintSpec(
        graph=graph,
        bits=8 * len(table),
        notes=entry["notes"],
        each=entry["each"],
        limit=entry["limit"],
        metrics=metrics,
    )


def _table(folder: Path, report: dict[str, Any]) -> NDArray[np.uint8]:
    path = folder / report["fingerprint"]["file"]
    try:
        with np.load(path, allow_pickle=False) as data:
            return np.asarray(data["table"], dtype=np.uint8)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error


def _prove_fingerprint(table: NDArray[np.uint8], each: int, model: bytes) -> None:
    session, _ = open_session(model, where=FINGERPRINT_GRAPH)
    places = np.random.default_rng(0).integers(8 * len(table), size=(_PROOF_ROWS, each))
    answers = session.run(["known"], {"places": places})[0]
    if not np.array_equal(answers, known_in(table)(places)):
        raise DataError("the graph of the fingerprint does not look up its table; nothing written")


def _is_filter(graph: str) -> bool:
    return graph == FINGERPRINT_GRAPH or graph.startswith(_PREFIX)


def card_section(manifest: Manifest, report: dict[str, Any]) -> str:
    """Return what the card says of the filters; Markdown with its heading."""
    lines = [CARD_HEADING, ""]
    if report["labels"] == "surrogate":
        lines.append(
            "The filters were trained on **surrogate labels**, not on what people like: phrases of "
            "real tunes count as good; the same notes in another order, a few of them again and "
            "again, and notes by chance count as bad. They hear disorder, monotony and chance, not "
            "taste. With ratings of your own (`perpetuo rate`) others can be trained in their "
            "place (`perpetuo train filter --ratings`)."
        )
    else:
        lines.append("The filters were trained on ratings by people: 4 and 5 of 5 are good.")
    if report.get("generated"):
        lines.append("What the model itself writes unfiltered counted as bad, too.")
    lines += [
        "",
        "| style | method | AUC | precision at a yield of 0.1 | base rate | good ones kept |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for spec in classifiers_of(manifest):
        told = spec.metrics
        lines.append(
            f"| {spec.style} | {spec.method} | {told['auc']:.3f} | "
            f"{told.get('precision_at_0.1', float('nan')):.3f} | {told['base_rate']:.3f} | "
            f"{told.get('kept_good', float('nan')):.3f} |"
        )
    lines += ["", "Measured on works that the filters never saw."]
    fingerprint = fingerprint_of(manifest)
    if fingerprint is not None:
        lines.append(
            f"A fingerprint of the training tracks drops what has more than "
            f"{fingerprint.limit} notes in a row in common with them, in any key."
        )
    return "\n".join(lines)


def with_section(card: str, section: str) -> str:
    """Return a card with the section in place of an older one, or at its end."""
    older = re.compile(re.escape(CARD_HEADING) + r"\n.*?(?=\n## |\Z)", re.DOTALL)
    if older.search(card):
        return older.sub(lambda _: section + "\n", card, count=1)
    return f"{card.rstrip()}\n\n{section}\n"
