"""A bundle of tunes as it plays, for the measures that move a style control.

In: a bundle's folder. Out: tunes of given latents and styles, from its graphs and its own noise,
with nothing chosen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.bundle.bundle import load_bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.noise import gumbel_noise
from streamer.errors import DataError
from streamer.families.tunes.codec import TuneCodec
from streamer.families.tunes.spec import tunes_of
from training.families.tunes.generated import BundleWriter
from training.families.tunes.latent import until_end


class BundlePlayer:
    """A :class:`training.families.tunes.latent.TuneWriter` with what the bundle says of its styles.

    Args:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        self._bundle = load_bundle(path)
        self._codec = codec_as(self._bundle.codec, TuneCodec)
        self._writer = BundleWriter(self._bundle)

    def spread(self, style: str) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the style's latents, ``(Z,)``."""
        told = tunes_of(self._bundle.manifest)
        if told is None:
            raise DataError(f"bundle {self._bundle.manifest.name} plays no tunes; choose another")
        own = told.style(style)
        return torch.tensor(own.mean), torch.tensor(own.sd)

    def tunes(self, z: Tensor, style: Tensor, notes: int, seed: int) -> list[NDArray[np.int64]]:
        """Return classes ``(notes, 3)`` of each, up to its END."""
        shape = (notes, len(z), self._codec.offsets[-1])
        noise = gumbel_noise(np.random.default_rng(seed), shape, 1.0, self._codec)
        classes = self._writer.write(z.float().numpy(), style.numpy(), noise)
        return until_end(classes, self._codec)
