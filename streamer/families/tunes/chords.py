"""Chords in tunes, whose pitches are drawn before their lengths: rhythm first, then pitch (ours).

Where a note lies is known when those before it have their lengths. So a phrase is drawn twice from
the same noise: once with its places guessed, which gives the lengths; then with these forced and
each pitch class biased by the beat that it falls on. Chords begin with the tune's first bar line,
and sound as they are written: a tune that is drawn to chords is moved to no other key.

In: a harmony, noise, the tune. Out: a block. Thread: the generator's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.engine.engine import StepBlock
from streamer.engine.noise import Noise, force_classes
from streamer.families.tunes.codec import END, PITCH_CLASSES, TuneCodec
from streamer.families.tunes.line import Tune
from streamer.music.harmony import Harmony

GUESS_NOTES, GUESS_BEATS = 32, 0.5
"""The length that is guessed is the mean of so many notes; and in quarters where there are none."""


def in_written_key(tune: Tune, harmony: Harmony | None) -> Tune:
    """Return a tune that is moved to no other key where chords or keys hold for its first note."""
    if tune.key is not None or tune.modulation is None or harmony is None:
        return tune
    return replace(tune, modulation=None)


def block_in(
    harmony: Harmony,
    draw: Callable[[Noise], StepBlock],
    noise: Noise,
    tune: Tune,
    codec: TuneCodec,
) -> StepBlock:
    """Draw candidates in a harmony.

    Args:
        harmony: What holds.
        draw: Draws a block with a noise.
        noise: ``(notes, K, classes)``; left as it is.
        tune: Before them.
        codec: The bundle's.
    """
    lengths = tune.past()["length"][-GUESS_NOTES:]
    known = lengths[lengths != END]
    mean = float(known.mean()) if len(known) else GUESS_BEATS * tune.manner.beat
    guessed = tune.place + mean * np.arange(len(noise), dtype=np.float64)
    block = draw(_biased(noise, harmony, tune, guessed[:, None]))
    if harmony.even:  # wherever the notes lie
        return block
    first = block.classes
    each = (codec.decode(first[:, k]) for k in range(first.shape[1]))
    places = [np.concatenate([[tune.place], tune.ends(notes)[:-1]]) for notes in each]
    rhythm = np.full(first.shape, -1, dtype=np.int64)
    rhythm[..., 2] = first[..., 2]
    second = _biased(noise, harmony, tune, np.stack(places, axis=1))
    return draw(force_classes(second, rhythm, codec))


def _biased(noise: Noise, harmony: Harmony, tune: Tune, places: NDArray[np.float64]) -> Noise:
    """Return noise with its pitch classes biased; ``places`` ``(notes, K)`` or ``(notes, 1)``."""
    sounding = (np.arange(PITCH_CLASSES) + tune.transpose) % PITCH_CLASSES
    nats = harmony.nats(places / tune.manner.beat, tune.manner.bar_beats)
    found = noise.copy()
    found[:, :, :PITCH_CLASSES] += nats[..., sounding]
    return found
