"""Keys of a band: each section is moved to where it goes on from what was heard (ours).

In: the states of a candidate, the live controls. Out: by how many semitones it is moved, and the
states on the scale.

A latent says two bars in a key of their own: training moves every window by -5..6 semitones
([Valenti2020], section 4.1), so that all keys are alike to the network, and two places of a walk
may be in any two. For the same reason a section may be moved by as much without becoming less
likely. It is moved to where its pitch classes are most like those of the last bars; now and then to
a key a fifth away. Where a scale is set, it is moved to where it fits that best, and what is left
is put on the scale.

Before, pitches that are foreign to the key of their own section were made less likely
(:func:`in_key`). Then each line goes on in its octave: a track whose first note would be about an
octave from its last one is moved by an octave to it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import (
    DRUMS,
    PITCHES,
    SILENCE,
    TRACKS,
    States,
    sounding_pitches,
    transpose,
)
from streamer.music.scales import OCTAVE, SCALE_STEPS, scale_targets
from streamer.settings.controls import Controls
from streamer.system.marks import Marked

Floats = NDArray[np.float64]

SHIFTS = range(-5, 7)
"""Semitones by which training moves windows."""

MEMORY = 0.7
"""Share of what was heard that still counts a section later."""

FIFTH = 7

MODULATION_BEATS = 128.0
"""Quarters after which the key moves by a fifth, on average."""

OCTAVE_COSTS = 6
"""Semitones by which a line must come nearer to its last note to be moved by an octave. Above 0, so
that a stream does not wander off: each section is at most an octave from where it was written."""

FOREIGN_NATS = 2.0
"""What a pitch that is foreign to its section's key loses: with it as many strikes are in one key
as in the corpus (docs/results/musae.md)."""

NEAR = 0.02
"""A shift is preferred to one that is an octave's half farther when it is less like the past by so
little, in cosine."""


def best_key(classes: Floats) -> NDArray[np.int64]:
    """Return the seven pitch classes of the major scale that holds most, ``(7,)``.

    Args:
        classes: How much each pitch class sounds, ``(12,)``.
    """
    scale = np.array(SCALE_STEPS["major"])
    keys = (scale + np.arange(OCTAVE)[:, None]) % OCTAVE
    return np.asarray(keys[int(np.argmax(classes[keys].sum(axis=1)))])


def in_key(shown: NDArray[np.float32], nats: float = FOREIGN_NATS) -> NDArray[np.float32]:
    """Return what a network thinks of a section, with pitches foreign to its key less likely.

    The decoders do not hear each other, and where they doubt each doubts alone: bands keep to seven
    pitch classes, and four tracks that are drawn apart do not. The key is that of the seven classes
    of a major scale that are expected most over all tracks; whether a note begins is left alone.

    Args:
        shown: Probabilities, ``(steps, 4, 130)``.
        nats: What each foreign pitch loses on the others, 0 or more.
    """
    struck = shown[:, DRUMS + 1 :, :PITCHES]
    classes = np.arange(PITCHES) % OCTAVE
    expected = np.bincount(classes, struck.sum(axis=(0, 1)), minlength=OCTAVE).astype(np.float64)
    scale = best_key(expected)
    moved = struck * np.where(np.isin(classes, scale), 1.0, math.exp(-nats))
    begins = struck.sum(axis=-1, keepdims=True)
    moved *= begins / np.maximum(moved.sum(axis=-1, keepdims=True), 1e-12)
    kept = shown.copy()
    kept[:, DRUMS + 1 :, :PITCHES] = moved
    return kept


class Keys(Marked):
    """The keys of one stream; one thread.

    Args:
        related: Whether sections are moved at all where no scale is set.
    """

    marked = ("_heard", "_last")

    def __init__(self, *, related: bool = True) -> None:
        self._related = related
        self._heard = np.zeros(OCTAVE)
        self._last = np.full(len(TRACKS), SILENCE)

    def move(self, states: States, controls: Controls, *, settled: bool = False) -> States:
        """Return a section in its key, and on the scale where one is set; drums stay.

        Args:
            states: ``(steps, 4)``.
            controls: Scale, root, lock and transposition are looked at.
            settled: Whether it is in its key already, that of chords.
        """
        wanted = None if settled else self._wanted(controls)
        if wanted is not None:
            states = transpose(states, best_shift(chroma(states), wanted))
        if self._related:
            states = nearest_octaves(states, self._last)
        target = pitch_targets(controls)
        if target is None:
            return states
        moved = np.where(states < PITCHES, target[np.minimum(states, PITCHES - 1)], states)
        moved[:, DRUMS] = states[:, DRUMS]
        return np.asarray(moved, dtype=np.uint8)

    def hear(self, states: States, beats: float, rng: np.random.Generator) -> None:
        """Take note of a section that was chosen, ``beats`` quarters long."""
        self._heard = MEMORY * self._heard + chroma(states)
        played = last_pitches(states)
        self._last = np.where(played < PITCHES, played, self._last)
        turn, way = rng.random(2).tolist()
        if turn < beats / MODULATION_BEATS:
            self._heard = np.roll(self._heard, FIFTH if way < 0.5 else -FIFTH)

    def _wanted(self, controls: Controls) -> Floats | None:
        if controls.scale != "off" and controls.scale_lock > 0:
            steps = np.array(SCALE_STEPS[controls.scale])
            wanted = np.zeros(OCTAVE)
            wanted[(steps + controls.root - controls.transpose) % OCTAVE] = 1.0
            return wanted if len(steps) < OCTAVE else None
        return self._heard if self._related and self._heard.any() else None


def chroma(states: NDArray[Any]) -> Floats:
    """Return for how many steps each pitch class sounds in all tracks but the drums, ``(12,)``."""
    sounding = sounding_pitches(states)[:, DRUMS + 1 :].ravel()
    kept = sounding[sounding < PITCHES].astype(np.int64) % OCTAVE
    return np.bincount(kept, minlength=OCTAVE).astype(np.float64)


def best_shift(found: Floats, wanted: Floats) -> int:
    """Return the semitones by which pitch classes are moved to be most like others, -5..6."""
    size = float(np.linalg.norm(found) * np.linalg.norm(wanted))
    if not size:
        return 0
    scores = {
        shift: float(np.roll(found, shift) @ wanted) / size - NEAR * abs(shift) / (OCTAVE / 2)
        for shift in SHIFTS
    }
    return max(scores, key=lambda shift: scores[shift])


def last_pitches(states: States) -> NDArray[np.int64]:
    """Return the last pitch of each track, ``(4,)``; SILENCE for one that strikes none."""
    struck = states < PITCHES
    last = len(states) - 1 - np.argmax(struck[::-1], axis=0)
    pitches = states[last, np.arange(states.shape[1])].astype(np.int64)
    return np.where(struck.any(axis=0), pitches, SILENCE)


def nearest_octaves(states: States, last: NDArray[np.int64]) -> States:
    """Return a section each of whose lines goes on in the octave in which it was left.

    Args:
        states: ``(steps, 4)``; drums stay.
        last: The last pitch of each track before it, ``(4,)``; SILENCE where there is none.
    """
    moved = states.astype(np.int64)
    for track in range(DRUMS + 1, len(TRACKS)):
        column = moved[:, track]
        struck = column < PITCHES
        if last[track] >= PITCHES or not struck.any():
            continue
        pitches = column[struck]
        legal = [
            shift
            for shift in (0, OCTAVE, -OCTAVE)
            if pitches.min() + shift >= 0 and pitches.max() + shift < PITCHES
        ]
        jump = pitches[0] - last[track]
        column[struck] += min(
            legal, key=lambda shift: abs(jump + shift) + OCTAVE_COSTS * (shift != 0)
        )
    return np.asarray(moved, dtype=np.uint8)


def pitch_targets(controls: Controls) -> NDArray[np.int64] | None:
    """Return the pitch that each pitch is put on, ``(128,)``; None where all stay.

    Those off the scale go to its next note below, or above. A lock of less than 1 moves that share
    of the twelve pitch classes' foreign ones, the lowest first.
    """
    targets = scale_targets(
        range(PITCHES), controls.scale, controls.root - controls.transpose, controls.scale_lock
    )
    if not targets:
        return None
    found = np.arange(PITCHES)
    for pitch, target in targets.items():
        found[pitch] = pitch if target is None else target
    return found
