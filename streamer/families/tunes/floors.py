"""The least that a note of a tune costs: its matrix products, for ``perpetuo bench``."""

from __future__ import annotations

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import STEP_GRAPH
from streamer.errors import EngineError


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    """Return rows, columns and times of each matrix that one note is multiplied with.

    They are the highway cell's micro-layers, the heads' first layers as one, and their last ones.

    Raises:
        EngineError: The bundle's configuration does not say how large they are.
    """
    hidden = int(bundle.manifest.graph(STEP_GRAPH).input("s").shape[1])
    config = bundle.manifest.config.get("model", {})
    depth, head = config.get("depth"), config.get("head")
    if not isinstance(depth, int) or not isinstance(head, int):
        raise EngineError(
            f"{bundle.path}: its configuration says no depth and head; export the bundle again"
        )
    heads = [(head, size) for size in bundle.codec.sizes]
    shapes = [*[(hidden, 2 * hidden)] * depth, (hidden, head * len(heads)), *heads]
    return [(rows, columns, 1) for rows, columns in shapes]
