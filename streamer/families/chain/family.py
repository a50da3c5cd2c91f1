"""What the family chain registers: notes of everything, one after another, from chained networks.

Light to import: names and dotted names alone (:mod:`streamer.registry`).
"""

from __future__ import annotations

from streamer.registry import Family

_HERE = "streamer.families.chain"

FAMILY = Family(
    name="chain",
    about="expressive piano",
    models=("chain",),
    codecs={"weber-*": f"{_HERE}.codec:ChainCodec"},
    kind="step",
    arguments=("pitch", "shift", "duration", "velocity", "pedal"),
    tempered=True,
    parts={"hearing": f"{_HERE}.ear:EarSpec"},
    problems=f"{_HERE}.ear:problems",
    controls=f"{_HERE}.controls:ChainControls",
    settings={"recall": f"{_HERE}.settings:RecallSettings"},
    open=f"{_HERE}.source:open_chain",
    floors=f"{_HERE}.floors:floors",
    check_defaults=f"{_HERE}.source:check_defaults",
)
