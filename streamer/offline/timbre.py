"""A small synthesiser's tones, by additive synthesis and shaped noise: arrays of samples, no files.

In: a General MIDI program, a key, a velocity, how long the key is held. Out: mono samples as
``(samples,)`` float32 at :data:`RATE`, release included. Nothing is sampled from an instrument and
nothing is random: the same note gives the same samples. Pure functions; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RATE = 44_100
"""Samples a second."""

Samples = npt.NDArray[np.float32]

LONGEST_SECONDS = 20.0
"""A key that is held longer is let go."""

_A4_PITCH, _A4_HZ = 69, 440.0
_HIGHEST_HZ = 16_000.0
"""Partials above it are left out: nobody hears them, and none folds back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """How an instrument sounds.

    Attributes:
        partials: Most of them.
        tilt: Power with which partials grow softer upwards.
        bright: How much of the upper partials the loudest note keeps, 0..1.
        stretch: How far partials lie above whole multiples at middle C, as strings of steel do.
        attack: Time to full loudness, seconds.
        decay: Time to 1/e at middle C, seconds; None sounds on while the key is held.
        release: Time to 1/e after the key, seconds.
        even: Loudness of even partials, 0..1; a reed has few.
        shimmer: Detuning of a second voice, share of the frequency; 0 has one voice.
        level: Loudness beside the others.
    """

    partials: int
    tilt: float
    bright: float
    attack: float
    decay: float | None
    release: float
    stretch: float = 0.0
    even: float = 1.0
    shimmer: float = 0.0
    level: float = 1.0


PIANO = Timbre(
    partials=14, tilt=0.9, bright=0.75, stretch=4e-4, attack=0.003, decay=2.6, release=0.09
)
PLUCKED = Timbre(
    partials=12, tilt=1.1, bright=0.6, stretch=1e-4, attack=0.002, decay=1.1, release=0.08
)
BASS = Timbre(partials=8, tilt=1.3, bright=0.5, attack=0.005, decay=1.4, release=0.07, level=1.4)
MALLET = Timbre(
    partials=5, tilt=1.6, bright=0.4, stretch=8e-3, attack=0.002, decay=0.9, release=0.3
)
ORGAN = Timbre(partials=8, tilt=1.0, bright=0.6, attack=0.02, decay=None, release=0.06, level=0.5)
STRINGS = Timbre(
    partials=12, tilt=1.15, bright=0.5, attack=0.09, decay=None, release=0.22, shimmer=0.0018,
    level=0.55,
)  # fmt: skip
WIND = Timbre(
    partials=9, tilt=1.2, bright=0.55, attack=0.04, decay=None, release=0.09, even=0.6, level=0.6
)
PAD = Timbre(
    partials=9, tilt=1.4, bright=0.35, attack=0.25, decay=None, release=0.6, shimmer=0.003,
    level=0.5,
)  # fmt: skip

_GROUPS = (
    PIANO, MALLET, ORGAN, PLUCKED, BASS, STRINGS, STRINGS, WIND, WIND, WIND, WIND, PAD, PAD,
    PLUCKED, MALLET, PAD,
)  # fmt: skip
"""By groups of eight programs, as General MIDI 1 orders them."""


def timbre_of(program: int) -> Timbre:
    """Return how a General MIDI program, 0..127, sounds here."""
    return _GROUPS[program // 8]


def tone(program: int, pitch: int, velocity: int, held_seconds: float) -> Samples:
    """Return one note, ``(samples,)`` within about -1..1.

    Args:
        program: General MIDI program, 0..127.
        pitch: Key, 0..127.
        velocity: 1..127.
        held_seconds: Until the key is let go; at most :data:`LONGEST_SECONDS` count.
    """
    timbre = timbre_of(program)
    held = min(held_seconds, LONGEST_SECONDS)
    body = _body(timbre, pitch, velocity // 16, held_bucket(timbre, pitch, held))
    count = round(held * RATE)
    tail = np.exp(np.arange(round(6 * timbre.release * RATE)) / (-timbre.release * RATE))
    sound = np.zeros(count + tail.size, dtype=np.float32)
    kept = min(sound.size, body.size)
    sound[:kept] = body[:kept]
    sound[count:] *= tail.astype(np.float32)
    return sound * np.float32(timbre.level * (velocity / 127.0) ** 1.7)


def held_bucket(timbre: Timbre, pitch: int, held: float) -> float:
    """Return how many seconds of a tone are made, so that notes of like length share one."""
    needed = held + 6 * timbre.release
    if timbre.decay is not None:
        needed = min(needed, 7.0 * _decay_seconds(timbre.decay, pitch))
    return float(2.0 ** np.ceil(np.log2(max(needed, 0.25))))


@lru_cache(maxsize=192)
def _body(timbre: Timbre, pitch: int, loudness: int, seconds: float) -> Samples:
    """Return a tone whose key is never let go; ``loudness`` is the velocity's upper bits, 0..7."""
    hz = _A4_HZ * 2.0 ** ((pitch - _A4_PITCH) / 12.0)
    time = np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE)
    sound = np.zeros_like(time)
    dull = 0.75 - timbre.bright * (loudness + 1) / 8.0
    total = 0.0
    for n in range(1, timbre.partials + 1):
        partial_hz = n * hz * np.sqrt(1.0 + timbre.stretch * (hz / 261.6) * n * n)
        if partial_hz > _HIGHEST_HZ:
            break
        level = n**-timbre.tilt * np.exp(-max(dull, 0.02) * (n - 1))
        level *= timbre.even if n % 2 == 0 else 1.0
        total += level
        for voice in (1.0, 1.0 + timbre.shimmer) if timbre.shimmer else (1.0,):
            phase = np.float32(2.0 * np.pi * partial_hz * voice) * time
            wave = np.sin(phase, out=phase)
            if timbre.decay is not None:
                # Upper partials die first, and all of them slower once the first blow is over.
                tau = _decay_seconds(timbre.decay, pitch) / (1.0 + 0.22 * (n - 1))
                wave *= 0.7 * np.exp(time / np.float32(-tau)) + 0.3 * np.exp(
                    time / np.float32(-2.8 * tau)
                )
            sound += np.float32(level) * wave
    rise = np.minimum(time / np.float32(timbre.attack), 1.0)
    sound *= rise / np.float32(max(total, 1e-6))
    sound.flags.writeable = False
    return sound


def _decay_seconds(decay: float, pitch: int) -> float:
    """Return the time to 1/e of a key: long in the bass, short in the treble."""
    return float(decay * 2.0 ** ((60 - pitch) / 22.0))


@lru_cache(maxsize=64)
def drum(pitch: int) -> Samples:
    """Return a stroke on the drum that General MIDI has at a key, ``(samples,)``, full loudness."""
    noise = np.random.Generator(np.random.PCG64(pitch)).standard_normal(RATE)
    if pitch in (35, 36):
        return _skin(55.0, 130.0, 0.22, noise, 0.02)
    if pitch in (41, 43, 45, 47, 48, 50):
        return _skin(70.0 * 2.0 ** ((pitch - 41) / 9.0), 60.0, 0.3, noise, 0.05)
    if pitch in (37, 38, 39, 40):
        return _skin(185.0, 40.0, 0.13, noise, 0.6)
    ring = 0.9 if pitch in (49, 51, 52, 53, 55, 57, 59) else 0.25 if pitch == 46 else 0.045
    time = np.arange(RATE) / RATE
    hiss = np.diff(np.diff(noise, prepend=0.0), prepend=0.0)
    return (0.12 * hiss * np.exp(-time / ring)).astype(np.float32)


def _skin(
    hz: float, bend_hz: float, ring: float, noise: npt.NDArray[np.float64], rattle: float
) -> Samples:
    """Return a stroke whose pitch falls to ``hz``, with a share of noise."""
    time = np.arange(RATE) / RATE
    phase = 2.0 * np.pi * np.cumsum(hz + bend_hz * np.exp(-time / 0.03)) / RATE
    stroke = np.sin(phase) * np.exp(-time / ring) + rattle * noise * np.exp(-time / (0.7 * ring))
    return (0.7 * stroke).astype(np.float32)
