"""What the family bands registers: four tracks that play together, in genres.

Light to import: names and dotted names alone (:mod:`streamer.registry`).
"""

from __future__ import annotations

from streamer.families.bands.tracks import TRACKS
from streamer.registry import Family

_HERE = "streamer.families.bands"

FAMILY = Family(
    name="bands",
    about="a band of drums, bass, harmony and strings",
    models=("musae",),
    codecs={"tracks": f"{_HERE}.codec:BandCodec"},
    kind="window",
    arguments=TRACKS,
    parts={
        "window": "streamer.generators.sectionspec:WindowSpec",
        "bands": f"{_HERE}.spec:BandSpec",
    },
    problems=f"{_HERE}.spec:problems",
    settings={"band": f"{_HERE}.settings:BandSettings"},
    controls=f"{_HERE}.controls:BandControls",
    open=f"{_HERE}.source:open_band",
    floors=f"{_HERE}.floors:floors",
    check_defaults=f"{_HERE}.source:check_defaults",
)
