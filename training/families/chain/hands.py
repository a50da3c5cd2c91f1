"""The law of two hands for the torch model: the reference that the exported graph is compared with.

In: the state of the keys and what was drawn. Out: how long each key is not ready, and the state
after a note. Constants and their reasons: :mod:`streamer.families.chain.hands`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamer.families.chain.codec import PITCH_CLASSES
from streamer.families.chain.hands import HAND_SEMITONES
from streamer.music.notes import CHORD_MS

NO_KEY = 200.0
"""Beyond every key and every span."""


def waits(keys: Tensor) -> Tensor:
    """Return how long each key is not ready, ``(batch, 88)`` ms; 0 or less: it is.

    A key is not ready while it is down or was just struck; and, while the chord lasts, when two
    hands could not hold it with the others.

    Args:
        keys: ``(batch, 2, 88)``.
    """
    busy, recent = keys[:, 0], keys[:, 1]
    number = torch.arange(PITCH_CLASSES, dtype=keys.dtype, device=keys.device)
    inside = recent > 0

    def least(mask: Tensor) -> Tensor:
        return torch.where(mask, number, NO_KEY).amin(dim=1, keepdim=True)

    def greatest(mask: Tensor) -> Tensor:
        return torch.where(mask, number, -NO_KEY).amax(dim=1, keepdim=True)

    left = least(inside) + HAND_SEMITONES
    right = greatest(inside) - HAND_SEMITONES
    # Keys of the chord that one of the hands must reach once the other lies at the far end.
    lowest = greatest(inside & (number < right)) - HAND_SEMITONES
    highest = least(inside & (number > left)) + HAND_SEMITONES
    apart = (number < lowest) | (number > highest) | ((number > left) & (number < right))
    return torch.maximum(busy, torch.where(apart, CHORD_MS, 0.0))


def keys_next(keys: Tensor, pitch: Tensor, passed: Tensor, hold: Tensor) -> Tensor:
    """Return the state of the keys after a note of each row.

    Args:
        keys: ``(batch, 2, 88)``.
        pitch: Its key, ``(batch,)`` int64.
        passed: Time since the note before, ``(batch,)`` ms.
        hold: How long its key cannot be struck, ``(batch,)`` ms.
    """
    after = keys - passed[:, None, None]
    rows = torch.arange(len(pitch), device=keys.device)
    after[rows, 0, pitch] = hold
    after[rows, 1, pitch] = CHORD_MS
    return after
