"""From live controls to the bias that is added to a graph's noise (docs/design/engine.md).

In: a snapshot of the controls and the codec. Out: nats for each class, 0 where nothing is wanted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.engine.noise import FORBID
from streamer.families.chain.codec import PITCH_CLASSES, ChainCodec
from streamer.families.chain.controls import ChainControls
from streamer.music.notes import PIANO_LOW
from streamer.music.scales import OCTAVE, SCALE_STEPS, SOFT_LOCK_NATS
from streamer.settings.controls import Controls

DENSITY_KNEE_MS = 60.0
"""Time shifts well below this belong to chords: density hardly tilts among them."""

DENSITY_TILT = 1 / 1.4
"""Nats of tilt for each nat of density and of time shift: one over the variance of the logarithm
of piano music's time shifts, so that the tilted mean moves by about the factor asked for."""


PEDAL_NATS = 4.0
"""What a pedal that is down gains where twice as much of it is asked for."""


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


def noise_bias(
    controls: Controls, codec: ChainCodec, *, asked: bool = False
) -> NDArray[np.float32]:
    """Return what the controls add to the noise of every note.

    Args:
        controls: Range, transposition, scale, density and pedal are looked at.
        codec: Gives the classes.
        asked: Whether the model is asked for density and pedal instead, so that of these none is
            leaned on.

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
    if not asked and controls.density != 1:
        length = np.log((codec.shift.centres + DENSITY_KNEE_MS) / DENSITY_KNEE_MS)
        tilt = -math.log(controls.density) * DENSITY_TILT * length
        bias[offsets[1] : offsets[2]] = tilt
    if not asked:
        bias[offsets[4] + 1] = PEDAL_NATS * (controls.of(ChainControls).pedal - 1.0)
    return bias
