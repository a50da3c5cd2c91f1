"""A bundle of tunes and the settings -> its generator; the part of the pipeline that is theirs.

In: a verified bundle whose codec is that of tunes, settings, live controls, randomness. Out: a
:class:`TuneGenerator`, primed where that is wanted. Called by :mod:`streamer.pipeline`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamer.bundle import Bundle
from streamer.codecs import codec_as
from streamer.controls import LiveControls
from streamer.engine import Engine, Function
from streamer.errors import BundleError, MidiFileError
from streamer.expressivevoice import voice_for
from streamer.generators.tunedrawing import TuneDrawing
from streamer.generators.tunes import TuneGenerator
from streamer.generators.tunestyle import Latent
from streamer.melody import read_tune
from streamer.selection.classifier import bundle_encoder, tune_panels
from streamer.selection.filters import Filter
from streamer.selection.limits import tune_limits_for
from streamer.selection.ranking import TYPICAL
from streamer.settings import Settings
from streamer.tunes import TUNE_ARGUMENTS, TuneCodec
from streamer.tunesettings import parse_styles
from streamer.tunespec import ENCODE_GRAPH, START_GRAPH


def open_tunes(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
) -> TuneGenerator:
    """Make the generator of a bundle of tunes.

    Raises:
        BundleError: The bundle cannot be used, or has not the style that is asked for.
        EngineError: ONNX Runtime refuses a graph.
        MidiFileError: The file to start from cannot be read, or has no melody.
    """
    model = settings.model
    generator = TuneGenerator(
        Engine(bundle, model.provider),
        Function(bundle, START_GRAPH, model.provider),
        tune_drawing(bundle, settings),
        rng,
        controls,
        filters,
        tune_panels(bundle, model.provider) if settings.tunes.trained_filters else (),
        voice_for(bundle, settings.expression, rng),
    )
    if model.prime is not None:
        generator.prime(latent_of(bundle, model.prime, generator.styles, model.provider))
    return generator


def tune_drawing(bundle: Bundle, settings: Settings) -> TuneDrawing:
    """Return how phrases are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model, manifest = settings.model, bundle.manifest
    limits, rules, style_rules = tune_limits_for(manifest, settings.filters, settings.tunes)
    chosen: dict[str, Any] = {}
    for name in ("phrase_notes", "candidates", "temperature"):
        value = getattr(model, name)
        value = manifest.defaults.get(name) if value is None else value
        if value is not None:
            chosen[name] = value
    temperature = chosen.get("temperature", 1.0)
    if isinstance(temperature, int | float):
        temperature = (float(temperature),) * len(TUNE_ARGUMENTS)
    chosen["temperature"] = tuple(float(one) for one in temperature)
    try:
        return TuneDrawing(
            redraws=model.redraws,
            ranking=model.ranking or TYPICAL,
            limits=limits,
            rules=rules,
            style_rules=style_rules,
            tunes=settings.tunes,
            styles=() if model.style is None else parse_styles(model.style),
            **chosen,
        )
    except (ValueError, TypeError) as error:
        raise BundleError(f"bundle {manifest.name} cannot be played so: {error}") from error


def latent_of(bundle: Bundle, path: Path, styles: tuple[str, ...], provider: str = "cpu") -> Latent:
    """Return the latent of a file's melody, ``(Z,)``: the first notes that the encoder takes.

    Args:
        bundle: With an encoder.
        path: A .mid file.
        styles: Of the bundle; the encoder is told none of them.
        provider: ``cpu`` or ``cuda``.

    Raises:
        BundleError: The bundle has no encoder.
        MidiFileError: The file cannot be read, or its melody is none that the model can write.
    """
    manifest = bundle.manifest
    if not any(graph.name == ENCODE_GRAPH for graph in manifest.graphs):
        raise BundleError(
            f"bundle {manifest.name} has no encoder (family {manifest.family}); "
            "play without --prime, or choose a bundle of family vrash"
        )
    tune, _ = read_tune(path)
    if manifest.tunes is not None:
        tune = tune[: manifest.tunes.crop_notes]
    weights = np.full((1, len(styles)), 1.0 / len(styles), dtype=np.float32)
    try:
        codec_as(bundle.codec, TuneCodec).encode(tune)
    except ValueError as error:
        raise MidiFileError(f"{path}: its melody cannot be written: {error}", "range") from error
    found = bundle_encoder(bundle, provider)([tune], weights)[0]
    return np.asarray(found, dtype=np.float32)
