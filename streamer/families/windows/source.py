"""A bundle of a window family and the settings -> its generator; the part of the pipeline theirs.

In: a verified bundle of kind ``window``, settings, live controls, randomness. Out: a
:class:`WindowGenerator`, with a query where one is wanted.
"""

from __future__ import annotations

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Function
from streamer.engine.session import Runtime
from streamer.errors import BundleError
from streamer.families.windows.answering import Answering
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.controls import WindowControls
from streamer.families.windows.generator import WindowGenerator
from streamer.families.windows.path import AnswerPath, PassesPath, Path, WalkPath
from streamer.families.windows.player import player_for
from streamer.families.windows.queryfile import read_query
from streamer.generators.base import Opened
from streamer.generators.drawing import one_temperature, refuse_query, refuse_style
from streamer.generators.heard import HeardControls
from streamer.generators.sections import window_of, window_settings
from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH, WindowSpec
from streamer.selection.filters import FILTERS, Filter
from streamer.settings.controls import LiveControls
from streamer.settings.duet import DuetControls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.settings import ModelSettings, Settings

ONSETS_PER_SECOND = 4.0
"""Of sections by themselves, about (beethoven 3.3, answer 4.4): a person's playing is measured by
it."""


KEY_SECTIONS = "key_sections"
"""Default of a bundle: sections that a walk stays in a key of its own; 0 where it says nothing."""

MOST_SECTIONS = 10_000


def open_windows(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
    runtime: Runtime,
) -> Opened:
    """Make the generator of a bundle that composes a section at a time.

    Args:
        bundle: Of the family.
        settings: ``[model]``, ``[filters]``, ``[expression]`` and ``[input]`` are looked at.
        controls: Live.
        rng: All randomness.
        filters: What drops candidates beside the hard filters.
        runtime: What inference runs on.

    Raises:
        BundleError: The bundle cannot be used, or not in the way that is asked for.
        EngineError: ONNX Runtime refuses a graph.
        MidiFileError: The query cannot be read, or has no place on the model's grid.
    """
    model, manifest = settings.model, bundle.manifest
    codec, spec = codec_as(bundle.codec, RollCodec), _checked(bundle)
    refuse_style(bundle, model)
    if model.prime is not None:
        raise BundleError(
            f"bundle {manifest.name} goes on from no file; a bundle that answers takes --query; "
            "leave --prime out"
        )
    _refuse_idle(bundle, settings, spec)
    heard = HeardControls(controls, onsets_per_second=ONSETS_PER_SECOND)
    path = _path(bundle, model, codec, spec, rng, runtime)
    generator = WindowGenerator(
        path=path,
        codec=codec,
        spec=spec,
        settings=window_settings(bundle, settings),
        rng=rng,
        controls=heard,
        filters=(*FILTERS, *filters),
        corpus=manifest.statistics.corpus_entropy(),
        player=player_for(bundle, settings.expression, rng),
        # What is played now is not known a bar before.
        ahead=model.query != LIVE_QUERY,
        key_sections=_key_sections(bundle),
    )
    heard.call_anew(generator.anew)
    turns = None
    if model.query == LIVE_QUERY and isinstance(path, AnswerPath):
        turns = Answering(
            ask=path.ask,
            codec=generator.codec,
            longest_steps=generator.longest_steps,
            silent_bars=settings.input.query_silent_bars,
        )
    return Opened(generator=generator, turns=turns, listener=heard)


def check_defaults(bundle: Bundle) -> None:
    """Refuse defaults that the edge could not play by (BundleError)."""
    window_settings(bundle, Settings())
    one_temperature(bundle, ModelSettings())
    _key_sections(bundle)


def _key_sections(bundle: Bundle) -> int:
    """Return the sections that a walk stays in a key (BundleError)."""
    found = bundle.manifest.defaults.get(KEY_SECTIONS, 0)
    if type(found) is not int or not 0 <= found <= MOST_SECTIONS:
        raise BundleError(
            f"bundle {bundle.manifest.name}: {KEY_SECTIONS} must be a whole number in "
            f"0..{MOST_SECTIONS}, not {str(found)[:40]}; export the bundle again"
        )
    return found


def _refuse_idle(bundle: Bundle, settings: Settings, spec: WindowSpec) -> None:
    """Refuse what is asked for and would do nothing, or leave nothing to be heard (BundleError)."""
    model, name = settings.model, bundle.manifest.name
    if model.query == LIVE_QUERY and settings.controls.of(DuetControls).duet != "off":
        raise BundleError(
            "--query live answers what is played bar by bar, and --duet in turns; "
            "leave one of them out"
        )
    if "controls.bits" in settings.asked and model.query is None:
        raise BundleError(
            "--bits is what of a query reaches the model, and there is no query; "
            "leave it out, or give --query"
        )
    if model.query not in (None, LIVE_QUERY) and settings.controls.of(WindowControls).bits == 0:
        raise BundleError(
            "bits is 0: nothing of the query reaches the model, and nothing would be heard; "
            "let 1 or more through (--bits), or leave --query out"
        )
    if "controls.refinement" in settings.asked and spec.passes == 1:
        raise BundleError(
            f"bundle {name} writes a section in one pass, which refinement takes none of; "
            "leave it out, or choose a bundle of family draw (`perpetuo models`)"
        )


def _checked(bundle: Bundle) -> WindowSpec:
    """Return what the bundle says of its sections; BundleError where it says too little of ties."""
    spec, pitches = window_of(bundle), codec_as(bundle.codec, RollCodec).pitches
    if len(spec.tie) not in (0, pitches):
        raise BundleError(
            f"bundle {bundle.manifest.name}: window.tie must be {pitches} numbers, not "
            f"{len(spec.tie)}; export the bundle again"
        )
    return spec


def _path(
    bundle: Bundle,
    model: ModelSettings,
    codec: RollCodec,
    spec: WindowSpec,
    rng: np.random.Generator,
    runtime: Runtime,
) -> Path:
    decode = Function(bundle, DECODE_GRAPH, runtime)
    temperature = one_temperature(bundle, model)
    if not any(graph.name == ANSWER_GRAPH for graph in bundle.manifest.graphs):
        refuse_query(bundle, model)
        return PassesPath(decode, spec, rng, temperature)
    walk = WalkPath(decode, spec, rng, temperature)
    answer = Function(bundle, ANSWER_GRAPH, runtime)
    if model.query is None or model.query == LIVE_QUERY:
        return AnswerPath(answer, walk, spec)
    return AnswerPath(answer, walk, spec, read_query(model.query, codec))
