"""A tune's first phrase comes back, varied (ours; the paper's models say nothing twice).

In: the classes of the first phrase, a candidate. Out: a push in its noise, and whether it came.
Rhythm and pitch are pushed alike; what follows the part that is pushed is the model's own. Called
by the tune generator.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.engine import StepBlock
from streamer.tunes import PITCH_CLASSES, TuneCodec

UNFIT_RETURN = "figure"
"""Why a candidate is dropped whose returning phrase the model finds less likely than chance."""


def push_phrase(
    noise: NDArray[np.float32], classes: NDArray[np.int64], codec: TuneCodec, strength: float
) -> None:
    """Put a phrase forward in one candidate's noise ``(notes, classes)``, from its first note.

    Args:
        noise: Changed in place.
        classes: ``(notes, 3)`` of a phrase, of which as many are used as there are notes.
        codec: The bundle's.
        strength: Nats.
    """
    for step, row in enumerate(classes[: len(noise)].tolist()):
        for argument, number in enumerate(row):
            if argument < 2 or number != codec.end_class:
                noise[step, codec.offsets[argument] + number] += np.float32(strength)


def unfit_return(block: StepBlock, candidate: int, first: NDArray[np.int64] | None) -> str | None:
    """Return why a returning phrase does not fit here, None when it does or none was offered."""
    if first is None:
        return None
    notes = min(len(first), len(block.classes))
    came = block.classes[:notes, candidate, 0] == first[:notes, 0]
    if not came.any():
        return None
    mean = float(block.log_probs[:notes, candidate, 0][came].mean())
    return UNFIT_RETURN if mean < -math.log(PITCH_CLASSES) else None


def came_back(first: NDArray[np.int64] | None, classes: NDArray[np.int64]) -> bool:
    """Whether the first half of a phrase is that of the tune's first one."""
    if first is None:
        return False
    half = min(math.ceil(len(first) / 2), len(classes))
    return bool((classes[:half, :2] == first[:half, :2]).all())
