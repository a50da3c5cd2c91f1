"""What ``perpetuo search`` may choose, family by family, and how it judges what came of it.

A space maps entries of a preset (``model.hidden``) to their ranges. A judge gives a trained model a
number, the lower the better; where the number has categories, as the Mahalanobis distance of paper
001 has, it names them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.generators.section import spread
from streamer.selection.signature import SignatureReference, roll_of_matrix, signature
from streamer.windows import RollCodec
from training.data.scores import ScoreSet
from training.data.sections import Sections, chunks
from training.evaluation.signature import fit_reference
from training.models.base import Task

REFERENCE_SECTIONS = 400
GENERATED = 100
"""Pieces that a model is judged by, as in the paper."""

SILENT = 100.0
"""Distance of a section without a note: worse than any music, and a number that can be averaged."""

ALPHAS = 24
"""Thresholds that are tried for a model; each has its own best."""


@dataclass(frozen=True)
class Span:
    """A range of whole or real numbers.

    Attributes:
        low: Least.
        high: Greatest.
        step: Distance of whole numbers; 0 for real ones.
        logarithmic: Whether it is drawn evenly in its logarithm.
    """

    low: float
    high: float
    step: int = 1
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"a range must ascend, not {self.low:g}..{self.high:g}")
        if self.logarithmic and self.low <= 0:
            raise ValueError(f"a logarithmic range must be above 0, not {self.low:g}")


SPACES: dict[str, dict[str, Span]] = {
    # Table I of paper 001; its chunk of 64 to 160 steps in eights is 8 to 20 beats of eight.
    "draw": {
        "data.beats": Span(8, 20),
        "model.latent": Span(5, 1000),
        "model.passes": Span(3, 75),
        "model.hidden": Span(128, 1024),
    },
    "query": {
        "model.hidden": Span(128, 1024),
        "model.layers": Span(1, 3),
        "model.latent": Span(8, 256),
        "model.kl_weight": Span(0.05, 2.0, step=0, logarithmic=True),
    },
    "chain": {
        "model.hidden": Span(64, 256),
        "model.layers": Span(1, 3),
        "model.dropout": Span(0.0, 0.4, step=0),
        "loop.learning_rate": Span(5e-4, 1e-2, step=0, logarithmic=True),
    },
    **{
        family: {
            "model.hidden": Span(64, 512),
            "model.depth": Span(1, 5),
            "loop.learning_rate": Span(5e-4, 2e-2, step=0, logarithmic=True),
        }
        for family in ("lm", "vae", "vrash")
    },
}


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a model.

    Attributes:
        score: The lower the better.
        category: Where the score lies; empty where scores have no categories.
        figures: What else was measured.
    """

    score: float
    category: str
    figures: dict[str, float]


Judge = Callable[[Task, Any], Verdict]


def judge_held_out(task: Task, corpus: Any) -> Verdict:
    """Judge by the task's own held-out figure, nats."""
    del corpus
    figures = task.evaluate()
    return Verdict(figures["total"], "", figures)


CATEGORIES = ("like the corpus", "unusual", "rare", "random or worse")
"""Below the 50, 90 and 99 % quantiles of the corpus's own distances, and beyond (specs 001); the
paper's limits of 4.5, 7 and 10 hold for its own reference only."""


def judge_signature(task: Task, corpus: ScoreSet) -> Verdict:
    """Judge DRAW by the Mahalanobis distance of generated sections from the corpus's (paper 001).

    The reference has sections of the model's own length; the threshold is the best of
    :data:`ALPHAS`.
    """
    model: Any = task.model
    codec: RollCodec = model.codec
    reference = section_reference(corpus, codec)
    drawn = draw_sections(model, GENERATED, seed=0)
    best = (np.inf, 0.5, np.zeros(0))
    for alpha in np.linspace(0.02, 0.98, ALPHAS).tolist():
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
def draw_sections(model: Any, count: int, seed: int) -> NDArray[np.float64]:
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


JUDGES: dict[str, Judge] = {"draw": judge_signature}
"""How families are judged; the others by :func:`judge_held_out`."""
