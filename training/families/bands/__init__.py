"""Bands of four tracks: MusAE, an adversarial autoencoder.

In: MIDI files of bands (:func:`read_bands`), or the band file made of them (:class:`BandSet`).
Out: a trained :class:`Musae` through its :class:`MusaeTask`.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from training.families.bands.bandset import BandInfo, BandSet, Windows, cut_windows
    from training.families.bands.genres import circle_of
    from training.families.bands.model import Musae, MusaeConfig
    from training.families.bands.reader import BandOptions, read_bands
    from training.families.bands.task import MusaeData, MusaeTask
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        extra="train",
        bandset="BandInfo BandSet Windows cut_windows",
        genres="circle_of",
        model="Musae MusaeConfig",
        reader="BandOptions read_bands",
        task="MusaeData MusaeTask",
    )

__all__ = [
    "BandInfo", "BandOptions", "BandSet", "Musae", "MusaeConfig", "MusaeData", "MusaeTask",
    "Windows", "circle_of", "cut_windows", "read_bands",
]  # fmt: skip
