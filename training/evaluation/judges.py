"""Fit the judges of the stream on the training pieces; export writes what comes out in a bundle.

Pieces come in, the manifest's ``judges`` goes out: for each judge of
:mod:`streamer.selection.judges` mean, precision and the distance beyond which a phrase is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.music.notes import NoteArray
from streamer.selection.judges import JUDGED_NOTES, VECTORS, JudgeReference, describe
from training.evaluation.excerpts import excerpts
from training.evaluation.signature import cross_fitted_distances, fit_reference

KEPT_SHARE = 0.95
"""Share of the corpus's own excerpts that a judge keeps."""

MOST_EXCERPTS = 20_000


def fit_judges(
    pieces: Sequence[NoteArray],
    notes: int = JUDGED_NOTES,
    kept: float = KEPT_SHARE,
    works: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return plain data for the manifest: judge to its reference.

    Args:
        pieces: The training pieces, sorted by onset.
        notes: Notes of an excerpt.
        kept: Share of the corpus's own excerpts that pass, 0..1, both excluded; measured on
            works that the reference was not fitted on.
        works: The work of each piece; None: each is its own.

    Raises:
        DataError: There are too few excerpts.
        ValueError: ``kept`` is out of range.
    """
    if not 0 < kept < 1:
        raise ValueError(f"kept must be in range 0..1, both excluded, not {kept}")
    each = max(MOST_EXCERPTS // max(len(pieces), 1), 1)
    cut = [(e, i) for i, p in enumerate(pieces) for e in excerpts(p, notes, each)]
    if not cut:
        raise DataError(f"no piece has {notes} notes to fit a judge on; give longer pieces")
    names = [str(i) for i in range(len(pieces))] if works is None else list(works)
    groups = np.asarray([names[i] for _, i in cut])
    judges = {}
    for name in VECTORS:
        vectors: NDArray[np.float64] = np.stack([describe(name, e) for e, _ in cut])
        reference = fit_reference(vectors, groups)
        limit = float(np.quantile(cross_fitted_distances(vectors, groups), kept))
        judges[name] = JudgeReference(reference.mean, reference.precision, limit, notes).to_dict()
    return judges
