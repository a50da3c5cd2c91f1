"""A bundle of a band and the settings -> its generator; the part of the pipeline that is theirs.

In: a verified bundle with the part ``bands``, settings, live controls, randomness. Out: a
:class:`BandGenerator`. Called by :mod:`streamer.pipeline`.
"""

from __future__ import annotations

import logging

import numpy as np

from streamer.bandmix import audible
from streamer.bands import BandCodec
from streamer.bundle import Bundle
from streamer.codecs import codec_as
from streamer.controls import LiveControls
from streamer.engine import Function
from streamer.errors import BundleError, ConfigError
from streamer.generators.bandplayer import BandPlayer, PlainBand, PlayedBand
from streamer.generators.bands import BandDrawing, BandGenerator
from streamer.generators.petals import Genres, PetalPath
from streamer.selection.filters import Filter
from streamer.settings import Settings
from streamer.tracks import TRACKS
from streamer.tunesettings import parse_styles
from streamer.windowsource import window_of, window_settings
from streamer.windowspec import DECODE_GRAPH

logger = logging.getLogger(__name__)


def open_band(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Filter, ...],
) -> BandGenerator:
    """Make the generator of a band.

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
    return BandGenerator(
        PetalPath(Function(bundle, DECODE_GRAPH, model.provider), genres, rng),
        genres,
        codec_as(bundle.codec, BandCodec),
        spec,
        band_drawing(bundle, settings),
        rng,
        controls,
        filters,
        manifest.statistics.corpus_entropy(),
        _player(settings, rng),
    )


def band_drawing(bundle: Bundle, settings: Settings) -> BandDrawing:
    """Return how sections are drawn: the bundle's defaults, over them the person's settings.

    Raises:
        BundleError: A default of the bundle is out of range, or there are several temperatures.
    """
    manifest, temperature = bundle.manifest, settings.model.temperature
    if temperature is None:
        temperature = manifest.defaults.get("temperature", 1.0)
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise BundleError(
            f"bundle {manifest.name} takes one temperature for all tracks, not {temperature}"
        )
    return BandDrawing(
        window_settings(bundle, settings),
        float(temperature),
        settings.band.channels,
        settings.band.programs,
        settings.band.keys == "related",
    )


def _player(settings: Settings, rng: np.random.Generator) -> BandPlayer:
    """Return who plays; what it draws does not disturb the generator's randomness."""
    expression, channels = settings.expression, settings.band.channels
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
