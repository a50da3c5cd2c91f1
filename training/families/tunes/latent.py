"""Whether the latent of a melody model is used, and whether it steers.

Source: docs/design/tunes.md, "What must be shown".

In: a trained model of the families ``vae`` or ``vrash`` and its tunes. Out: plain figures. Four
questions: what the notes cost with another tune's latent (``shuffled``), whether a tune's style can
be told from its latent, whether music moves towards a style as the style control does, and how far
apart the styles are that come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.families.tunes.codec import PITCH_CLASSES, TuneCodec
from training.evaluation.distributions import jensen_shannon
from training.families.tunes.model import ARGUMENT_COUNT, Vrash
from training.families.tunes.nats import evaluate_tunes, latents
from training.families.tunes.tuneset import TuneSet

LATENT_INTERVALS = 12
"""Larger intervals than an octave are counted with the octave."""

ASPECTS = ("pitch_class", "interval", "length")

Profile = dict[str, NDArray[np.float64]]
"""Shares of each cell by aspect; see :func:`profile`."""


def latent_use(model: Vrash, tunes: TuneSet, split: str = "test") -> dict[str, float]:
    """Return held-out nats a note with each tune's own latent and with another tune's.

    ``kl_nats`` is the divergence a tune; ``cost_of_shuffling`` nats a note.
    """
    held = tunes.indices(split)
    own = evaluate_tunes(model, tunes, held)
    other = evaluate_tunes(model, tunes, held, shuffle=True)
    return {
        "kl_nats": own["kl_nats"],
        "cross_entropy": own["cross_entropy"],
        "cross_entropy_shuffled": other["cross_entropy"],
        "cost_of_shuffling": other["cross_entropy"] - own["cross_entropy"],
    }


def style_accuracy(model: Vrash, tunes: TuneSet, split: str = "test") -> dict[str, Any]:
    """Tell the style from a tune's mean latent by logistic regression, fitted on ``train``.

    Returns:
        ``balanced``: mean share of right answers over the styles, and ``chance``, what guessing
        gives of it; ``accuracy``, and ``commonest``, what the commonest style alone gives of that;
        ``recall`` by style.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    sets = {}
    for name in ("train", split):
        indices = tunes.indices(name)
        styles = np.array([tunes.styles.index(tunes.tracks[i].style) for i in indices])
        sets[name] = (latents(model, tunes, indices)[0].numpy(), styles)
    (x, y), (held_x, held_y) = sets["train"], sets[split]
    scaler = StandardScaler().fit(x)
    judge = LogisticRegression(max_iter=2000, class_weight="balanced").fit(scaler.transform(x), y)
    told = judge.predict(scaler.transform(held_x))
    present = sorted(set(held_y.tolist()))
    recall = {tunes.styles[s]: float((told[held_y == s] == s).mean()) for s in present}
    return {
        "balanced": float(np.mean(list(recall.values()))),
        "chance": 1.0 / len(present),
        "accuracy": float((told == held_y).mean()),
        "commonest": float(np.bincount(held_y).max() / len(held_y)),
        "recall": recall,
        "tracks": len(held_y),
    }


@torch.no_grad()
def sample_tunes(
    model: Vrash, z: Tensor, style: Tensor, notes: int, seed: int
) -> list[NDArray[np.int64]]:
    """Draw one tune for each latent; a tune ends with END or after ``notes`` notes.

    Args:
        model: In evaluation mode.
        z: ``(B, Z)``.
        style: Weights of the styles ``(B, S)``.
        notes: Most notes of a tune.
        seed: Of the draws.

    Returns:
        Classes ``(notes, 3)`` of each.
    """
    random = torch.Generator().manual_seed(seed)
    previous = torch.full((len(z), ARGUMENT_COUNT), -1)
    s, rows = model.start(z, style), []
    for _ in range(notes):
        uniform = torch.rand(len(z), model.offsets[-1], generator=random).clamp(min=1e-9)
        step = model.step(previous, s, z, style, -(-uniform.log()).log())
        previous, s = step.classes, step.s
        rows.append(previous)
    return until_end(torch.stack(rows, dim=1).numpy(), model.codec)


def until_end(classes: NDArray[np.int64], codec: TuneCodec) -> list[NDArray[np.int64]]:
    """Cut tunes ``(B, notes, 3)`` behind their END."""
    ends = classes[:, :, 2] == codec.end_class
    lengths = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, classes.shape[1])
    return [tune[:length] for tune, length in zip(classes, lengths, strict=True)]


def profile(tunes: Sequence[NDArray[Any]], codec: TuneCodec) -> Profile:
    """Return how often tunes use what: shares by aspect.

    Training moves each tune to any key; so pitch classes count from the tune's commonest one.

    Args:
        tunes: Classes ``(notes, 3)`` of each.
        codec: What they mean.
    """
    steps = np.zeros(PITCH_CLASSES)
    intervals = np.zeros(2 * LATENT_INTERVALS + 1)
    lengths = np.zeros(codec.sizes[2])
    for classes in tunes:
        pitch = codec.decode(classes)["pitch"].astype(np.int64)
        counts = np.bincount(pitch % PITCH_CLASSES, minlength=PITCH_CLASSES)
        steps += np.roll(counts, -int(counts.argmax()))
        jumps = np.diff(pitch).clip(-LATENT_INTERVALS, LATENT_INTERVALS) + LATENT_INTERVALS
        intervals += np.bincount(jumps, minlength=len(intervals))
        lengths += np.bincount(classes[:, 2].astype(np.int64), minlength=len(lengths))
    cells = zip(ASPECTS, (steps, intervals, lengths), strict=True)
    return {name: count / max(count.sum(), 1.0) for name, count in cells}


def closeness(music: Profile, start: Profile, end: Profile) -> dict[str, float]:
    """Return where music lies between two others, by aspect: 0 at ``start``, 1 at ``end``.

    It is the share p that makes (1 − p)·start + p·end nearest to the music in least squares; it
    may lie outside 0..1.
    """
    out = {}
    for name in ASPECTS:
        way = end[name] - start[name]
        length = max(float(way @ way), 1e-12)
        out[name] = float((music[name] - start[name]) @ way) / length
    return out


class TuneWriter(Protocol):
    """Writes tunes of a style: a model in torch, or a bundle."""

    def spread(self, style: str) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the style's latents, ``(Z,)``, as the stream draws them."""

    def tunes(self, z: Tensor, style: Tensor, notes: int, seed: int) -> list[NDArray[np.int64]]:
        """Return what :func:`sample_tunes` does."""


class ModelWriter:
    """A model in torch, with the latents of the training tracks.

    Args:
        model: In evaluation mode.
        tunes: What it was trained on.
    """

    def __init__(self, model: Vrash, tunes: TuneSet) -> None:
        self._model = model
        self._known = {
            name: latents(model, tunes, tunes.indices("train", name)) for name in tunes.styles
        }

    def spread(self, style: str) -> tuple[Tensor, Tensor]:
        """See :class:`TuneWriter`: of the tracks' means, and around each, which is most of it."""
        mean, log_variance = self._known[style]
        variance = mean.var(dim=0) + log_variance.exp().mean(dim=0)
        return mean.mean(dim=0), variance.sqrt()

    def tunes(self, z: Tensor, style: Tensor, notes: int, seed: int) -> list[NDArray[np.int64]]:
        """See :class:`TuneWriter`."""
        return sample_tunes(self._model, z, style, notes, seed)


def steering(
    player: TuneWriter,
    tunes: TuneSet,
    start: str,
    end: str,
    *,
    count: int = 128,
    notes: int = 128,
    steps: int = 5,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Move the style control from one style to another and measure the music at each stop.

    As in the stream, the control moves the style's weights and the latent's mean together; each
    tune's latent is drawn around that mean. The same draws serve every stop.

    Returns:
        For each stop the share of ``end``, and :func:`closeness` to it by aspect, in which 0 and
        1 are real training tracks of both styles.
    """
    profiles = {name: real_profile(tunes, name) for name in (start, end)}
    (mean, sd), (end_mean, end_sd) = player.spread(start), player.spread(end)
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, len(mean), generator=random)
    rows = []
    for share in np.linspace(0.0, 1.0, steps).tolist():
        middle = (1 - share) * mean + share * end_mean
        spread = (1 - share) * sd + share * end_sd
        style = torch.zeros(count, len(tunes.styles))
        style[:, tunes.styles.index(start)] = 1 - share
        style[:, tunes.styles.index(end)] += share
        music = player.tunes(middle + spread * noise, style, notes, seed)
        there = closeness(profile(music, tunes.codec), profiles[start], profiles[end])
        rows.append({"share": share, **there})
    return rows


def real_profile(tunes: TuneSet, style: str) -> Profile:
    """Return :func:`profile` of a style's training tracks."""
    tracks = [tunes.codec.encode(tunes.tune(i)) for i in tunes.indices("train", style)]
    return profile(tracks, tunes.codec)


def styles_apart(
    player: TuneWriter, tunes: TuneSet, *, count: int = 128, notes: int = 128, seed: int = 0
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure how far apart the styles are, in what is drawn and in the training tracks.

    Args:
        player: Writes the tunes; each latent is drawn around the mean of its style.
        tunes: What it was trained on.
        count: Tunes of each style.
        notes: Most notes of a tune.
        seed: Of the draws, the same for each style.

    Returns:
        For each pair of styles ``drawn`` and ``real``: the Jensen-Shannon divergence of their
        :func:`profile` by aspect, bits, 0 (alike) .. 1 (nothing in common).
    """
    drawn: dict[str, Profile] = {}
    for place, name in enumerate(tunes.styles):
        mean, sd = player.spread(name)
        noise = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed))
        style = torch.zeros(count, len(tunes.styles))
        style[:, place] = 1.0
        music = player.tunes(mean + sd * noise, style, notes, seed)
        drawn[name] = profile(music, tunes.codec)
    both = {"drawn": drawn, "real": {name: real_profile(tunes, name) for name in tunes.styles}}
    return {
        f"{a} and {b}": {
            kind: {aspect: float(jensen_shannon(of[a][aspect], of[b][aspect])) ** 2
                   for aspect in ASPECTS}
            for kind, of in both.items()
        }
        for a, b in combinations(tunes.styles, 2)
    }  # fmt: skip


def monotone(rows: Sequence[dict[str, float]]) -> dict[str, bool]:
    """Return by aspect whether each stop of :func:`steering` is nearer than the one before."""
    return {
        name: all(a[name] < b[name] for a, b in zip(rows[:-1], rows[1:], strict=True))
        for name in ASPECTS
    }
