"""What the family bands registers with export.

Light to import: names and dotted names alone (:mod:`export.family`).
"""

from __future__ import annotations

from export.family import ExportFamily

FAMILY = ExportFamily(
    name="bands",
    exporters={"musae": "export.families.bands.exporter:BANDS"},
)
