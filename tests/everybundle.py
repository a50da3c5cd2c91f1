"""What writes a tiny bundle of each kind, by a name that tests call it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamer.bundle.bundle import Bundle
from tests.bandbundles import write_tiny_band_bundle
from tests.bundles import (
    write_tiny_bundle,
    write_tiny_draw_bundle,
    write_tiny_query_bundle,
    write_tiny_tunes_bundle,
)

MAKERS: Mapping[str, Callable[..., Bundle]] = {
    "chain": write_tiny_bundle,
    "tunes": write_tiny_tunes_bundle,
    "draw": write_tiny_draw_bundle,
    "query": write_tiny_query_bundle,
    "band": write_tiny_band_bundle,
}
"""Each takes a folder, and if need be a name and a seed."""

FAMILIES = {"chain": "chain", "tunes": "tunes", "windows": "draw", "bands": "band"}
"""Family to the one of them that stands for it."""
