"""The least that a note of the family chain costs: its matrix products, for ``perpetuo bench``."""

from __future__ import annotations

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    """Return rows, columns and times of each matrix that one note is multiplied with.

    Tables are not counted: of them a note reads a few rows.
    """
    shape = bundle.manifest.graph(STEP_GRAPH).input("h").shape
    layers, groups, _, hidden = (int(n) if n != "batch" else 0 for n in shape)
    first = [(hidden, 4 * hidden)] * groups
    above = [(2 * hidden, 4 * hidden)] * (groups * (layers - 1))
    heads = [(hidden, size) for size in bundle.codec.sizes]
    return [(rows, columns, 1) for rows, columns in (*first, *above, *heads)]
