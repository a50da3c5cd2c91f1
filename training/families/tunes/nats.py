"""What whole tunes cost a model, in nats: given a latent, on average, and as a likelihood.

State is carried over the whole track, and the instrument is unknown, as in the stream. For a
family with a latent three figures are told apart, each in nats a note:

- ``cross_entropy``: of the notes given z drawn from q(z | notes). No likelihood: z was seen.
- ``total``: cross-entropy plus ``kl``, the divergence of q from the prior. With its sign turned
  the evidence lower bound: no less than what the tunes cost the model.
- ``importance``: the bound of importance weighting ([Burda2016]), K samples: nearer to the truth.

``lm`` has one figure: all three are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from streamer.families.tunes.codec import TUNE_ARGUMENTS
from training.families.tunes.crops import Crops, whole_tracks
from training.families.tunes.model import ARGUMENT_COUNT, Vrash
from training.families.tunes.tuneset import TuneSet


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(mean, exp(log_variance)) from N(0, 1), elementwise, nats."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)


@torch.no_grad()
def tune_nats(model: Vrash, crops: Crops, z: Tensor, *, steps: int = 128) -> Tensor:
    """Return what each tune costs given its latent, by argument, nats ``(B, 3)``.

    Args:
        model: In evaluation mode.
        crops: Tunes from their start.
        z: ``(B, Z)``.
        steps: Notes at a time; does not change the result.
    """
    classes, previous = crops.classes.transpose(0, 1), crops.previous().transpose(0, 1)
    condition, s = model.condition(z, crops.style), model.start(z, crops.style)
    out = torch.zeros(len(z), ARGUMENT_COUNT, dtype=torch.float64)
    for begin in range(0, len(classes), steps):
        part = classes[begin : begin + steps]
        states, s = model.states(model.note_rows(previous[begin : begin + steps]), condition, s)
        time = torch.arange(begin, begin + len(part), device=z.device)
        inside = time[:, None] < crops.lengths
        for m, x in enumerate(model.logits(states, part)):
            nats = F.cross_entropy(x.flatten(0, 1), part[..., m].reshape(-1), reduction="none")
            out[:, m] += (nats.view(len(part), -1) * inside).sum(dim=0).double().cpu()
    return out


@torch.no_grad()
def evaluate_tunes(
    model: Vrash, tunes: TuneSet, indices: Sequence[int], *, seed: int = 0, shuffle: bool = False
) -> dict[str, float]:
    """Return nats a note of whole tracks; see the module's text.

    Args:
        model: Its training mode is restored.
        tunes: The corpus.
        indices: Tracks.
        seed: Of the drawn latents: one a track.
        shuffle: Give each track the latent of another one.

    Returns:
        The three arguments and, with a latent, ``kl``; ``total``, their sum; ``cross_entropy``;
        ``kl_nats``, a track's mean divergence; ``notes``.
    """
    with _judged(model):
        sums = torch.zeros(ARGUMENT_COUNT, dtype=torch.float64)
        kl, notes = 0.0, 0
        random = torch.Generator().manual_seed(seed)
        for crops in _batches(model, tunes, indices):
            mean, log_variance = model.encode(crops.classes, crops.style, crops.lengths)
            noise = torch.randn(mean.shape, generator=random).to(mean.device)
            z = mean + noise * (0.5 * log_variance).exp()
            # Batches are sorted by length: half a batch away is a track of like length.
            z = z.roll(max(1, len(z) // 2), dims=0) if shuffle else z
            sums += tune_nats(model, crops, z).sum(dim=0)
            kl += float(divergence(mean, log_variance).sum())
            notes += int(crops.lengths.sum())
    figures = dict(zip(TUNE_ARGUMENTS, (sums / max(notes, 1)).tolist(), strict=True))
    cross = sum(figures.values())
    if model.uses_latent:
        figures["kl"] = kl / max(notes, 1)
    extra = {"cross_entropy": cross, "kl_nats": kl / max(len(indices), 1), "notes": float(notes)}
    return {**figures, "total": sum(figures.values()), **extra}


@torch.no_grad()
def importance_nats(
    model: Vrash, tunes: TuneSet, indices: Sequence[int], *, samples: int = 64, seed: int = 0
) -> float:
    """Return the importance-weighted bound in nats a note, over whole tracks.

    Args:
        model: Its training mode is restored.
        tunes: The corpus.
        indices: Tracks.
        samples: Latents a track, K.
        seed: Of the latents.
    """
    if not model.uses_latent:
        return evaluate_tunes(model, tunes, indices)["total"]
    total, notes = 0.0, 0
    random = torch.Generator().manual_seed(seed)
    with _judged(model):
        for crops in _batches(model, tunes, indices):
            mean, log_variance = model.encode(crops.classes, crops.style, crops.lengths)
            weights = []
            for _ in range(samples):
                noise = torch.randn(mean.shape, generator=random).to(mean.device)
                z = mean + noise * (0.5 * log_variance).exp()
                # The constants of both normal densities cancel.
                prior = -0.5 * z.square().sum(dim=1)
                own = -0.5 * (noise.square() + log_variance).sum(dim=1)
                likely = -tune_nats(model, crops, z).sum(dim=1)
                weights.append(likely + (prior - own).double().cpu())
            bound = torch.logsumexp(torch.stack(weights), dim=0) - math.log(samples)
            total -= float(bound.sum())
            notes += int(crops.lengths.sum())
    return total / max(notes, 1)


@torch.no_grad()
def latents(model: Vrash, tunes: TuneSet, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return mean and log-variance of each whole track, ``(tracks, Z)``, in the order given."""
    means = torch.zeros(len(indices), model.config.latent)
    log_variances = torch.zeros_like(means)
    with _judged(model):
        for begin in range(0, len(indices), 64):
            crops = whole_tracks(tunes, indices[begin : begin + 64]).to(model.device)
            mean, log_variance = model.encode(crops.classes, crops.style, crops.lengths)
            means[begin : begin + 64] = mean.cpu()
            log_variances[begin : begin + 64] = log_variance.cpu()
    return means, log_variances


def _batches(
    model: Vrash, tunes: TuneSet, indices: Sequence[int], rows: int = 64
) -> Iterator[Crops]:
    lengths = tunes.offsets[1:] - tunes.offsets[:-1]
    order = sorted(indices, key=lambda i: (int(lengths[i]), i))
    for begin in range(0, len(order), rows):
        yield whole_tracks(tunes, order[begin : begin + rows]).to(model.device)


@contextmanager
def _judged(model: Vrash) -> Iterator[None]:
    """Evaluation mode inside, the mode from before outside."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
