"""How much may a tune have in common with the corpus? The fingerprint, and its limit.

In: a set of tunes. Out: the known runs of its training tracks as bits, and the number of notes in a
row that nearly all real tunes stay below which were not trained on, against the same bits: what the
stream makes may sound as familiar as a real tune does, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.families.tunes.fingerprint import HASHES, RUN_NOTES, Fingerprint, known_in, make_bits
from training.corpora.splits import HELD_OUT
from training.families.tunes.tuneset import TuneSet

LIMIT_SHARE = 0.9
"""Share of held-out phrases that the limit lets pass."""

FINGERPRINT_NOTES = 64
"""Notes of a phrase whose longest run is measured, as long as the classifier looks back."""


@dataclass(frozen=True)
class Fitted:
    """What goes into a bundle.

    Attributes:
        table: Packed bits.
        notes: Notes of a run.
        each: Hashes of a run.
        limit: Most notes in a row.
        report: Held-out figures.
    """

    table: NDArray[np.uint8]
    notes: int
    each: int
    limit: int
    report: dict[str, Any]

    @property
    def fingerprint(self) -> Fingerprint:
        """The look-up."""
        return Fingerprint(known_in(self.table), 8 * len(self.table), self.notes, self.each)


def fit_fingerprint(tunes: TuneSet, notes: int = RUN_NOTES, share: float = LIMIT_SHARE) -> Fitted:
    """Learn the training tracks' runs, and the limit from held-out tracks.

    Args:
        tunes: The corpus.
        notes: Notes of a run.
        share: Of held-out phrases that pass.

    Raises:
        DataError: There is nothing to learn from, or nothing held out.
    """
    known = [tunes.tune(i) for i in tunes.indices("train")]
    held = [i for split in HELD_OUT for i in tunes.indices(split)]
    if not known or not held:
        raise DataError("a fingerprint needs training and held-out tracks; prepare more files")
    table = make_bits(known, notes, HASHES)
    fingerprint = Fingerprint(known_in(table), 8 * len(table), notes, HASHES)
    phrases, styles = [], []
    for i in held:
        tune = tunes.tune(i)
        for start in range(0, max(len(tune) - FINGERPRINT_NOTES, 0) + 1, FINGERPRINT_NOTES):
            phrases.append(tune[start : start + FINGERPRINT_NOTES])
            styles.append(tunes.tracks[i].style)
    runs = fingerprint.longest_runs(phrases)
    limit = max(int(np.quantile(runs, share)), 2 * notes)
    report = {
        "run_notes": notes,
        "bits": 8 * len(table),
        "bytes": len(table),
        "share_of_bits_set": float(np.unpackbits(table).mean()),
        "tracks": len(known),
        "held_out_phrases": len(phrases),
        "limit": limit,
        "kept_of_held_out": float((runs <= limit).mean()),
        "longest_run": {
            style: _quantiles(runs[np.asarray(styles) == style]) for style in sorted({*styles})
        },
    }
    return Fitted(table, notes, HASHES, limit, report)


def _quantiles(runs: NDArray[np.int64]) -> dict[str, float]:
    levels = (0.5, 0.9, 0.99, 1.0)
    found = {f"{level:g}": float(np.quantile(runs, level)) for level in levels}
    return {**found, "phrases": float(len(runs))}
