"""The least that a section of cells costs: its largest product, for ``perpetuo bench``."""

from __future__ import annotations

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.families.windows.codec import RollCodec
from streamer.generators.sections import window_of


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    """Return rows, columns and times of the matrix that gives a section its cells."""
    width = bundle.manifest.config.get("model", {}).get("hidden")
    width = width if isinstance(width, int) else window_of(bundle).latent
    return [(width, codec_as(bundle.codec, RollCodec).cells, 1)]
