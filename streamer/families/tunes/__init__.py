"""Tunes: melodies with an end, in styles, from the models ``lm``, ``vae`` and ``vrash``.

In: a bundle of one of them, settings, live controls. Out: a :class:`TuneGenerator`
(:func:`open_tunes`), which writes tune after tune, phrase by phrase, and the rests between. With
it: the codec (:class:`TuneCodec`), strict filters and trained ones, keys, second voice, returns of
phrases, and ratings by people. One thread, the generator's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.families.tunes.classifier import TuneEncoder
    from streamer.families.tunes.codec import (
        END,
        TUNE_ARGUMENTS,
        TUNE_CODEC_NAME,
        UNIT_PARTS,
        TuneArray,
        TuneCodec,
        to_tune,
    )
    from streamer.families.tunes.features import feature_names, tune_features
    from streamer.families.tunes.filters import TUNE_FILTERS
    from streamer.families.tunes.fingerprint import Fingerprint, known_in, run_hashes
    from streamer.families.tunes.generator import TuneGenerator
    from streamer.families.tunes.melody import top_line
    from streamer.families.tunes.ratings import Rating, read_ratings
    from streamer.families.tunes.secondvoice import SecondVoice
    from streamer.families.tunes.settings import TuneSettings
    from streamer.families.tunes.source import open_tunes, tune_drawing
    from streamer.families.tunes.spec import ALL_STYLES, ClassifierSpec, TunesSpec, tunes_of
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        classifier="TuneEncoder",
        codec="END TUNE_ARGUMENTS TUNE_CODEC_NAME UNIT_PARTS TuneArray TuneCodec to_tune",
        features="feature_names tune_features",
        filters="TUNE_FILTERS",
        fingerprint="Fingerprint known_in run_hashes",
        generator="TuneGenerator",
        melody="top_line",
        ratings="Rating read_ratings",
        secondvoice="SecondVoice",
        settings="TuneSettings",
        source="open_tunes tune_drawing",
        spec="ALL_STYLES ClassifierSpec TunesSpec tunes_of",
    )

__all__ = [
    "ALL_STYLES", "END", "TUNE_ARGUMENTS", "TUNE_CODEC_NAME", "TUNE_FILTERS", "UNIT_PARTS",
    "ClassifierSpec", "Fingerprint", "Rating", "SecondVoice", "TuneArray", "TuneCodec",
    "TuneEncoder", "TuneGenerator", "TuneSettings", "TunesSpec", "feature_names", "known_in",
    "open_tunes", "read_ratings", "run_hashes", "to_tune", "top_line", "tune_drawing",
    "tune_features", "tunes_of",
]  # fmt: skip
