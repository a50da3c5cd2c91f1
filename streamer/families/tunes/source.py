"""A bundle of tunes and the settings -> its generator; the part of the pipeline that is theirs.

In: a verified bundle of the family, settings, live controls, randomness. Out: its generator,
primed where that is wanted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine, Function
from streamer.engine.session import Runtime
from streamer.errors import BundleError
from streamer.expression.tables import read_tables
from streamer.families.tunes.classifier import bundle_encoder, tune_panels
from streamer.families.tunes.codec import TuneCodec
from streamer.families.tunes.drawing import TuneDrawing
from streamer.families.tunes.filters import TUNE_FILTERS
from streamer.families.tunes.generator import TuneGenerator
from streamer.families.tunes.limits import tune_limits_for
from streamer.families.tunes.melody import read_melody, within
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.spec import ENCODE_GRAPH, START_GRAPH, tunes_of
from streamer.families.tunes.style import Latent
from streamer.families.tunes.voice import voice_for
from streamer.generators.base import Opened
from streamer.generators.drawing import chosen, ranking_of, refuse_query, temperatures, usable
from streamer.generators.heard import HeardControls
from streamer.selection.filters import Filter
from streamer.selection.ranking import TYPICAL
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Settings
from streamer.settings.styles import parse_styles


def open_tunes(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
    runtime: Runtime,
) -> Opened:
    """Make the generator of a bundle of tunes.

    Args:
        bundle: Of the family.
        settings: ``[model]``, ``[filters]``, ``[tunes]`` and ``[expression]`` are looked at.
        controls: Live.
        rng: All randomness.
        filters: What drops candidates beside the rules for tunes.
        runtime: What inference runs on.

    Raises:
        BundleError: The bundle cannot be used, or has not the style that is asked for.
        EngineError: ONNX Runtime refuses a graph.
        MidiFileError: The file to start from cannot be read, or has no melody.
    """
    heard = HeardControls(controls, onsets_per_second=_usual_density(bundle))
    generator = tune_generator(bundle, settings, heard, rng, filters, runtime)
    heard.call_anew(generator.anew)
    return Opened(generator=generator, listener=heard)


def _usual_density(bundle: Bundle) -> float | None:
    """Return the notes a second of a phrase by itself; None where the bundle does not say."""
    statistics = bundle.manifest.statistics
    known = statistics.note.get("density")
    return float(np.interp(0.5, statistics.levels, known)) if known else None


def tune_generator(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
    runtime: Runtime,
) -> TuneGenerator:
    """Return the generator of :func:`open_tunes`; arguments and errors as there."""
    model = settings.model
    refuse_query(bundle, model)
    trained = settings.stage(TuneSettings).trained_filters
    generator = TuneGenerator(
        engine=Engine(bundle, runtime),
        start=Function(bundle, START_GRAPH, runtime),
        drawing=tune_drawing(bundle, settings),
        rng=rng,
        controls=controls,
        filters=(*TUNE_FILTERS, *filters),
        panels=tune_panels(bundle, runtime) if trained else (),
        voice=voice_for(bundle, settings.expression, rng),
    )
    if model.prime is not None:
        generator.prime(latent_of(bundle, model.prime, generator.styles, runtime))
    return generator


def tune_drawing(bundle: Bundle, settings: Settings) -> TuneDrawing:
    """Return how phrases are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model, tunes = settings.model, settings.stage(TuneSettings)
    limits, rules, style_rules = tune_limits_for(bundle.manifest, settings.filters, tunes)
    with usable(bundle):
        return TuneDrawing(
            temperature=temperatures(bundle, model),
            redraws=model.redraws,
            ranking=ranking_of(bundle, model, TYPICAL),
            limits=limits,
            rules=rules,
            style_rules=style_rules,
            tunes=tunes,
            styles=() if model.style is None else parse_styles(model.style),
            **chosen(bundle, model, "phrase_notes", "candidates"),
        )


def check_defaults(bundle: Bundle) -> None:
    """Refuse defaults and tables that the edge could not play by (BundleError)."""
    tune_drawing(bundle, Settings())
    read_tables(bundle.manifest.expression, bundle.manifest.name)


def latent_of(bundle: Bundle, path: Path, styles: tuple[str, ...], runtime: Runtime) -> Latent:
    """Return the latent of a file's melody, ``(Z,)``: the first notes that the encoder takes.

    Notes out of the model's reach come into it by octaves.

    Args:
        bundle: With an encoder.
        path: A .mid file.
        styles: Of the bundle; the encoder is told none of them.
        runtime: What inference runs on.

    Raises:
        BundleError: The bundle has no encoder.
        MidiFileError: The file cannot be read, or has no melody.
    """
    manifest = bundle.manifest
    if not any(graph.name == ENCODE_GRAPH for graph in manifest.graphs):
        raise BundleError(
            f"bundle {manifest.name} has no encoder (family {manifest.family}); "
            "play without --prime, or choose a bundle of family vrash"
        )
    tune, _ = read_melody(path)
    spec = tunes_of(manifest)
    if spec is not None:
        tune = tune[: spec.crop_notes]
    tune["pitch"] = within(tune["pitch"], *codec_as(bundle.codec, TuneCodec).pitch_range)
    weights = np.full((1, len(styles)), 1.0 / len(styles), dtype=np.float32)
    latent = bundle_encoder(bundle, runtime)([tune], weights)[0]
    return np.asarray(latent, dtype=np.float32)
