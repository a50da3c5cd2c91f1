"""A bundle of a band and the settings -> its generator; the part of the pipeline that is theirs.

In: a verified bundle with the part ``bands``, settings, live controls, randomness. Out: a
:class:`BandGenerator`.
"""

from __future__ import annotations

import logging

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Function
from streamer.engine.session import Runtime
from streamer.errors import BundleError, ConfigError
from streamer.families.bands.codec import BandCodec
from streamer.families.bands.generator import BandDrawing, BandGenerator
from streamer.families.bands.genres import Genres, PetalPath
from streamer.families.bands.mixer import Mixer, audible
from streamer.families.bands.player import BandPlayer, PlainBand, PlayedBand
from streamer.families.bands.settings import BandSettings
from streamer.families.bands.tracks import TRACKS
from streamer.generators.base import Opened
from streamer.generators.drawing import one_temperature
from streamer.generators.heard import HeardControls
from streamer.generators.sections import window_of, window_settings
from streamer.generators.sectionspec import DECODE_GRAPH
from streamer.selection.filters import FILTERS, Filter
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Settings
from streamer.settings.styles import parse_styles

logger = logging.getLogger(__name__)


ONSETS_PER_SECOND = 5.6
"""Of a band by itself, drums left out, about: a person's playing is measured by it."""


def open_band(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
    runtime: Runtime,
) -> Opened:
    """Make the generator of a band, and its mixing desk.

    Args:
        bundle: Of the family.
        settings: ``[model]``, ``[filters]``, ``[band]``, ``[expression]``, ``[synth]`` and
            ``[port]`` are looked at.
        controls: Live.
        rng: All randomness.
        filters: What drops candidates beside the hard filters.
        runtime: What inference runs on.

    Raises:
        BundleError: The bundle cannot be used, or not in the way that is asked for.
        ConfigError: All tracks are muted.
        EngineError: ONNX Runtime refuses a graph.
    """
    model, manifest = settings.model, bundle.manifest
    _refuse(bundle, settings)
    if not audible(controls.snapshot()):
        raise ConfigError(
            [
                f"controls mute all tracks ({', '.join(TRACKS)}); "
                "let one be heard: set one of its mute_ controls to false, or its solo_ to true"
            ]
        )
    if settings.port.channel > 1:
        logger.warning(
            "port.channel = %d moves the drums off channel 10 with all others; "
            "set the channels of the tracks in [band] instead",
            settings.port.channel,
        )
    asked = () if model.style is None else parse_styles(model.style)
    spec = window_of(bundle)
    genres = Genres(manifest, asked, rng)
    heard = HeardControls(controls, onsets_per_second=ONSETS_PER_SECOND, register=False)
    generator = BandGenerator(
        path=PetalPath(Function(bundle, DECODE_GRAPH, runtime), genres, rng),
        genres=genres,
        codec=codec_as(bundle.codec, BandCodec),
        spec=spec,
        drawing=band_drawing(bundle, settings),
        rng=rng,
        controls=heard,
        filters=(*FILTERS, *filters),
        corpus=manifest.statistics.corpus_entropy(),
        player=_player(settings, rng),
    )
    mixer = Mixer(settings.stage(BandSettings), settings.synth, generator.programs)
    heard.call_anew(generator.anew)
    return Opened(generator=generator, mixer=mixer, listener=heard)


def band_drawing(bundle: Bundle, settings: Settings) -> BandDrawing:
    """Return how sections are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range, or there are several temperatures.
    """
    band = settings.stage(BandSettings)
    return BandDrawing(
        window=window_settings(bundle, settings),
        temperature=one_temperature(bundle, settings.model),
        channels=band.channels,
        programs=band.programs,
        related_keys=band.keys == "related",
    )


def check_defaults(bundle: Bundle) -> None:
    """Refuse defaults that the edge could not play by (BundleError)."""
    band_drawing(bundle, Settings())


def _player(settings: Settings, rng: np.random.Generator) -> BandPlayer:
    """Return who plays; what it draws does not disturb the generator's randomness."""
    expression, channels = settings.expression, settings.stage(BandSettings).channels
    if not expression.enabled:
        return PlainBand(channels)
    return PlayedBand(channels, rng.spawn(1)[0], expression.amount)


def _refuse(bundle: Bundle, settings: Settings) -> None:
    """Refuse what a band knows nothing of (BundleError)."""
    model = settings.model
    for value, option in ((model.prime, "--prime"), (model.query, "--query")):
        if value is not None:
            raise BundleError(
                f"bundle {bundle.manifest.name} is a band of four tracks and goes on from no file; "
                f"leave {option} out, or let `perpetuo restyle` play one in another genre"
            )
