"""From a bundle to phrases: each draws sixteen steps through the bundle's graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Function, Runtime
from streamer.errors import BundleError
from streamer.generators.base import Choosing, Opened
from streamer.generators.drawing import one_temperature
from streamer.generators.stats import GenerationStats
from streamer.music.notes import Note, Phrase
from streamer.settings.controls import LiveControls
from streamer.settings.settings import Settings
from stroll.codec import KeyCodec
from stroll.controls import StrollControls

STEPS, STEP_MS = 16, 250.0


class StrollGenerator(Choosing):
    """Takes step after step, each where the graph thinks it likely."""

    marked = (*Choosing.marked, "_rng", "_key", "_end_ms")

    def __init__(
        self, likely: Function, codec: KeyCodec, controls: LiveControls, rng: np.random.Generator
    ) -> None:
        super().__init__(1, GenerationStats(arguments=("key",)))
        self._likely, self._codec, self._controls, self._rng = likely, codec, controls, rng
        self._key, self._end_ms = codec.keys // 2, 0.0

    @property
    def beat_ms(self) -> float:
        return 2 * STEP_MS

    def next_phrase(self, notes: int | None = None) -> Phrase:
        own = self._controls.snapshot().of(StrollControls)
        start_ms, struck, entropies = self._end_ms, [], []
        for step in range(notes or STEPS):
            likely = self._likely(previous=np.array([self._key]))["probabilities"][0]
            if self._rng.random() < own.restlessness:
                likely = np.full_like(likely, 1 / len(likely))
            entropies.append(-(likely * np.log(likely)).sum())
            self._key = int(np.searchsorted(likely.cumsum(), self._rng.random() * likely.sum()))
            onset = start_ms + step * STEP_MS
            struck.append(Note(self._codec.low + self._key, onset, STEP_MS, 80))
        self._end_ms = start_ms + len(struck) * STEP_MS
        found = np.array(entropies, np.float32)[:, None]
        phrase = Phrase(tuple(struck), found, start_ms, self._end_ms)
        self._stats.count_drawn([None])
        self._stats.count_committed(phrase)
        return phrase


def open_stroll(
    bundle: Bundle,
    settings: Settings,
    controls: LiveControls,
    rng: np.random.Generator,
    filters: tuple[Any, ...],
    runtime: Runtime,
) -> Opened:
    del filters
    one_temperature(bundle, settings.model)
    likely = Function(bundle, "likely", runtime)
    return Opened(
        generator=StrollGenerator(likely, codec_as(bundle.codec, KeyCodec), controls, rng)
    )


def check_defaults(bundle: Bundle) -> None:
    if one_temperature(bundle, Settings().model) != 1.0:
        raise BundleError(f"bundle {bundle.manifest.name}: a stroll has no temperature but 1")


def floors(bundle: Bundle) -> list[tuple[int, int, int]]:
    return [(1, codec_as(bundle.codec, KeyCodec).keys, STEPS)]
