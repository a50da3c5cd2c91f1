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

from streamer.bands import TRACKS
from streamer.bandsource import open_band
from streamer.bundle import Bundle
from streamer.controls import LiveControls
from streamer.generators.base import Generator
from streamer.selection.filters import FILTERS
from streamer.settings import ModelSettings, Settings
from streamer.windowsource import open_window, window_of

CANDIDATES = (1, 4, 8, 16)

_LAYERS = 3
"""Of a band's decoders, where the bundle does not say."""


def section_players(bundle: Bundle, provider: str) -> dict[str, Callable[[], int]]:
    """Return, for each number of candidates, what composes one section and says 1."""
    return {f"section {k}": _player(open_sections(bundle, provider, k)) for k in CANDIDATES}


def open_sections(bundle: Bundle, provider: str, candidates: int) -> Generator:
    """Return the bundle's generator as the stream makes it, without a query."""
    model = ModelSettings(provider=provider, candidates=candidates)  # type: ignore[arg-type]
    rng = np.random.Generator(np.random.SFC64(0))
    opens = open_window if bundle.manifest.bands is None else open_band
    return opens(bundle, Settings(model=model), LiveControls(), rng, FILTERS)


def _player(generator: Generator) -> Callable[[], int]:
    def play() -> int:
        generator.next_phrase()
        return 1

    return play


def floors(bundle: Bundle) -> dict[str, Callable[[], int]]:
    """Return the products that write a section, for each number of candidates."""
    told = bundle.manifest.config.get("model", {})
    if bundle.manifest.bands is not None:
        return {f"product {k}": _recurrent(bundle, told, k) for k in CANDIDATES}
    cells = int(np.prod(bundle.codec.shape))  # type: ignore[attr-defined]
    width = told.get("hidden")
    width = width if isinstance(width, int) else window_of(bundle).latent
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((width, cells), dtype=np.float32)

    def product(rows: int) -> Callable[[], int]:
        x = rng.standard_normal((rows, width), dtype=np.float32)
        out = np.empty((rows, cells), np.float32)

        def play() -> int:
            np.matmul(x, matrix, out=out)
            return 1

        return play

    return {f"product {k}": product(k) for k in CANDIDATES}


def _recurrent(bundle: Bundle, told: dict[str, Any], rows: int) -> Callable[[], int]:
    """Return what multiplies as often as the decoders of a band must: layer by layer and step."""
    hidden, layers = told.get("hidden"), told.get("layers", _LAYERS)
    width = hidden if isinstance(hidden, int) else window_of(bundle).latent
    rng = np.random.default_rng(0)
    shape = (width, 4 * width)
    matrices = [
        rng.standard_normal(shape, dtype=np.float32) for _ in range(len(TRACKS) * int(layers))
    ]
    x, out = rng.standard_normal((rows, width), dtype=np.float32), np.empty((rows, 4 * width), "f4")
    steps = int(bundle.codec.shape[0])  # type: ignore[attr-defined]

    def play() -> int:
        for matrix in matrices:
            for _ in range(steps):
                np.matmul(x, matrix, out=out)
        return 1

    return play


def section_report(bundle: Bundle, times: dict[str, list[float]]) -> dict[str, Any]:
    """Return the report's ``engine``.

    Args:
        bundle: What was measured.
        times: Seconds of each turn, by contestant.
    """
    spec = window_of(bundle)
    beats = float(bundle.codec.beats)  # type: ignore[attr-defined]
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
