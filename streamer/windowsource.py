"""A bundle of a window family and the settings -> its generator; the part of the pipeline theirs.

In: a verified bundle of kind ``window``, settings, live controls, randomness. Out: a
:class:`WindowGenerator`, with a query where one is wanted. Called by :mod:`streamer.pipeline`.
"""

from __future__ import annotations

import numpy as np

from streamer.answering import Answering
from streamer.bundle import Bundle
from streamer.codecs import codec_as
from streamer.controls import LiveControls
from streamer.engine import Function
from streamer.errors import BundleError
from streamer.expressivevoice import player_for
from streamer.generators.latentpath import AnswerPath, PassesPath, Path, WalkPath
from streamer.generators.window import WindowGenerator, WindowSettings
from streamer.midisettings import LIVE_QUERY
from streamer.query import read_query
from streamer.selection.filters import Filter
from streamer.selection.limits import limits_for
from streamer.selection.ranking import TYPICAL
from streamer.settings import Settings
from streamer.windows import RollCodec
from streamer.windowspec import ANSWER_GRAPH, DECODE_GRAPH, WindowSpec


def open_window(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
) -> WindowGenerator:
    """Make the generator of a bundle that composes a section at a time.

    Raises:
        BundleError: The bundle cannot be used, or not in the way that is asked for.
        EngineError: ONNX Runtime refuses a graph.
        MidiFileError: The query cannot be read, or has no place on the model's grid.
    """
    model, manifest = settings.model, bundle.manifest
    codec, spec = codec_as(bundle.codec, RollCodec), window_of(bundle)
    for value, option, remedy in (
        (model.style, "--style", "has no styles"),
        (model.prime, "--prime", "goes on from no file; a bundle that answers takes --query"),
    ):
        if value is not None:
            raise BundleError(f"bundle {manifest.name} {remedy}; leave {option} out")
    return WindowGenerator(
        _path(bundle, settings, codec, spec, rng),
        codec,
        spec,
        window_settings(bundle, settings),
        rng,
        controls,
        filters,
        manifest.statistics.corpus_entropy(),
        player_for(bundle, settings.expression, rng),
        # What is played now is not known a bar before.
        ahead=model.query != LIVE_QUERY,
    )


def answering_of(generator: WindowGenerator, settings: Settings) -> Answering | None:
    """Return what puts a live query to a generator; None where the query is not live."""
    path = generator.path
    if settings.model.query != LIVE_QUERY or not isinstance(path, AnswerPath):
        return None
    silent_bars = settings.input.query_silent_bars
    return Answering(path.ask, generator.codec, generator.longest_steps, silent_bars)


def window_of(bundle: Bundle) -> WindowSpec:
    """Return what the bundle says of its sections (BundleError where it says nothing, or less)."""
    spec, name = bundle.manifest.window, bundle.manifest.name
    if spec is None:
        raise BundleError(f"bundle {name} composes no sections")
    # A band has no roll and no ties.
    pitches = codec_as(bundle.codec, RollCodec).pitches if spec.tie else 0
    if len(spec.tie) != pitches:
        raise BundleError(
            f"bundle {name}: window.tie must be {pitches} numbers, not {len(spec.tie)}; export the "
            "bundle again"
        )
    return spec


def window_settings(bundle: Bundle, settings: Settings) -> WindowSettings:
    """Return how sections are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model, defaults = settings.model, bundle.manifest.defaults
    candidates = model.candidates if model.candidates is not None else defaults.get("candidates", 8)
    known = bundle.manifest.statistics.corpus_entropy() is not None
    try:
        return WindowSettings(
            candidates=candidates,
            redraws=model.redraws,
            ranking=(model.ranking or TYPICAL) if known else "mean",
            limits=limits_for(bundle.manifest, settings.filters),
        )
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"bundle {bundle.manifest.name}: its defaults cannot be used ({error}); "
            "export the bundle again"
        ) from error


def _path(
    bundle: Bundle,
    settings: Settings,
    codec: RollCodec,
    spec: WindowSpec,
    rng: np.random.Generator,
) -> Path:
    model = settings.model
    answers = any(graph.name == ANSWER_GRAPH for graph in bundle.manifest.graphs)
    if model.query is not None and not answers:
        raise BundleError(
            f"bundle {bundle.manifest.name} (family {bundle.manifest.family}) answers no query; "
            "leave --query out, or choose a bundle of family query (`perpetuo models`)"
        )
    decode = Function(bundle, DECODE_GRAPH, model.provider)
    if not answers:
        return PassesPath(decode, spec, rng)
    walk = WalkPath(decode, spec, rng)
    answer = Function(bundle, ANSWER_GRAPH, model.provider)
    if model.query is None or model.query == LIVE_QUERY:
        return AnswerPath(answer, walk, spec)
    return AnswerPath(answer, walk, spec, read_query(model.query, codec))
