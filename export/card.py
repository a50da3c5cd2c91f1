"""The model card: what a bundle is, what it was made from, how good it is, what it may be used for.

In: a manifest, and what its family says of itself. Out: Markdown for ``CARD.md``. Every figure in
the card is in the manifest too, so that the card can never say something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamer.bundle.codecs import argument_names, codec_from_dict
from streamer.bundle.manifest import Manifest
from training.run.unit import Unit

Section = tuple[str, str]
"""A heading without its marks, and the Markdown below it."""


@dataclass(frozen=True)
class FamilyText:
    """What a card says of the kind of model.

    Attributes:
        about: Markdown: what kind of model this is.
        entropies: What the mean entropies are of, with ``{phrases}`` and ``{phrase_notes}`` where
            the numbers of the manifest's statistics go.
        sections: Sections of its own, between sources and licence.
    """

    about: str
    entropies: str
    sections: Sequence[Section] = ()


def write_card(
    manifest: Manifest, text: FamilyText, *, weights: int, size: int, remarks: str = ""
) -> str:
    """Return the card.

    Args:
        manifest: Of the bundle.
        text: What its family says.
        weights: Number of trained weights.
        size: Of the graphs, bytes.
        remarks: Markdown by the person who trained it: what was tried, what it sounds like.
    """
    parts = [
        f"# {manifest.name}",
        _opening(manifest, text.about, weights, size),
        "## Play it",
        f"```\nperpetuo play --model {manifest.name}\n```",
        "If that name is not found, give the path of this folder.",
        "## Made from",
        _sources(manifest),
        *(part for heading, body in text.sections for part in (f"## {heading}", body)),
        "## Licence",
        _licence(manifest),
        "## How good it is",
        "\n\n".join(_figures(manifest, text.entropies)) or "Not measured.",
        "## How it was trained",
        _training(manifest),
    ]
    if remarks.strip():
        parts += ["## Remarks", remarks.strip()]
    return "\n\n".join(parts) + "\n"


def _opening(manifest: Manifest, about: str, weights: int, size: int) -> str:
    model = manifest.config.get("model", {})
    shape = ", ".join(f"{key} {value}" for key, value in model.items())
    return (
        f"Family `{manifest.family}`, kind `{manifest.kind}`: {weights:,} weights, "
        f"{size / 1e6:.1f} MB. Codec `{manifest.codec['name']}` "
        f"(`{manifest.codec_fingerprint[:12]}`). Configuration: {shape or 'not stated'}.\n\n"
        f"{about}"
    )


def _sources(manifest: Manifest) -> str:
    if not manifest.sources:
        return manifest.corpus or "Not stated."
    rows = [
        "| collection | pieces | notes | licence | whom to name |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {s.name} | {s.pieces:,} | {s.notes:,} | {s.licence} | {s.attribution} |"
        for s in manifest.sources
    ]
    return "\n".join(rows)


def _licence(manifest: Manifest) -> str:
    return f"Weights: {manifest.licence or 'not stated'}. {manifest.licence_notice}".strip()


def _figures(manifest: Manifest, entropies: str) -> list[str]:
    """Return paragraphs: held-out figures, parity, entropies; what there is of them."""
    metrics = manifest.metrics
    parts = _held_out(metrics)
    parity: dict[str, Any] = metrics.get("parity", {})
    if parity:
        said = [f"{name} within {error:.1e}" for name, error in parity.get("functions", {}).items()]
        if parity["notes"]:
            said = [
                f"{parity['notes']:,} notes identical",
                f"log-probabilities within {parity['log_prob_error']:.1e} nats",
                *said,
            ]
        parts.append(f"Parity with torch: {', '.join(said)}.")
    statistics = manifest.statistics
    if statistics.arguments:
        names = argument_names(codec_from_dict(manifest.codec))
        means = ", ".join(
            f"{name} {argument.entropy_mean:.2f}"
            for name, argument in zip(names, statistics.arguments, strict=True)
        )
        of = entropies.format(
            phrases=f"{statistics.phrases:,}", phrase_notes=statistics.phrase_notes
        )
        parts.append(f"Mean entropy on its training pieces: {means} {of}.")
    return parts


def _held_out(metrics: dict[str, Any]) -> list[str]:
    """Return what was measured on compositions that the model never saw, in its own unit."""
    if "unit" not in metrics:
        figures = {name: value for name, value in metrics.items() if isinstance(value, float)}
        said = "Held-out figures; the checkpoint does not say what they are counted per:"
        return [said, _table(figures)] if figures else []
    unit = Unit.from_dict(metrics["unit"])
    figures = unit.nats(metrics)
    if not figures:
        return []
    formula, total = unit.formula(metrics), float(metrics["total"])
    if not unit.beside:
        figures["total"] = total
    parts = [f"Held-out compositions, nats per {unit.per}:", _table(figures)]
    if unit.beside:
        nats = float(unit.total(metrics))
        parts.append(
            f"Together {nats:.3f} nats per {unit.per}. Training kept the weights with the least "
            f"{formula}, which is {total:.3f} and no number of nats."
        )
    elif any(weight != 1 for weight in unit.weights.values()):
        parts.append(f"The total is {formula}.")
    return parts


def _table(figures: dict[str, float]) -> str:
    return "\n".join(
        [
            "| " + " | ".join(figures) + " |",
            "|" + " --- |" * len(figures),
            "| " + " | ".join(f"{value:.3f}" for value in figures.values()) + " |",
        ]
    )


def _training(manifest: Manifest) -> str:
    training: dict[str, Any] = manifest.config.get("training", {})
    lines = [f"- seed: {manifest.seed}"]
    lines += [
        f"- {key}: {value:.3g}" if isinstance(value, float) else f"- {key}: {value}"
        for key, value in training.items()
        if isinstance(value, str | int | float) and value != "" and key != "seed"
    ]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return "\n".join([*lines, f"- versions: {versions}", f"- exported: {manifest.created}"])
