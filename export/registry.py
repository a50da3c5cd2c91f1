"""Which families can be exported, by the name that checkpoints and bundles have."""

from __future__ import annotations

from export.bands import BANDS
from export.chain import CHAIN
from export.family import FamilyExport
from export.tunes import TUNES
from export.windows import DRAW, QUERY

EXPORTERS: dict[str, FamilyExport] = {
    "chain": CHAIN,
    "lm": TUNES,
    "vae": TUNES,
    "vrash": TUNES,
    "draw": DRAW,
    "query": QUERY,
    "musae": BANDS,
}
