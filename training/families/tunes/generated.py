"""Phrases as a bundle writes them when nobody chooses: the raw model, no filter and no ranking.

In: a bundle of tunes. Out: phrases of each style, from latents around the style's mean, or tunes of
given latents and styles. A filter may be trained on phrases as one more kind of bad ones, and its
effect is seen on them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.bundle.manifest import STEP_GRAPH
from streamer.engine.engine import Engine, Function
from streamer.engine.noise import gumbel_noise
from streamer.errors import BundleError
from streamer.families.tunes.codec import TuneArray, TuneCodec
from streamer.families.tunes.spec import START_GRAPH, tunes_of
from training.families.tunes.surrogates import (
    GENERATED,
    LEAST_NOTES,
    MOST_NOTES,
    Labelled,
    labelled,
)

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
    spec = tunes_of(bundle.manifest)
    if spec is None:
        raise BundleError(f"bundle {bundle.manifest.name} plays no tunes; choose another")
    codec = codec_as(bundle.codec, TuneCodec)
    own = spec.style(style)
    place = bundle.manifest.styles.index(style)
    writer = BundleWriter(bundle)
    bias = np.zeros(codec.offsets[-1], dtype=np.float32)
    bias[codec.offsets[2] + codec.end_class] = _NEVER
    found: list[TuneArray] = []
    while len(found) < count:
        batch = min(BATCH, count - len(found))
        z = rng.normal(own.mean, own.sd, (batch, len(own.mean))).astype(np.float32)
        weights = np.zeros((batch, len(spec.styles)), dtype=np.float32)
        weights[:, place] = 1.0
        noise = gumbel_noise(rng, (notes, batch, codec.offsets[-1]), temperature, codec, bias)
        found += [codec.decode(classes) for classes in writer.write(z, weights, noise)]
    return found


class BundleWriter:
    """Writes tunes of given latents and styles; one thread.

    Args:
        bundle: Of a family of tunes.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._engine, self._start = Engine(bundle, graph=STEP_GRAPH), Function(bundle, START_GRAPH)
        self._wanted = {tensor.name for tensor in bundle.manifest.graph(START_GRAPH).inputs}

    def write(
        self,
        z: NDArray[np.float32],
        style: NDArray[np.float32],
        noise: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Return classes ``(B, notes, 3)``, past an END too.

        Args:
            z: ``(B, Z)``.
            style: ``(B, S)``.
            noise: ``(notes, B, classes)``; the class is the argmax of logits plus noise.
        """
        inputs = {"z": z, "style": style}
        first = self._start(**{name: inputs[name] for name in self._wanted})["s"]
        state = self._engine.initial_state(len(z)).replace(s=first, **inputs)
        block = self._engine.next_block(state, noise)
        return np.asarray(block.classes.transpose(1, 0, 2), dtype=np.int64)


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
