"""From live controls to the bias that is added to a graph's noise (specs engine).

In: a snapshot of the controls and the codec. Out: nats for each class, 0 where nothing is wanted.
Called by the step generator once a phrase.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.codec import PITCH_CLASSES, ChainCodec
from streamer.controls import OCTAVE, Controls, Scale
from streamer.noise import FORBID
from streamer.notes import PIANO_LOW

SCALE_STEPS: dict[Scale, tuple[int, ...]] = {
    "off": tuple(range(OCTAVE)),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
}
"""Semitones above the root."""

SOFT_LOCK_NATS = 8.0
"""How far notes off the scale are pushed down as the lock comes near to 1, nats."""

DENSITY_KNEE_MS = 60.0
"""Time shifts well below this belong to chords: density hardly tilts among them."""

DENSITY_TILT = 1 / 1.4
"""Nats of tilt for each nat of density and of time shift: one over the variance of the logarithm
of piano music's time shifts, so that the tilted mean moves by about the factor asked for."""


def allowed_pitches(controls: Controls) -> NDArray[np.bool_]:
    """Return which of the model's 88 pitches sound within range once transposed, ``(88,)``.

    When less than an octave would be left, all are allowed, and the performer folds the notes into
    the range by octaves.
    """
    sounding = np.arange(PITCH_CLASSES) + PIANO_LOW + controls.transpose
    inside = (sounding >= controls.low) & (sounding <= controls.high)
    if inside.sum() < OCTAVE:
        return np.ones(PITCH_CLASSES, dtype=np.bool_)
    return np.asarray(inside, dtype=np.bool_)


def noise_bias(controls: Controls, codec: ChainCodec) -> NDArray[np.float32]:
    """Return what the controls add to the noise of every note.

    Args:
        controls: Range, transposition, scale and density are looked at.
        codec: Gives the classes.

    Returns:
        ``(362,)`` float32 in nats: 0 leaves a class alone, :data:`FORBID` takes it away. At least
        one pitch stays.
    """
    offsets = codec.offsets
    bias = np.zeros(offsets[-1], dtype=np.float32)
    pitch = bias[: offsets[1]]
    pitch[~allowed_pitches(controls)] = FORBID
    if controls.scale != "off" and controls.scale_lock > 0:
        above = (np.arange(PITCH_CLASSES) + PIANO_LOW + controls.transpose - controls.root) % OCTAVE
        off = ~np.isin(above, SCALE_STEPS[controls.scale])
        penalty = FORBID if controls.scale_lock == 1 else -SOFT_LOCK_NATS * controls.scale_lock
        pitch[off] = np.minimum(pitch[off], penalty)
    if controls.density != 1:
        length = np.log((codec.shift.centres + DENSITY_KNEE_MS) / DENSITY_KNEE_MS)
        tilt = -math.log(controls.density) * DENSITY_TILT * length
        bias[offsets[1] : offsets[2]] = tilt
    return bias
