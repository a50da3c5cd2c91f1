"""Phrases as a bundle writes them when nobody chooses: the raw model, no filter and no ranking.

In: a bundle of tunes. Out: phrases of each style, from latents around the style's mean. A filter
may be trained on them as one more kind of bad phrases, and its effect is seen on them. Called by
``perpetuo train filter --generated`` and by studies.
"""

from __future__ import annotations

import numpy as np

from streamer.bundle import Bundle
from streamer.codecs import codec_as
from streamer.engine import Engine, Function
from streamer.errors import BundleError
from streamer.manifest import STEP_GRAPH
from streamer.noise import gumbel_noise
from streamer.tunes import TuneArray, TuneCodec
from streamer.tunespec import START_GRAPH
from training.surrogates import GENERATED, LEAST_NOTES, MOST_NOTES, Labelled, labelled

BATCH = 32
_NEVER = -1e6


def generated_tunes(
    bundle: Bundle,
    style: str,
    count: int,
    rng: np.random.Generator,
    *,
    notes: int = MOST_NOTES,
    temperature: float = 1.0,
) -> list[TuneArray]:
    """Return the beginnings of tunes; none of them ends.

    Args:
        bundle: Of a family of tunes.
        style: One of its styles.
        count: How many.
        rng: Draws latents and notes.
        notes: Notes of each.
        temperature: Of every argument.

    Raises:
        BundleError: It is no bundle of tunes.
        StreamerError: It has no such style.
        EngineError: ONNX Runtime failed.
    """
    spec = bundle.manifest.tunes
    if spec is None:
        raise BundleError(f"bundle {bundle.manifest.name} plays no tunes; choose another")
    codec = codec_as(bundle.codec, TuneCodec)
    own = spec.style(style)
    place = bundle.manifest.styles.index(style)
    engine, start = Engine(bundle, graph=STEP_GRAPH), Function(bundle, START_GRAPH)
    bias = np.zeros(codec.offsets[-1], dtype=np.float32)
    bias[codec.offsets[2] + codec.end_class] = _NEVER
    found: list[TuneArray] = []
    while len(found) < count:
        batch = min(BATCH, count - len(found))
        z = rng.normal(own.mean, own.sd, (batch, len(own.mean))).astype(np.float32)
        weights = np.zeros((batch, len(spec.styles)), dtype=np.float32)
        weights[:, place] = 1.0
        inputs = {"z": z, "style": weights}
        wanted = {tensor.name for tensor in bundle.manifest.graph(START_GRAPH).inputs}
        first = start(**{name: inputs[name] for name in wanted})["s"]
        state = engine.initial_state(batch).replace(s=first, **inputs)
        noise = gumbel_noise(rng, (notes, batch, codec.offsets[-1]), temperature, codec, bias)
        block = engine.next_block(state, noise)
        found += [codec.decode(block.classes[:, k]) for k in range(batch)]
    return found


def generated_phrases(
    bundle: Bundle, style: str, count: int, rng: np.random.Generator, mark: str
) -> Labelled:
    """Return generated tunes as bad phrases; each is a work of its own, told apart by ``mark``.

    They are as long as the surrogates are: entropies grow with the number of notes.
    """
    sizes = rng.integers(LEAST_NOTES, MOST_NOTES + 1, count).tolist()
    tunes = generated_tunes(bundle, style, count, rng)
    return labelled(
        [
            (tune[:size], GENERATED, False, f"{mark} {style} {i}", style)
            for i, (tune, size) in enumerate(zip(tunes, sizes, strict=True))
        ]
    )
