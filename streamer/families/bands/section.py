"""A section of a band: probabilities become states, states notes; and two sections are joined.

In: what the network thinks of each step and track, and randomness. Out: states, the notes in steps,
what sounds at the end. Nothing here knows of time in ms, of files or of ports.

A state is drawn in two parts, first whether a note begins, goes on or is silent, then which pitch:
so a strike whose pitch is in doubt is not lost to *hold*. The decoders hear nothing of each other's
draws ([Valenti2020]), so that a fresh draw in every step would scatter what belongs together.
Therefore one draw serves many steps: the first part has one for each place in a bar, the same in
all bars, the second one for each pitch in half a bar, and for drums in that half of all bars. In
every single step the state is drawn from the network's own distribution, to the power of one over
the temperature (ours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import (
    BAND_DTYPE,
    DRUMS,
    HOLD,
    PITCHES,
    SILENCE,
    TRACKS,
    BandCodec,
    States,
    sounding_pitches,
)

Floats = NDArray[np.float64]

DENSITY_NATS = 1.5
"""Nats that a strike gains on *hold* and silence for each nat of the density control."""

_LEAST = 1e-9
_BEGINS, _GOES_ON, _ENDS = 0, 1, 2

LONG_STEPS, SHORT_STEPS = 16, 1
"""What sounds for longer before a line than the first goes on over it; no longer than the second is
struck again."""


@dataclass(frozen=True, slots=True, eq=False)
class StateNoise:
    """The Gumbel noise from which the states of one section are drawn.

    Attributes:
        kinds: ``(steps of a bar, 4, 3)``.
        pitches: ``(half bars, 4, 128)``; where a section has more, they come again.
    """

    kinds: Floats
    pitches: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, bar_steps: int, bars: int = 1) -> StateNoise:
        """Draw for a number of bars."""
        kinds = rng.gumbel(size=(bar_steps, len(TRACKS), 3))
        pitches = rng.gumbel(size=(2 * bars, len(TRACKS), PITCHES))
        # Drums have a pattern: in the corpus's windows four fifths of it come again in each bar.
        pitches[:, DRUMS] = np.tile(pitches[:2, DRUMS], (bars, 1))
        return cls(kinds, pitches)


@dataclass(frozen=True, slots=True, eq=False)
class BandSection:
    """What one candidate sounds like.

    Attributes:
        states: ``(steps, 4)``; a first *hold* goes on with what sounds before.
        notes: :data:`streamer.families.bands.codec.BAND_DTYPE`, sorted; ``held`` ones were struck
            before.
        sounding: Pitch in the last step of each track, or None.
        since: Steps for which that has sounded, in this section and before.
        entropies: Of each step and track, ``(steps, 4)`` float32, nats.
    """

    states: States
    notes: NDArray[Any]
    sounding: tuple[int | None, ...]
    since: tuple[int, ...]
    entropies: NDArray[np.float32]

    @property
    def steps(self) -> int:
        """Its length."""
        return len(self.states)


def nothing(steps: int) -> BandSection:
    """Return a section in which nothing sounds."""
    silent = np.full((steps, len(TRACKS)), SILENCE, np.uint8)
    none, never = (None,) * len(TRACKS), (0,) * len(TRACKS)
    notes = np.zeros(0, BAND_DTYPE)
    return BandSection(
        states=silent,
        notes=notes,
        sounding=none,
        since=never,
        entropies=np.zeros(silent.shape, np.float32),
    )


def draw_states(
    probabilities: NDArray[np.float32],
    noise: StateNoise,
    temperature: float,
    density: float = 1.0,
    nats: NDArray[np.float32] | None = None,
) -> States:
    """Draw the states of a section.

    Args:
        probabilities: ``(steps, 4, 130)``.
        noise: Of the section.
        temperature: Above 0; towards 0 the likeliest is taken.
        density: The live control: above 1 strikes gain on *hold* and silence.
        nats: What each pitch of the tracks behind the drums loses at each step, ``(steps, 128)``;
            None for nothing.

    Returns:
        ``(steps, 4)``.
    """
    p = probabilities.astype(np.float64)
    struck = p[..., :PITCHES]
    kinds = np.stack([struck.sum(-1), p[..., HOLD], p[..., SILENCE]], axis=-1)
    kinds = np.log(np.maximum(kinds, _LEAST))
    kinds[..., _BEGINS] += DENSITY_NATS * math.log(density)
    step, bar_steps = np.arange(len(p)), len(noise.kinds)
    kinds += temperature * noise.kinds[step % bar_steps]
    kind = kinds.argmax(-1)
    half = 2 * step // bar_steps % len(noise.pitches)
    pitches = np.log(np.maximum(struck, _LEAST)) + temperature * noise.pitches[half]
    if nats is not None:
        pitches[:, DRUMS + 1 :] += nats[:, None]
    pitch = pitches.argmax(-1)
    states = np.select([kind == _BEGINS, kind == _GOES_ON], [pitch, HOLD], SILENCE)
    return np.asarray(states, dtype=np.uint8)


def entropies_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entropy of each state, nats, ``(..., steps, 4)``."""
    p = np.maximum(probabilities, np.float32(_LEAST))
    return np.asarray(-(p * np.log(p)).sum(-1), dtype=np.float32)


def section_after(
    states: States,
    entropies: NDArray[np.float32],
    codec: BandCodec,
    before: BandSection,
    longest: int,
) -> BandSection:
    """Return what states sound like behind another section.

    A window of the corpus writes what is held over its beginning as if it were struck there
    (:meth:`streamer.families.bands.codec.BandCodec.window`). So a track that begins with the pitch
    that sounds is asked how long that has sounded and will sound, and is struck again only where
    bands do.

    Args:
        states: ``(steps, 4)``.
        entropies: Of them.
        codec: What they mean.
        before: The section before.
        longest: What would sound for longer than this many steps is struck again, or ends.
    """
    states = states.copy()
    for track, pitch in enumerate(before.sounding):
        column = states[:, track]
        if pitch is None or column[0] not in (HOLD, pitch):
            continue
        begun = np.flatnonzero(column[1:] != HOLD)
        left = int(begun[0]) + 1 if len(begun) else len(column)
        since = before.since[track]
        goes_on = column[0] == HOLD or is_held(track, since, left)
        # A note is told whole when its own section is given, and then only the next is known.
        states[0, track] = HOLD if goes_on and since <= before.steps and since < longest else pitch
    notes = codec.decode(states, before.sounding)
    return BandSection(states, notes, *_at_the_end(states, before), entropies)


def is_held(track: int, since: int, left: int) -> bool:
    """Whether a pitch on both sides of a line is one note rather than two.

    Fitted to the corpus (``python -m training.studies.bands.band_touch``): drums are struck,
    strings go on; of bass and harmony two notes of one length are two, as in a rhythm that goes on.

    Args:
        track: Which.
        since: Steps for which it has sounded.
        left: Steps for which it will.
    """
    name = TRACKS[track]
    if name in ("drums", "strings"):
        return name == "strings"
    return since > LONG_STEPS or (since > SHORT_STEPS and since != left)


def _at_the_end(
    states: States, before: BandSection
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """Return what sounds at the end of states, and for how long it has."""
    sounding: list[int | None] = []
    since = []
    last = sounding_pitches(states)[-1].tolist()
    for track, pitch in enumerate(last):
        begun = np.flatnonzero(states[:, track] != HOLD)
        if len(begun):
            sounding.append(pitch if pitch < PITCHES else None)
            since.append(len(states) - int(begun[-1]))
        else:
            sounding.append(before.sounding[track])
            since.append(before.since[track] + len(states))
    pairs = zip(sounding, since, strict=True)
    return tuple(sounding), tuple(0 if pitch is None else steps for pitch, steps in pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The strikes of a section, each with all of its length.

    Attributes:
        notes: :data:`streamer.families.bands.codec.BAND_DTYPE`, sorted, none of them held.
        more: Steps for which each goes on in the section after.
    """

    notes: NDArray[Any]
    more: NDArray[np.int64]


def strikes_of(section: BandSection, after: BandSection, longest: int) -> Joined:
    """Return the strikes of a section: one note of what sounds across the line to the next.

    Args:
        section: The one that is given now.
        after: The one that follows, as read behind it.
        longest: No note becomes longer, steps.
    """
    notes = section.notes[~section.notes["held"]].copy()
    notes["length"] = np.minimum(notes["length"], longest)
    more = np.zeros(len(notes), dtype=np.int64)
    going = {int(n["track"]): int(n["length"]) for n in after.notes if n["held"]}
    for i in np.flatnonzero(notes["onset"] + notes["length"] == section.steps).tolist():
        length = going.get(int(notes["track"][i]), 0)
        more[i] = min(length, longest - int(notes["length"][i]))
    return Joined(notes, more)
