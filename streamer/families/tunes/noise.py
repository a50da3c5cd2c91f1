"""What is added to the noise of a tune's next notes: live controls, and its end.

In: the controls, the codec, the tune. Out: nats for each class of each note.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.engine.noise import FORBID, FORCE
from streamer.families.tunes.codec import PITCH_CLASSES, UNIT_PARTS, TuneArray, TuneCodec
from streamer.families.tunes.line import Tune
from streamer.families.tunes.settings import TuneSettings
from streamer.music.harmony import Harmony
from streamer.music.scales import SCALE_STEPS, SOFT_LOCK_NATS
from streamer.settings.controls import Controls

DENSITY_TILT = 2.5
"""Nats of tilt for each nat of density and of length: one over the variance of the logarithm of
the corpus's lengths."""

END_FROM = 0.7
"""Share of the planned notes before which a tune does not end."""

END_FIRST_NATS, END_LAST_NATS = -1.0, 6.0
"""Bias of the end where it is allowed first, and just before it is forced."""

END_LATEST = 1.5
"""Share of the planned notes at which a tune is made to end."""

TONAL_NOTES, TONAL_DOUBT = 96, 4.0
"""Notes of a tune that tell its scale, and how many of each pitch class are supposed beforehand."""

TONIC_NATS, TRIAD_NATS = 4.0, 2.0
"""Bias of the pitch of a note that is made to be the last."""


def phrase_bias(
    tune: Tune,
    notes: int,
    controls: Controls,
    codec: TuneCodec,
    settings: TuneSettings,
    moved: int,
    harmony: Harmony | None,
) -> NDArray[np.float32]:
    """Return what is added to the noise of the next notes, harmony aside, ``(notes, classes)``.

    Args:
        tune: Before them.
        notes: How many.
        controls: Live.
        codec: The bundle's.
        settings: How a tune is written.
        moved: Octaves to its range, semitones.
        harmony: What holds: the more strongly, the less a tune keeps to the notes that it has.
    """
    bias = end_bias(tune, notes, codec, settings.least_notes, settings.most_notes)
    bias += control_bias(controls, codec, tune.transpose + moved)
    tonality = settings.tonality * (1.0 if harmony is None else harmony.freedom)
    bias[:, :PITCH_CLASSES] += tonality * tonal_bias(tune.past())
    return bias


def octave_shift(controls: Controls, low: int, high: int) -> int:
    """Return by how many octaves, in semitones, a tune is moved to lie within the range.

    Args:
        controls: Range and transposition are looked at.
        low: Lowest pitch of the tune's style.
        high: Highest pitch.
    """

    def outside(shift: int) -> int:
        moved = shift + controls.transpose
        return max(controls.low - low - moved, 0) + max(high + moved - controls.high, 0)

    return min(range(-60, 61, 12), key=lambda shift: (outside(shift), abs(shift)))


def control_bias(controls: Controls, codec: TuneCodec, transpose: int) -> NDArray[np.float32]:
    """Return what the controls add to the noise of every note, ``(classes,)`` nats.

    Args:
        controls: Range, transposition, scale and density.
        codec: The bundle's.
        transpose: From written to sounding pitch before the controls, semitones.
    """
    offsets = codec.offsets
    bias = np.zeros(offsets[-1], dtype=np.float32)
    moved = transpose + controls.transpose
    if controls.scale != "off" and controls.scale_lock > 0:
        above = (np.arange(PITCH_CLASSES) + moved - controls.root) % PITCH_CLASSES
        off = ~np.isin(above, SCALE_STEPS[controls.scale])
        nats = FORBID if controls.scale_lock == 1 else -SOFT_LOCK_NATS * controls.scale_lock
        bias[: offsets[1]][off] = nats
    first = PITCH_CLASSES * (np.arange(codec.octaves) + codec.octave_low) + moved
    outside = (first + PITCH_CLASSES - 1 < controls.low) | (first > controls.high)
    if not outside.all():
        bias[offsets[1] : offsets[2]][outside] = FORBID
    if controls.density != 1:
        lengths = np.asarray(codec.lengths, dtype=np.float64) / UNIT_PARTS
        tilt = -math.log(controls.density) * DENSITY_TILT * np.log(lengths)
        bias[offsets[2] : offsets[3] - 1] = tilt
    return bias


def end_bias(
    tune: Tune, notes: int, codec: TuneCodec, least: int, most: int
) -> NDArray[np.float32]:
    """Return what draws a tune to its end, ``(notes, classes)`` nats.

    Args:
        tune: The tune so far.
        notes: How many come next.
        codec: The bundle's.
        least: Notes before which no tune ends.
        most: Notes at which every tune ends.
    """
    offsets = codec.offsets
    bias = np.zeros((notes, offsets[-1]), dtype=np.float32)
    planned = tune.manner.notes
    first = max(least, math.ceil(END_FROM * planned))
    last = min(max(math.ceil(END_LATEST * planned), first), most)
    for step in range(notes):
        count = tune.count + step + 1
        end = offsets[2] + codec.end_class
        if count >= last:
            bias[step, end] = FORCE
            if tune.key is not None:
                tonic, *others = tune.key.closing
                bias[step, tonic] += TONIC_NATS
                bias[step, others] += TRIAD_NATS
        elif count < first:
            bias[step, end] = FORBID
        else:
            share = (count - first) / max(last - first, 1)
            bias[step, end] = END_FIRST_NATS + share * (END_LAST_NATS - END_FIRST_NATS)
    return bias


def tonal_bias(past: TuneArray) -> NDArray[np.float32]:
    """Return what keeps a tune to the notes that it has, ``(12,)`` nats, at most 0 (ours).

    The logarithm of how often each pitch class came lately, against the commonest: a tune of seven
    notes goes on with seven, a chromatic one is left alone. A network of this size forgets its key
    within some bars.
    """
    recent = past["pitch"][-TONAL_NOTES:] % PITCH_CLASSES
    counts = np.bincount(recent, minlength=PITCH_CLASSES) + TONAL_DOUBT
    return np.asarray(np.log(counts / counts.max()), dtype=np.float32)
