"""The least that a section of a band costs: its decoders' layers, for ``perpetuo bench``."""

from __future__ import annotations

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.families.bands.codec import BandCodec
from streamer.families.bands.tracks import TRACKS
from streamer.generators.sections import window_of

LAYERS = 3
"""Of the decoders, where the bundle does not say."""


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    """Return rows, columns and times of each matrix: those of every layer, once for each step."""
    config = bundle.manifest.config.get("model", {})
    hidden, layers = config.get("hidden"), config.get("layers", LAYERS)
    width = hidden if isinstance(hidden, int) else window_of(bundle).latent
    steps = codec_as(bundle.codec, BandCodec).steps
    return [(width, 4 * width, steps)] * (len(TRACKS) * int(layers))
