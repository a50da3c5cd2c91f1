"""How long a bundle that composes bars takes for a bar, beside the least that it could take.

In: a bundle of kind ``window``. Out: the report's ``engine``, in the place where
:mod:`streamer.bench.speed` has that of step families. What is measured is the whole generator:
path, graph, cells to notes, filters, ranking, joining. The floor is the products that no writing of
the graph could do without, for as many candidates: one as large as its largest matrix; of a band
those of its decoders' layers in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamer.bench.products import Contestant, floors_of, multiplier
from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import SectionCodec
from streamer.errors import EngineError
from streamer.generators.base import Generator
from streamer.generators.sections import window_of
from streamer.pipeline import open_source
from streamer.settings.settings import ModelSettings, Settings

CANDIDATES = (1, 4, 8, 16)


def section_players(bundle: Bundle, provider: str) -> dict[str, Contestant]:
    """Return, for each number of candidates, what composes one section and says 1."""
    return {f"section {k}": _player(open_sections(bundle, provider, k)) for k in CANDIDATES}


def open_sections(bundle: Bundle, provider: str, candidates: int) -> Generator:
    """Return the bundle's generator as the stream makes it, without a query."""
    model = ModelSettings(seed=0, provider=provider, candidates=candidates)  # type: ignore[arg-type]
    return open_source(bundle, Settings(model=model)).generator


def _player(generator: Generator) -> Callable[[], int]:
    def play() -> int:
        generator.next_phrase()
        return 1

    return play


def floors(bundle: Bundle) -> dict[str, Contestant]:
    """Return the products that write a section, for each number of candidates."""
    products, rng = floors_of(bundle), np.random.default_rng(0)
    return {f"product {k}": multiplier(products, k, rng) for k in CANDIDATES}


def section_report(bundle: Bundle, times: dict[str, list[float]]) -> dict[str, Any]:
    """Return the report's ``engine``.

    Args:
        bundle: What was measured.
        times: Seconds of each turn, by contestant.
    """
    spec, codec = window_of(bundle), bundle.codec
    if not isinstance(codec, SectionCodec):
        raise EngineError(f"{bundle.path}: its codec {codec.name} says nothing of sections")
    beats = codec.beats
    seconds = beats * 60.0 / spec.bpm
    best = {k: min(times[f"section {k}"]) for k in CANDIDATES}
    floor = {k: min(times[f"product {k}"]) for k in CANDIDATES}
    middle = {k: float(np.quantile(times[f"section {k}"], 0.5)) for k in CANDIDATES}
    return {
        "section_seconds": round(seconds, 3),
        "bars_of_a_section": round(beats / spec.metre, 3),
        "ms_per_section": {str(k): round(1000 * best[k], 3) for k in CANDIDATES},
        "ms_per_bar": {str(k): round(1000 * best[k] * spec.metre / beats, 3) for k in CANDIDATES},
        "share_of_its_duration": {str(k): round(middle[k] / seconds, 5) for k in CANDIDATES},
        "ratio_to_floor": {str(k): round(best[k] / floor[k], 2) for k in CANDIDATES},
        "rounds": len(times["section 1"]),
    }
