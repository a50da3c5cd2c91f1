"""How far the stream goes from one section of DRAW to the next, as its corpus does.

In: a decoder (torch's while a bundle is being made, or that of a bundle which is there already) and
the score file. Out: parts of the manifest. Sections are looked at as they are played: without the
steps in which they go over to the next, which both have.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from export.bundle import write_bundle
from streamer.bundle.bundle import load_bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Function
from streamer.errors import DataError
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.section import spread
from streamer.generators.sections import turned
from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH, WindowSpec, section_of
from training.families.windows.scoreset import ScoreSet
from training.families.windows.steps import PAIRS, following, likeness, usual_step

_BATCH = 64
_LEAST_PAIRS = 2

Sounding = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""Latents ``(passes, n, latent)`` -> cells that sound, ``(n, steps, pitches)``."""


def usual_walk(
    sounding: Sounding, codec: RollCodec, spec: WindowSpec, scores: ScoreSet
) -> WindowSpec:
    """Return what the edge must know to play, with the step of its path.

    Args:
        sounding: The decoder.
        codec: Of a section.
        spec: Passes, latent and overlap; all else stays.
        scores: The corpus.

    Raises:
        DataError: Hardly any training section follows another.
    """
    played = codec.steps - spec.overlap
    found = following(scores, scores.indices("train"), codec, played)
    cells = found.cells(slice(None))[:, :played, :, 0]
    follows = found.piece[1:] == found.piece[:-1]
    if follows.sum() < _LEAST_PAIRS:
        raise DataError(
            f"no training piece has two sections of {codec.beats:g} quarter notes that follow each "
            "other; give the scores that the model was trained on"
        )

    def redraw(step: float, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        near, far = turned(step)
        here, new = rng.standard_normal((2, spec.passes, PAIRS, spec.latent))
        before, after = (sounding(z)[:, :played] for z in (here, near * here + far * new))
        return before, after

    wanted = likeness(cells[:-1][follows], cells[1:][follows], codec.low)
    return msgspec.structs.replace(spec, walk=usual_step(redraw, wanted, codec.low))


def sounding_cells(probabilities: NDArray[Any], alpha: float) -> NDArray[np.bool_]:
    """Return the cells that sound, each section spread to 0..1 as the stream does.

    Args:
        probabilities: ``(n, steps, pitches)``.
        alpha: Threshold.
    """
    even = [spread(one) for one in np.asarray(probabilities, dtype=np.float64)]
    return np.stack(even) > alpha


def restate_path(source: Path, corpus: Path, target: Path) -> str:
    """Write a bundle of DRAW anew, with the step of its path as it is measured now.

    Weights, thresholds and all else stay.

    Args:
        source: The bundle.
        corpus: The score file it was trained on.
        target: Where to; may be ``source``.

    Returns:
        A line that says what came of it.

    Raises:
        BundleError: The bundle cannot be read or written.
        DataError: It is no bundle that goes along a path of passes, or the scores cannot be used.
    """
    bundle, scores = load_bundle(source), ScoreSet.load(corpus)
    manifest, spec = bundle.manifest, section_of(bundle.manifest)
    answers = any(graph.name == ANSWER_GRAPH for graph in manifest.graphs)
    if spec is None or answers or not isinstance(bundle.codec, RollCodec):
        raise DataError(f"{source}: nothing of a bundle of family {manifest.family} is restated; "
                        "export the checkpoint")  # fmt: skip
    decode, codec = Function(bundle, DECODE_GRAPH), codec_as(bundle.codec, RollCodec)

    def sounding(z: NDArray[np.float64]) -> NDArray[np.bool_]:
        parts = [z[:, i : i + _BATCH].astype(np.float32) for i in range(0, z.shape[1], _BATCH)]
        return np.concatenate(
            [sounding_cells(decode(z=part)["probabilities"], spec.alpha) for part in parts]
        )

    new = usual_walk(sounding, codec, spec, scores)
    models = {graph.file: bundle.graph_bytes(graph.name) for graph in manifest.graphs}
    written = write_bundle(target, manifest.with_parts(window=new), models, bundle.card)
    return f"{manifest.name}: {new.walk} of the way from one section to the next; {written.path}"
