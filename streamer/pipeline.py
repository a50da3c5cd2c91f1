"""The front half of the stream, as play and render share it: settings -> bundle -> phrases to play.

In: the settings and the live controls. Out: a :class:`Source`, which is asked for phrase after
phrase. Nothing here knows of clocks, threads or ports.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import to_builtins

from streamer.answering import Answering
from streamer.bandmix import Mixer
from streamer.bandsource import open_band
from streamer.bundle import Bundle, resolve_bundle
from streamer.controls import LiveControls
from streamer.engine import Engine
from streamer.errors import BundleError, MidiFileError
from streamer.generators.base import Generator, beat_of
from streamer.generators.step import StepGenerator, StepSettings
from streamer.greeting import Greeting
from streamer.midifile import read_midi
from streamer.midisettings import SynthSettings
from streamer.notes import ARGUMENTS, Phrase
from streamer.performer import Performer
from streamer.selection.filters import FILTERS, Filter
from streamer.selection.judges import make_judges
from streamer.selection.limits import limits_for
from streamer.selection.tune_filters import TUNE_FILTERS
from streamer.settings import ModelSettings, Settings
from streamer.synth import fit_notes, greeting
from streamer.tunes import TUNE_CODEC_NAME
from streamer.tunesource import open_tunes
from streamer.windowsource import answering_of, open_window

logger = logging.getLogger(__name__)

STREAM_DEFAULTS = ("past_notes", "anew_notes", "homing", "mood_notes")
"""Defaults of a bundle that only the bundle sets, beside those that settings can override."""

SEED_BITS = 32
"""Seeds that are drawn stay short enough to be typed again."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where phrases come from; one thread.

    Attributes:
        bundle: What plays.
        generator: Draws and chooses.
        performer: Applies the controls to what sounds.
        controls: Live.
        seed: That of the generator, also when it was drawn.
        candidates: Candidates a phrase when nothing keeps the machine from it.
        synth: What the notes are fitted to.
        answering: Puts a live query to the generator, bar by bar; None where there is none.
        mixer: Of a band's tracks; None where there is no band.
        greeting: What a synth is told before it plays.
    """

    bundle: Bundle
    generator: Generator
    performer: Performer
    controls: LiveControls
    seed: int
    candidates: int
    synth: SynthSettings = field(default_factory=SynthSettings)
    answering: Answering | None = None
    mixer: Mixer | None = None
    greeting: Greeting = field(default_factory=Greeting)

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase as it is to sound; the first starts at 0."""
        phrase = self.generator.next_phrase(notes)
        beat_ms = beat_of(self.generator)
        sounding = self.performer.perform(phrase, self.controls.snapshot(), beat_ms)
        return fit_notes(sounding, self.synth)


def open_source(settings: Settings, controls: LiveControls) -> Source:
    """Load the bundle and make the generator, primed where that is wanted.

    Raises:
        BundleError: There is no such bundle, or it cannot be used.
        EngineError: ONNX Runtime refuses it.
        MidiFileError: The file to continue cannot be read.
    """
    bundle = resolve_bundle(settings.model.model, settings.model.bundle_paths)
    seed = settings.model.seed
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    rng = np.random.Generator(np.random.SFC64(seed))
    generator: Generator
    answering = mixer = None
    told = Greeting(greeting(settings.synth))
    _refuse_query(bundle, settings)
    if bundle.manifest.bands is not None:
        filters = filters_for(bundle, settings)
        generator = band = open_band(bundle, settings, controls, rng, filters)
        mixer = Mixer(settings.band, settings.synth)
        told = Greeting(mixer.greeting(controls.snapshot(), band.programs))
    elif bundle.manifest.kind == "window":
        filters = filters_for(bundle, settings)
        generator = window = open_window(bundle, settings, controls, rng, filters)
        answering = answering_of(window, settings)
    elif bundle.codec.name == TUNE_CODEC_NAME:
        filters = filters_for(bundle, settings, TUNE_FILTERS)
        generator = open_tunes(bundle, settings, controls, rng, filters)
    else:
        generator = _open_step(bundle, settings, controls, rng)
    candidates = generator.candidates
    return Source(
        bundle,
        generator,
        Performer(),
        controls,
        seed,
        candidates,
        settings.synth,
        answering,
        mixer,
        told,
    )


def _refuse_query(bundle: Bundle, settings: Settings) -> None:
    """A query is for bundles that answer; the others say so (BundleError)."""
    if settings.model.query is not None and bundle.manifest.kind != "window":
        raise BundleError(
            f"bundle {bundle.manifest.name} (family {bundle.manifest.family}) answers no query; "
            "leave --query out, or choose a bundle of family query (`perpetuo models`)"
        )


def _open_step(
    bundle: Bundle, settings: Settings, controls: LiveControls, rng: np.random.Generator
) -> StepGenerator:
    """Make the generator of a bundle that plays note after note of everything."""
    if settings.model.style is not None:
        raise BundleError(
            f"bundle {bundle.manifest.name} has no styles; leave --style out, or choose a bundle "
            "that has (`perpetuo models`)"
        )
    generator = StepGenerator(
        Engine(bundle, settings.model.provider),
        step_settings(bundle, settings),
        rng,
        controls,
        filters_for(bundle, settings),
    )
    if settings.model.prime is not None:
        try:
            generator.prime(read_midi(settings.model.prime))
        except ValueError as error:
            raise MidiFileError(f"{settings.model.prime}: {error}", "off-piano") from error
    return generator


def filters_for(
    bundle: Bundle, settings: Settings, rules: tuple[Filter, ...] = FILTERS
) -> tuple[Filter, ...]:
    """Return the hard filters and, after them, the judges that are asked for.

    Args:
        bundle: Brings the judges' references.
        settings: Name the judges.
        rules: The hard filters of the bundle's family.

    Raises:
        BundleError: The bundle has no reference for a judge, or a damaged one.
    """
    manifest, which = bundle.manifest, settings.model.judge
    references = {name: to_builtins(spec) for name, spec in manifest.judges.items()}
    try:
        return (*rules, *make_judges(which, references))
    except ValueError as error:
        raise BundleError(
            f"bundle {manifest.name} cannot be judged by {which}: {error}; play with --judge none "
            "or export it again with --statistics-from"
        ) from error


def step_settings(bundle: Bundle, settings: Settings) -> StepSettings:
    """Return how phrases are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range.
    """
    model, defaults = settings.model, bundle.manifest.defaults
    chosen: dict[str, Any] = {}
    for name in ("phrase_notes", "candidates"):
        value = getattr(model, name)
        value = defaults.get(name) if value is None else value
        if value is not None:
            chosen[name] = value
    for name in STREAM_DEFAULTS:
        if name in defaults:
            chosen[name] = defaults[name]
    try:
        return StepSettings(
            temperature=_temperature(model, defaults.get("temperature", 1.0)),
            redraws=model.redraws,
            ranking=model.ranking or "regulated",
            limits=limits_for(bundle.manifest, settings.filters),
            recall=settings.recall,
            **chosen,
        )
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"bundle {bundle.manifest.name}: its defaults cannot be used ({error}); "
            "export the bundle again"
        ) from error


def _temperature(model: ModelSettings, default: Any) -> tuple[float, ...]:
    value = default if model.temperature is None else model.temperature
    if isinstance(value, int | float):
        return (float(value),) * len(ARGUMENTS)
    return tuple(float(one) for one in value)
