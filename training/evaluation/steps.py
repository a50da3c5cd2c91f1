"""How far music goes from one section to the next, in the latent space of a model.

In: posterior means of sections that follow each other. Out: the step of a walk that goes as far.
Bundles carry it, so that their stream moves on as the corpus does; the studies generate with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.scores import ScoreSet
from training.data.sections import chunks


def usual_step(
    before: NDArray[Any], after: NDArray[Any], every: NDArray[Any], total: NDArray[Any]
) -> float:
    """Return the step of a walk that goes as far as the corpus from one section to the next.

    A walk of step s has latents that correlate by cos(s pi / 2). That of the corpus is the mean
    over the components, each with the weight of what it says: the variance of its posterior means.

    Args:
        before: Posterior means of sections, ``(n, components)``.
        after: Those of the sections that follow them.
        every: Those of all sections, ``(m, components)``.
        total: Variance of each component, the posteriors' own within.

    Returns:
        0..1; 0.01 at least and 0.99 at most.
    """
    middle = every.mean(axis=0)
    common = ((before - middle) * (after - middle)).mean(axis=0)
    says = every.var(axis=0)
    alike = float((common / np.maximum(total, 1e-12) * says).sum() / max(says.sum(), 1e-12))
    step = float(np.arccos(np.clip(alike, 0.0, 1.0))) * 2 / np.pi
    return round(min(max(step, 0.01), 0.99), 4)


@torch.no_grad()
def draw_step(model: Any, scores: ScoreSet, hop_steps: int) -> float:
    """Return the usual step of sections as the stream has them, one every so many steps."""
    codec = model.codec
    found = chunks(
        scores, scores.indices("train"), codec, hop_beats=hop_steps / codec.steps_per_beat
    )
    generator = torch.Generator().manual_seed(0)
    means, variances = [], []
    for start in range(0, len(found), 64):
        cells = torch.from_numpy(found.cells(slice(start, start + 64))[..., 0]).float()
        shape = (model.config.passes, len(cells), model.config.latent)
        mean, log_sd = model.posterior(cells, torch.randn(shape, generator=generator))
        means.append(mean.flatten(1).numpy())
        variances.append((2 * log_sd).exp().flatten(1).numpy())
    every, within = np.concatenate(means).astype(np.float64), np.concatenate(variances)
    follows = found.piece[1:] == found.piece[:-1]
    total = every.var(axis=0) + within.mean(axis=0)
    return usual_step(every[:-1][follows], every[1:][follows], every, total)
