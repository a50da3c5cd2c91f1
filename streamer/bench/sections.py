"""How long a bundle that composes bars takes for a bar, beside the least that it could take.

In: a bundle of kind ``window``. Out: the report's ``engine``, in the place where
:mod:`streamer.bench.speed` has that of step families. What is measured is the whole generator:
path, graph, cells to notes, filters, ranking, joining. The floor is one product as large as the
graph's largest matrix, for as many candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamer.bundle import Bundle
from streamer.controls import LiveControls
from streamer.generators.window import WindowGenerator
from streamer.selection.filters import FILTERS
from streamer.settings import ModelSettings, Settings
from streamer.windowsource import open_window, window_of

CANDIDATES = (1, 8, 16)


def section_players(bundle: Bundle, provider: str) -> dict[str, Callable[[], int]]:
    """Return, for each number of candidates, what composes one section and says 1."""
    return {f"section {k}": _player(open_sections(bundle, provider, k)) for k in CANDIDATES}


def open_sections(bundle: Bundle, provider: str, candidates: int) -> WindowGenerator:
    """Return the bundle's generator as the stream makes it, without a query."""
    model = ModelSettings(provider=provider, candidates=candidates)  # type: ignore[arg-type]
    return open_window(
        bundle,
        Settings(model=model),
        LiveControls(),
        np.random.Generator(np.random.SFC64(0)),
        FILTERS,
    )


def _player(generator: WindowGenerator) -> Callable[[], int]:
    def play() -> int:
        generator.next_phrase()
        return 1

    return play


def floors(bundle: Bundle) -> dict[str, Callable[[], int]]:
    """Return the product that writes a section's cells, for each number of candidates."""
    cells = int(np.prod(bundle.codec.shape))  # type: ignore[attr-defined]
    told = bundle.manifest.config.get("model", {})
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
