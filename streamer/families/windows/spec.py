"""What must hold of a bundle whose sections are rolls of cells.

In: a manifest and its codec. Out: what contradicts itself, a line for each. What the family shares
with others that compose a section at a time is in :mod:`streamer.generators.sectionspec`.
"""

from __future__ import annotations

import math

from streamer.bundle.codecs import Codec, codec_as
from streamer.bundle.manifest import GraphSpec, Manifest, shape_problems
from streamer.families.windows.codec import RollCodec
from streamer.generators import sectionspec
from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH


def problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what keeps the bundle from being played, a line for each."""
    spec = sectionspec.section_of(manifest)
    found = sectionspec.problems(manifest, codec)
    if spec is None:
        return found
    roll = codec_as(codec, RollCodec)
    answers = any(graph.name == ANSWER_GRAPH for graph in manifest.graphs)
    for graph in manifest.graphs:
        if graph.name == DECODE_GRAPH:
            # One that answers writes a bar at once, the other a section in passes.
            before: list[int | str] = ["batch"] if answers else ["passes", "batch"]
            found.extend(shape_problems(graph, {"z": [*before, spec.latent]}))
            found.extend(_decode_problems(graph, roll))
        elif graph.name == ANSWER_GRAPH:
            latent: list[int | str] = ["batch", spec.latent]
            cells: list[int | str] = ["batch", *roll.shape]
            shapes = {"cells": cells, "rates": latent, "noise": latent}
            found.extend(shape_problems(graph, shapes))
    return found


def _decode_problems(graph: GraphSpec, roll: RollCodec) -> list[str]:
    """Cells come in any shape that holds as many as a section has."""
    for tensor in graph.outputs:
        sizes = [size for size in tensor.shape[1:] if isinstance(size, int)]
        if (
            tensor.name == "probabilities"
            and tensor.shape[:1] == ["batch"]
            and len(sizes) == len(tensor.shape) - 1
            and math.prod(sizes) == roll.cells
        ):
            return []
    return [f"graph {graph.name} must make probabilities of {roll.cells} cells, as its codec"]
