"""The least that a note of the family chain costs: its matrix products, for ``perpetuo bench``."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH, GraphSpec
from streamer.errors import EngineError
from streamer.families.chain.remembering import (
    HEADS,
    KEY_WIDTH,
    NEAREST,
    OF_ARGUMENT,
    PAST_STATE,
    PLACE_WIDTH,
    WIDEST,
)


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    """Return rows, columns and times of each matrix that one note is multiplied with.

    Tables are not counted: of them a note reads a few rows.

    Raises:
        EngineError: It is a baseline, whose manifest does not say how large its matrices are.
    """
    spec = bundle.manifest.graph(STEP_GRAPH)
    if "h" not in spec.state:
        raise EngineError(
            f"{bundle.path}: {bundle.manifest.family} is no chain, and has no state h that says "
            "how large its matrices are; `perpetuo study bench --bundles` times such a bundle"
        )
    shape = spec.input("h").shape
    layers, groups, _, hidden = (int(n) if n != "batch" else 0 for n in shape)
    first = [(hidden, 4 * hidden)] * groups
    above = [(2 * hidden, 4 * hidden)] * (groups * (layers - 1))
    heads = [(hidden, size) for size in bundle.codec.sizes]
    memory = _memory(spec, bundle.codec.sizes) if PAST_STATE in spec.state else []
    return [(rows, columns, 1) for rows, columns in (*first, *above, *heads, *memory)]


def _memory(spec: GraphSpec, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the products of a memory: the searches, and what came at the places found."""
    reach = int(spec.input(PAST_STATE).shape[1]) - NEAREST - 1
    searches = [(PLACE_WIDTH, len(HEADS) * (KEY_WIDTH + PLACE_WIDTH))]
    searches += [(KEY_WIDTH, reach)] * len(HEADS)
    widths = [WIDEST + 1 if head == "interval" else sizes[argument]
              for head, argument in zip(HEADS, OF_ARGUMENT, strict=True)]  # fmt: skip
    return [*searches, *((reach, width) for width in widths)]
