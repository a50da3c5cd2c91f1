"""Bands: drums, bass, harmony and strings, a section at a time, from the model ``musae``.

In: a bundle of it, settings, live controls. Out: a :class:`BandGenerator` (:func:`open_band`),
whose sections follow a walk among genres, in keys that go together, each track on a channel of its
own. :mod:`streamer.families.bands.editing` makes new files of given ones. One thread, the
generator's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.families.bands.bandfile import BandPiece, Take, band_of, track_roles
    from streamer.families.bands.codec import (
        BAR_STEPS,
        HOLD,
        PITCHES,
        SILENCE,
        STATES,
        BandCodec,
        sounding_pitches,
    )
    from streamer.families.bands.flower import Flower
    from streamer.families.bands.generator import BandGenerator
    from streamer.families.bands.scatter import GENRE_FACTORS, Scatter
    from streamer.families.bands.settings import BandSettings
    from streamer.families.bands.source import open_band
    from streamer.families.bands.spec import BandSpec, GenreSpec, TrackSpec
    from streamer.families.bands.tracks import TRACKS
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        bandfile="BandPiece Take band_of track_roles",
        codec="BAR_STEPS HOLD PITCHES SILENCE STATES BandCodec sounding_pitches",
        flower="Flower",
        generator="BandGenerator",
        scatter="GENRE_FACTORS Scatter",
        settings="BandSettings",
        source="open_band",
        spec="BandSpec GenreSpec TrackSpec",
        tracks="TRACKS",
    )

__all__ = [
    "BAR_STEPS", "GENRE_FACTORS", "HOLD", "PITCHES", "SILENCE", "STATES", "TRACKS", "BandCodec",
    "BandGenerator", "BandPiece", "BandSettings", "BandSpec", "Flower", "GenreSpec", "Scatter",
    "Take", "TrackSpec", "band_of", "open_band", "sounding_pitches", "track_roles",
]  # fmt: skip
