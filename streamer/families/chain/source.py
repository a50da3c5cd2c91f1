"""A bundle of the family chain and the settings -> its generator, primed where that is wanted."""

from __future__ import annotations

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.engine.engine import Engine
from streamer.engine.session import Runtime
from streamer.errors import MidiFileError
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.ear import EAR_FILTERS, bundle_ear, ear_of
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.hands import too_many_keys
from streamer.families.chain.settings import RecallSettings
from streamer.generators.base import Opened
from streamer.generators.drawing import (
    chosen,
    ranking_of,
    refuse_query,
    refuse_style,
    temperatures,
    usable,
)
from streamer.selection.filters import FILTERS, Filter
from streamer.selection.limits import limits_for
from streamer.selection.ranking import ANY, EAR
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Settings

STREAM_DEFAULTS = ("past_notes", "anew_notes", "homing", "mood_notes")
"""Defaults of a bundle that only the bundle sets, beside those that settings can override."""


def open_chain(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
    runtime: Runtime,
) -> Opened:
    """Make the generator of a bundle that plays note after note of everything.

    Args:
        bundle: Of the family.
        settings: ``[model]``, ``[filters]`` and ``[recall]`` are looked at.
        controls: Live.
        rng: All randomness.
        filters: What drops candidates beside the hard filters.
        runtime: What inference runs on.

    Raises:
        BundleError: The bundle cannot be used, or not in the way that is asked for.
        EngineError: ONNX Runtime refuses a graph.
        MidiFileError: The file to continue cannot be read.
    """
    model = settings.model
    refuse_query(bundle, model)
    refuse_style(bundle, model)
    how = step_settings(bundle, settings)
    ear = bundle_ear(bundle, runtime) if how.ranking == EAR else None
    generator = StepGenerator(
        engine=Engine(bundle, runtime),
        settings=how,
        rng=rng,
        controls=controls,
        filters=(*FILTERS, too_many_keys, *(EAR_FILTERS if ear else ()), *filters),
        ear=ear,
    )
    if model.prime is not None:
        from streamer.midi.midifile import read_midi

        try:
            generator.prime(read_midi(model.prime))
        except ValueError as error:
            raise MidiFileError(f"{model.prime}: {error}", "off-piano") from error
    return Opened(generator=generator, listener=generator)


def step_settings(bundle: Bundle, settings: Settings) -> StepSettings:
    """Return how phrases are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model, defaults = settings.model, bundle.manifest.defaults
    own = {name: defaults[name] for name in STREAM_DEFAULTS if name in defaults}
    ear = ear_of(bundle.manifest) is not None
    with usable(bundle):
        return StepSettings(
            temperature=temperatures(bundle, model),
            redraws=model.redraws,
            ranking=ranking_of(bundle, model, EAR if ear else ANY, ear=ear),
            limits=limits_for(bundle.manifest, settings.filters),
            recall=settings.stage(RecallSettings),
            beat_ms=60_000.0 / settings.clock.tempo_bpm,
            **chosen(bundle, model, "phrase_notes", "candidates"),
            **own,
        )


def check_defaults(bundle: Bundle) -> None:
    """Refuse defaults that the edge could not play by (BundleError)."""
    step_settings(bundle, Settings())
