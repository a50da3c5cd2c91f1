"""Entropies of a trained chain: of real pieces, of what it generates itself.

In: a model and note arrays. Out: entropy sequences ``(notes, 5)`` in nats, for the studies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.music.notes import NoteArray
from training.families.chain.batches import windows
from training.families.chain.model import GROUPS, Chain

WINDOW_STEPS = 256


@torch.no_grad()
def real_entropies(model: Chain, pieces: Sequence[NoteArray]) -> list[NDArray[np.float32]]:
    """Return the entropies that the model has on each piece, state carried from its start."""
    state = model.initial_state(len(pieces))
    parts = []
    # As many rows as pieces: row i is piece i.
    for window in windows(pieces, model.codec, batch=len(pieces), steps=WINDOW_STEPS):
        logits, state = model(window.previous, window.current, window.velocity, window.keep, state)
        log_p = [torch.log_softmax(x, dim=-1) for x in logits]
        parts.append(torch.stack([-(p.exp() * p).sum(-1) for p in log_p], dim=-1).numpy())
    rows = np.concatenate(parts)
    return [rows[: len(piece), i] for i, piece in enumerate(pieces)]


@torch.no_grad()
def generated_entropies(
    model: Chain, sequences: int, notes: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Sample from silence at temperature 1.

    Returns:
        Classes and entropies, each ``(sequences, notes, 5)``.
    """
    generator = torch.Generator().manual_seed(seed)
    width = model.codec.offsets[-1]
    previous = torch.full((sequences, 5), -1)
    velocity = torch.zeros(sequences)
    h, c, entries = model.initial_state(sequences)
    past = entries[0, :, :, :GROUPS] if model.memory is not None else None
    classes, entropies = [], []
    for _ in range(notes):
        uniform = torch.rand(sequences, width, generator=generator).clamp(min=1e-20)
        noise = -torch.log(-torch.log(uniform))
        out = model.step(previous, velocity, h, c, noise, past=past)
        previous, velocity, h, c, past = out.classes, out.velocity, out.h, out.c, out.past
        classes.append(out.classes.numpy())
        entropies.append(out.entropies.numpy())
    return np.stack(classes, axis=1), np.stack(entropies, axis=1)


def phrases(sequences: Sequence[NDArray[np.float32]], notes: int) -> NDArray[np.float32]:
    """Cut sequences into phrases that do not overlap, ``(phrases, notes, ...)``."""
    cut = [s[i : i + notes] for s in sequences for i in range(0, len(s) - notes + 1, notes)]
    return np.stack(cut)
