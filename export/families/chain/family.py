"""What the family chain registers with export.

Light to import: names and dotted names alone (:mod:`export.family`).
"""

from __future__ import annotations

from export.family import ExportFamily

_HERE = "export.families.chain"

FAMILY = ExportFamily(
    name="chain",
    exporters={
        "chain": f"{_HERE}.exporter:CHAIN",
        "transformer": f"{_HERE}.note_exporter:TRANSFORMER",
        "gated": f"{_HERE}.note_exporter:GATED",
    },
    baselines={
        "torch_eager": f"{_HERE}.baselines:torch_eager",
        "torch_tables": f"{_HERE}.baselines:torch_tables",
        "five_sessions": f"{_HERE}.baselines:five_sessions",
    },
    ear=f"{_HERE}.ear:put_ear",
    unwrap=f"{_HERE}.unwrap:unwrap_checkpoint",
)
