"""What units, bars and tempi the tracks of a style have together, and how much of them returns.

In: training tracks, and their latents by an encoder: torch's while a bundle is being made, or that
of a bundle which is there already (:func:`restate`). Out: parts of the manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from export.bundle import write_bundle
from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.engine import Function
from streamer.errors import DataError
from streamer.families.tunes.codec import UNIT_PARTS, TuneArray
from streamer.families.tunes.fingerprint import run_hashes
from streamer.families.tunes.spec import ENCODE_GRAPH, KindSpec, StyleSpec, TunesSpec, tunes_of
from streamer.measures.repetition import FIGURE_NOTES, previous_equal
from training.families.tunes.crops import heard_window, style_weights
from training.families.tunes.tuneset import TuneInfo, TuneSet

Encoder = Callable[[NDArray[Any], NDArray[np.float32]], tuple[Any, Any]]
"""Classes ``(1, N, 3)`` and style weights ``(1, S)`` -> mean and log-variance, ``(1, Z)`` each."""

STYLE_LEVELS = (0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95)

RETURN_NOTES = 192
"""How much returns is asked of the beginnings of tracks, which are as long as a stream's tunes."""

LEAST_KIND_TRACKS = 5
"""Units and bars of fewer tracks of a style are accidents."""

KIND_PRIOR_TRACKS = 10
"""So many tracks of the style are counted with each kind's own, in its latents."""

WHOLE = 0.01
"""So near to a whole number of twelfths a bar may be."""


def restate(source: Path, corpus: Path, target: Path) -> Bundle:
    """Write a bundle of tunes anew, with its styles' kinds and returns as they are measured now.

    Weights, filters and all else stay. For bundles of before these were known.

    Args:
        source: The bundle.
        corpus: The tune file it was trained on.
        target: Where to; may be ``source``.

    Raises:
        BundleError: The bundle cannot be read or written.
        DataError: It is no bundle of tunes with an encoder, or the tunes are others than its own.
    """
    bundle, tunes = load_bundle(source), TuneSet.load(corpus)
    manifest = bundle.manifest
    told = tunes_of(manifest)
    if told is None or ENCODE_GRAPH not in {graph.name for graph in manifest.graphs}:
        raise DataError(f"{source}: no bundle of tunes with an encoder; export the checkpoint")
    if tunes.codec.fingerprint != bundle.codec.fingerprint or list(tunes.styles) != manifest.styles:
        raise DataError(
            f"{corpus}: not the tunes that bundle {manifest.name} was trained on; their classes or"
            " styles differ"
        )
    graph = Function(bundle, ENCODE_GRAPH)
    styled = any(tensor.name == "style" for tensor in manifest.graph(ENCODE_GRAPH).inputs)

    def encode(classes: NDArray[Any], style: NDArray[np.float32]) -> tuple[Any, Any]:
        found = graph(classes=classes, **({"style": style} if styled else {}))
        return found["mu"], found["logvar"]

    styles = [_restated(style, told, encode, tunes) for style in told.styles]
    new = manifest.with_parts(tunes=msgspec.structs.replace(told, styles=styles))
    models = {spec.file: bundle.graph_bytes(spec.name) for spec in manifest.graphs}
    return write_bundle(target, new, models, bundle.card)


def _restated(style: StyleSpec, told: TunesSpec, encode: Encoder, tunes: TuneSet) -> StyleSpec:
    if told.levels != list(STYLE_LEVELS):
        raise DataError(f"the bundle's quantiles are at {told.levels}; export the checkpoint again")
    tracks = tunes.indices("train", style.name)
    means, variances = latents_of(encode, tunes, tracks, told.crop_notes)
    infos = [tunes.tracks[i] for i in tracks]
    return msgspec.structs.replace(
        style,
        kinds=kinds_of(infos, means, variances),
        returned=returned_share(tunes, tracks),
        returns=return_levels(tunes, tracks),
    )


def latents_of(
    encode: Encoder, tunes: TuneSet, tracks: list[int], notes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of each track's latent, ``(tracks, Z)``: heard as in training.

    Args:
        encode: See :data:`Encoder`.
        tunes: The corpus.
        tracks: Which.
        notes: Most notes of a track that are heard.
    """
    rng = np.random.default_rng(0)
    means, variances = [], []
    for index in tracks:
        heard = heard_window(tunes, index, notes, rng)[None].astype(np.int64)
        mean, log_variance = encode(heard, style_weights(tunes, [index]).numpy())
        means.append(mean[0])
        variances.append(np.exp(log_variance[0]))
    return np.array(means, dtype=np.float64), np.array(variances, dtype=np.float64)


def spread(
    means: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of latents, ``(Z,)``: of the tracks' means, and around each."""
    return means.mean(axis=0), np.sqrt(means.var(axis=0) + variances.mean(axis=0))


def kinds_of(
    infos: list[TuneInfo], means: NDArray[np.float64], variances: NDArray[np.float64]
) -> list[KindSpec]:
    """Return the units and bars that tracks of a style have, the most common first.

    Bars that are no whole number of twelfths are left out: no note would ever begin one.
    """
    rows: dict[tuple[float, float], list[int]] = {}
    for row, info in enumerate(infos):
        rows.setdefault((info.unit_beats, info.metre), []).append(row)
    rows = {
        (unit, metre): own
        for (unit, metre), own in rows.items()
        if len(own) >= LEAST_KIND_TRACKS and _whole(UNIT_PARTS / unit)
    }
    style_mean, style_sd = spread(means, variances)
    total, found = sum(map(len, rows.values())), []
    for (unit, metre), own in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])):
        weight = len(own) / (len(own) + KIND_PRIOR_TRACKS)
        mean, sd = spread(means[own], variances[own])
        variance = weight * sd**2 + (1 - weight) * style_sd**2
        found.append(
            KindSpec(
                share=round(len(own) / total, 4),
                # A twelfth of a quarter is exact in the stream, and not in the corpus's decimals.
                unit_beats=UNIT_PARTS / round(UNIT_PARTS / unit),
                metre=metre,
                bpm=quantiles([infos[row].bpm for row in own]),
                mean=(weight * mean + (1 - weight) * style_mean).round(5).tolist(),
                sd=np.sqrt(variance).round(5).tolist(),
            )
        )
    return found


def _whole(twelfths: float) -> bool:
    return abs(twelfths - round(twelfths)) < WHOLE


def returned_share(tunes: TuneSet, tracks: list[int]) -> float:
    """Return the share of figures that came before in their track, in any key, without overlap."""
    flags = [_came_before(tunes.tune(index)) for index in tracks]
    joined = np.concatenate(flags)
    return round(float(joined.mean()) if len(joined) else 0.0, 4)


def return_levels(tunes: TuneSet, tracks: list[int]) -> list[float]:
    """Return quantiles over tracks of how much returns in their beginnings."""
    flags = [_came_before(tunes.tune(index)[:RETURN_NOTES]) for index in tracks]
    shares = [float(own.mean()) for own in flags if len(own)]
    return quantiles(shares) if shares else []


def _came_before(tune: TuneArray) -> NDArray[np.bool_]:
    hashes = run_hashes(tune, FIGURE_NOTES)
    return np.asarray(previous_equal(_numbers(hashes), FIGURE_NOTES) >= 0)


def _numbers(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64)


def quantiles(values: list[float]) -> list[float]:
    """Return quantiles at :data:`STYLE_LEVELS`."""
    found: list[float] = np.quantile(values, STYLE_LEVELS).round(3).tolist()
    return found
