"""Melodies: the models ``lm``, ``vae`` and ``vrash``, and the filters that are trained on tunes.

In: MIDI files with melodies (:func:`read_melodies`), or the tune file made of them
(:class:`TuneSet`). Out: a trained :class:`Vrash` through its :class:`VrashTask`; filters
(:func:`train_filter`) and the fingerprint of the corpus (:func:`fit_fingerprint`) for its bundle.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.families.tunes.classifiers import Classifier
    from training.families.tunes.crops import Crops
    from training.families.tunes.filter_fit import Filter, Phrases, train_filter
    from training.families.tunes.fingerprint import fit_fingerprint
    from training.families.tunes.generated import generated_phrases, generated_tunes
    from training.families.tunes.latent import latent_use
    from training.families.tunes.model import VARIANTS, Vrash, VrashConfig
    from training.families.tunes.nats import evaluate_tunes
    from training.families.tunes.reader import MelodyOptions, read_melodies
    from training.families.tunes.surrogates import surrogate_phrases
    from training.families.tunes.task import VrashData, VrashTask
    from training.families.tunes.tuneset import TuneInfo, TuneSet
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        classifiers="Classifier",
        crops="Crops",
        filter_fit="Filter Phrases train_filter",
        fingerprint="fit_fingerprint",
        generated="generated_phrases generated_tunes",
        latent="latent_use",
        model="VARIANTS Vrash VrashConfig",
        nats="evaluate_tunes",
        reader="MelodyOptions read_melodies",
        surrogates="surrogate_phrases",
        task="VrashData VrashTask",
        tuneset="TuneInfo TuneSet",
    )

__all__ = [
    "VARIANTS", "Classifier", "Crops", "Filter", "MelodyOptions", "Phrases", "TuneInfo",
    "TuneSet", "Vrash", "VrashConfig", "VrashData", "VrashTask", "evaluate_tunes",
    "fit_fingerprint", "generated_phrases", "generated_tunes", "latent_use", "read_melodies",
    "surrogate_phrases", "train_filter",
]  # fmt: skip
