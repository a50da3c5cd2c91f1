"""What the family registers with export."""

from export.family import ExportFamily

FAMILY = ExportFamily(name="stroll", exporters={"stroll": "stroll.exporter:STROLL"})
