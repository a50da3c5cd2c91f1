"""What the family windows registers: sections of bars, composed by themselves or as an answer.

Light to import: names and dotted names alone (:mod:`streamer.registry`).
"""

from __future__ import annotations

from streamer.registry import Family

_HERE = "streamer.families.windows"

FAMILY = Family(
    name="windows",
    about="a keyboard, section by section",
    models=("draw", "query"),
    codecs={"roll": f"{_HERE}.codec:RollCodec", "bars": f"{_HERE}.codec:RollCodec"},
    kind="window",
    arguments=("cell",),
    parts={"window": "streamer.generators.sectionspec:WindowSpec"},
    problems=f"{_HERE}.spec:problems",
    controls=f"{_HERE}.controls:WindowControls",
    open=f"{_HERE}.source:open_windows",
    floors=f"{_HERE}.floors:floors",
    check_defaults=f"{_HERE}.source:check_defaults",
)
