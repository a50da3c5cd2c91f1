"""How fast and in which bars tunes go, style by style: a stream's beside its corpus's.

In: tunes as they were played, and the tune file. Out: plain rows. A quarter is the corpus's own, so
that the bar in which a tune was written counts, and not only how fast it is heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.corpora.splits import SPLITS
from training.families.tunes.tuneset import TuneSet

MANNER_LEVELS = (0.05, 0.5, 0.95)
COMMON_BARS = 4
"""Bars of a style that are named."""


@dataclass(frozen=True)
class Pace:
    """How one tune goes.

    Attributes:
        style: Its style.
        notes_a_quarter: Notes over quarters, from the first onset to the last.
        bpm: Quarters a minute.
        bar_beats: Quarters in a bar.
    """

    style: str
    notes_a_quarter: float
    bpm: float
    bar_beats: float


def corpus_paces(tunes: TuneSet) -> list[Pace]:
    """Return how each track goes, of all splits."""
    out = []
    for index in (i for split in SPLITS for i in tunes.indices(split)):
        info, lengths = tunes.tracks[index], tunes.rows(index)["length"]
        quarters = max(float(lengths[:-1].sum()) / 12.0 * info.unit_beats, 1e-3)
        out.append(Pace(info.style, (len(lengths) - 1) / quarters, info.bpm, info.metre))
    return out


def pace_rows(stream: Sequence[Pace], corpus: Sequence[Pace]) -> dict[str, Any]:
    """Return both by style: quantiles of density and tempo, and how far apart the bars are.

    ``bars_apart`` is half the sum of the differences of the shares of bars, 0 (alike) .. 1.
    """
    rows: dict[str, Any] = {}
    for style in sorted({pace.style for pace in stream} & {pace.style for pace in corpus}):
        both = {
            name: [pace for pace in paces if pace.style == style]
            for name, paces in (("stream", stream), ("corpus", corpus))
        }
        bars = {name: _shares(paces) for name, paces in both.items()}
        every = {*bars["stream"], *bars["corpus"]}
        apart = sum(abs(bars["stream"].get(b, 0.0) - bars["corpus"].get(b, 0.0)) for b in every)
        rows[style] = {name: _figures(paces) for name, paces in both.items()}
        rows[style]["bars_apart"] = apart / 2
    return rows


def _figures(paces: Sequence[Pace]) -> dict[str, Any]:
    density = np.array([pace.notes_a_quarter for pace in paces])
    bpm = np.array([pace.bpm for pace in paces])
    shares = sorted(_shares(paces).items(), key=lambda item: -item[1])
    return {
        "tunes": len(paces),
        "notes_a_quarter": _levels(density),
        "notes_a_second": _levels(density * bpm / 60.0),
        "bpm": _levels(bpm),
        "bars": {f"{bar:g}": round(share, 3) for bar, share in shares[:COMMON_BARS]},
    }


def _shares(paces: Sequence[Pace]) -> dict[float, float]:
    counts = Counter(pace.bar_beats for pace in paces)
    return {bar: count / len(paces) for bar, count in counts.items()}


def _levels(values: np.ndarray[Any, Any]) -> dict[str, float]:
    found = {f"{level:g}": round(float(np.quantile(values, level)), 3) for level in MANNER_LEVELS}
    return {**found, "mean": round(float(values.mean()), 3)}
