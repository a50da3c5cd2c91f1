"""What the family tunes registers with export.

Light to import: names and dotted names alone (:mod:`export.family`).
"""

from __future__ import annotations

from export.family import ExportFamily

_HERE = "export.families.tunes"

FAMILY = ExportFamily(
    name="tunes",
    exporters=dict.fromkeys(("lm", "vae", "vrash"), f"{_HERE}.exporter:TUNES"),
    baselines={
        "torch_eager": f"{_HERE}.baselines:torch_eager",
        "torch_tables": f"{_HERE}.baselines:torch_tables",
    },
    expression=f"{_HERE}.again:learn_expression",
    restate=f"{_HERE}.again:restate_styles",
    filter=f"{_HERE}.again:put_filters",
    unwrap=f"{_HERE}.again:unwrap_checkpoint",
)
