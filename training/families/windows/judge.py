"""How a search judges DRAW: by the Mahalanobis distance of its sections from the corpus's.

In: a trained task and its score set. Out: a verdict with a category. The distance is that of piece
signatures ([Sabathe2017], section II); the reference is training sections of the model's length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from streamer.families.windows.section import spread
from streamer.measures.signature import SignatureReference, roll_of_matrix, signature
from training.evaluation.signature import fit_reference
from training.families.windows.draw import Draw
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import Sections, chunks
from training.run.task import Task
from training.run.verdict import Verdict

REFERENCE_SECTIONS = 400
JUDGED_SECTIONS = 100
"""Pieces that a model is judged by, as in the paper."""

SILENT = 100.0
"""Distance of a section without a note: worse than any music, and a number that can be averaged."""

JUDGED_ALPHAS = 24
"""Thresholds that are tried for a model; each has its own best."""

CATEGORIES = ("like the corpus", "unusual", "rare", "random or worse")
"""Below the 50, 90 and 99 % quantiles of the corpus's own distances, and beyond
(docs/design/draw.md); the paper's limits of 4.5, 7 and 10 hold for its own reference only."""


def judge_signature(task: Task, corpus: ScoreSet) -> Verdict:
    """Judge DRAW by the Mahalanobis distance of generated sections from the corpus's.

    Source: [Sabathe2017].

    The reference has sections of the model's own length; the threshold is the best of
    :data:`JUDGED_ALPHAS`.
    """
    model = task.model
    if not isinstance(model, Draw):
        raise TypeError(f"only DRAW is judged by its canvases, not {type(model).__name__}")
    codec = model.codec
    reference = section_reference(corpus, codec)
    drawn = draw_sections(model, JUDGED_SECTIONS, seed=0)
    best = (np.inf, 0.5, np.zeros(0))
    for alpha in np.linspace(0.02, 0.98, JUDGED_ALPHAS).tolist():
        distances = section_distances(drawn > alpha, reference)
        if float(np.median(distances)) < best[0]:
            best = (float(np.median(distances)), alpha, distances)
    mean = float(best[2].mean())
    index = int(np.searchsorted(reference.quantiles, mean))
    return Verdict(
        mean,
        CATEGORIES[index],
        {
            "median": best[0],
            "sd": float(best[2].std()),
            "alpha": best[1],
            **{f"held_out_{k}": v for k, v in task.evaluate().items()},
        },
    )


def section_reference(corpus: ScoreSet, codec: RollCodec) -> SignatureReference:
    """Return what sections are measured against: training sections of the same length.

    Raises:
        DataError: There are too few.
    """
    real = chunks(corpus, corpus.indices("train"), codec, least_notes=8)
    order = np.random.default_rng(0).permutation(len(real))[:REFERENCE_SECTIONS]
    chosen = Sections(real.packed[order], codec, real.piece[order])
    rolls = whole_rolls(chosen.cells(slice(None))[..., 0], codec)
    vectors = np.stack([signature(roll_of_matrix(roll)) for roll in rolls])
    return fit_reference(vectors, chosen.piece, codec.steps)


def whole_rolls(cells: NDArray[Any], codec: RollCodec) -> NDArray[np.bool_]:
    """Return sections on all 128 pitches, ``(n, steps, 128)``."""
    out = np.zeros((len(cells), codec.steps, 128), dtype=np.bool_)
    out[:, :, codec.low : codec.high + 1] = cells
    return out


def section_distances(rolls: NDArray[Any], reference: SignatureReference) -> NDArray[np.float64]:
    """Return the distance of each section ``(n, steps, 128)``; silence is :data:`SILENT` away."""
    out = np.full(len(rolls), SILENT)
    for i in np.flatnonzero(rolls.any(axis=(1, 2))).tolist():
        out[i] = float(reference.distance(signature(roll_of_matrix(rolls[i]))))
    return out


@torch.no_grad()
def draw_sections(model: Draw, count: int, seed: int) -> NDArray[np.float64]:
    """Return generated canvases ``(count, steps, 128)``, each spread to 0..1."""
    codec, config = model.codec, model.config
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn((config.passes, count, config.latent), generator=generator)
    was = model.training
    model.eval()
    shown = torch.sigmoid(model.decode(z.to(model.device))).cpu().numpy().astype(np.float64)
    model.train(was)
    out = np.zeros((count, codec.steps, 128))
    for row, one in zip(out, shown.reshape(count, codec.steps, codec.pitches), strict=True):
        row[:, codec.low : codec.high + 1] = spread(one)
    return out
