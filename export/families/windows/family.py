"""What the family windows registers with export.

Light to import: names and dotted names alone (:mod:`export.family`).
"""

from __future__ import annotations

from export.family import ExportFamily

_HERE = "export.families.windows"

FAMILY = ExportFamily(
    name="windows",
    exporters={"draw": f"{_HERE}.exporter:DRAW", "query": f"{_HERE}.exporter:QUERY"},
    restate=f"{_HERE}.moving:restate_path",
)
