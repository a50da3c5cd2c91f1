"""The model card: what a bundle is, what it was made from, how good it is, what it may be used for.

In: a manifest. Out: Markdown for ``CARD.md``. Called by the exporter; everything in the card is in
the manifest too, so that the card can never say something else.
"""

from __future__ import annotations

from typing import Any

from streamer.codecs import argument_names, codec_from_dict
from streamer.manifest import Manifest


def write_card(manifest: Manifest, about: str, weights: int, size: int, remarks: str = "") -> str:
    """Return the card.

    Args:
        manifest: Of the bundle.
        about: Markdown: what kind of model this is.
        weights: Number of trained weights.
        size: Of the graphs, bytes.
        remarks: Markdown by the person who trained it: what was tried, what it sounds like.
    """
    parts = [
        f"# {manifest.name}",
        _opening(manifest, about, weights, size),
        "## Play it",
        f"```\nperpetuo play --model {manifest.name}\n```",
        "If that name is not found, give the path of this folder.",
        "## Made from",
        _sources(manifest),
        *_styles(manifest),
        *_genres(manifest),
        "## Licence",
        _licence(manifest),
        "## How good it is",
        _metrics(manifest),
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


def _styles(manifest: Manifest) -> list[str]:
    """What the styles are like, where the model has some."""
    if manifest.tunes is None:
        return []
    middle = manifest.tunes.levels.index(0.5)
    rows = [
        "| style | tracks | quarters a minute | unit, quarters | bar, quarters | notes | pitches |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {s.name} | {s.tracks:,} | {s.bpm[middle]:g} | {s.unit_beats:g} | {s.metre:g} | "
        f"{s.notes[middle]:g} | {s.pitch[0]}..{s.pitch[1]} |"
        for s in manifest.tunes.styles
    ]
    after = "Medians of the training tracks; `--style` takes one or several, with weights."
    return ["## Styles", "\n".join(rows), after]


def _genres(manifest: Manifest) -> list[str]:
    """Where the genres of a band lie, and what they are like."""
    if manifest.bands is None or not manifest.bands.genres:
        return []
    names = [track.name for track in manifest.bands.tracks]
    rows = [
        "| genre | petal | windows | quarters a minute | " + " | ".join(names) + " |",
        "|" + " --- |" * (4 + len(names)),
    ]
    rows += [
        f"| {g.name} | {g.petal} | {g.windows:,} | {g.bpm[1]:g} | "
        + " | ".join(f"{n:g}" for n in g.notes_per_beat)
        + " |"
        for g in manifest.bands.genres
    ]
    after = "Medians of the training windows; tracks in notes a beat."
    return ["## Genres", "\n".join(rows), after]


def _licence(manifest: Manifest) -> str:
    return f"Weights: {manifest.licence or 'not stated'}. {manifest.licence_notice}".strip()


def _metrics(manifest: Manifest) -> str:
    metrics, lines = manifest.metrics, []
    arguments = argument_names(codec_from_dict(manifest.codec))
    sections = manifest.kind == "window"
    shown = (*arguments, *(("canvas", "cells", "latent") if sections else ()), "kl", "total")
    held_out = {k: metrics[k] for k in shown if isinstance(metrics.get(k), float)}
    if held_out:
        lines.append(f"Held-out compositions, nats per {'section' if sections else 'note'}:\n")
        lines.append("| " + " | ".join(held_out) + " |")
        lines.append("|" + " --- |" * len(held_out))
        lines.append("| " + " | ".join(f"{value:.3f}" for value in held_out.values()) + " |\n")
    parity: dict[str, Any] = metrics.get("parity", {})
    if parity:
        notes = (
            f"{parity['notes']:,} notes identical, log-probabilities within "
            f"{parity['log_prob_error']:.1e} nats"
        )
        told = [] if sections else [notes]
        told += [f"{name} within {e:.1e}" for name, e in parity.get("functions", {}).items()]
        lines.append(f"Parity with torch: {', '.join(told)}.")
    statistics = manifest.statistics
    if statistics.arguments:
        means = ", ".join(
            f"{name} {a.entropy_mean:.2f}"
            for name, a in zip(arguments, statistics.arguments, strict=True)
        )
        unit = "steps, of a step for each cell expected to sound" if sections else "notes"
        lines.append(
            f"\nMean entropy on its training pieces, nats: {means} "
            f"({statistics.phrases:,} {'sections' if sections else 'phrases'} of "
            f"{statistics.phrase_notes} {unit})."
        )
    return "\n".join(lines) or "Not measured."


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
