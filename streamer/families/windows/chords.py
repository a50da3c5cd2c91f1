"""Chords in sections that are read from probabilities: moved as a whole, then note by note (ours).

A section is a draw of cells that do not hear of one another, in whatever key its latent says. It is
moved by the semitones that bring it nearest to the chords, as bands are to what was heard. Then a
note that does not fit its beat goes to the pitch near it that the network holds likeliest there,
each pitch losing what the harmony says; where the network is sure enough of the note, and the
harmony is not law, it stays. Of two that would go to one key the second goes to the next best that
fits and is free, where that is better than where it was; else it is lost in the first. Of the
candidates those are set aside that had to be moved most.

In: a harmony, the probabilities, the cells that sound. Out: the same in the harmony. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.families.windows.codec import RollCodec
from streamer.music.harmony import Harmony, Nats
from streamer.music.scales import OCTAVE

REACH = 5
"""Semitones by which a note is moved at most."""

STEP_NATS = 0.15
"""What each semitone of a move loses."""

SURE_NATS = 3.0
"""By so much at most a note is likelier than another pitch, whatever the network says: what a
network of independent cells is sure of it is far too sure of."""

NEAR_OCTAVE = 0.02
"""A shift is preferred to one half an octave farther that is liker by so little, in cosine."""

SHIFTS = range(-5, 7)
"""Semitones by which a section is moved."""

_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SectionHarmony:
    """What holds over one section.

    Attributes:
        harmony: The chords.
        nats: What each pitch loses at each step, ``(steps, pitches)``.
        wanted: How much each pitch class is asked for, ``(12,)``.
    """

    harmony: Harmony
    nats: Nats
    wanted: NDArray[np.float64]

    @classmethod
    def of(
        cls, harmony: Harmony | None, codec: RollCodec, beat: float, bar_beats: float
    ) -> SectionHarmony | None:
        """Return what holds from a beat on; None without a harmony.

        Args:
            harmony: What holds.
            codec: The grid of what is played.
            beat: Where the section begins.
            bar_beats: Quarters of a bar.
        """
        if harmony is None:
            return None
        beats = beat + np.arange(codec.steps) / codec.steps_per_beat
        nats = harmony.pitch_nats(beats, bar_beats, range(codec.low, codec.high + 1))
        return cls(harmony, nats, harmony.chroma(beat, codec.beats, bar_beats))


def moved_to(
    cells: NDArray[np.float32], codec: RollCodec, chords: SectionHarmony
) -> NDArray[np.float32]:
    """Return a section moved to where it is most like what its chords ask for.

    Args:
        cells: Probabilities, ``(steps, pitches, layers)``.
        codec: What they mean.
        chords: Of the section.
    """
    classes = (np.arange(codec.pitches) + codec.low) % OCTAVE
    shown = cells[..., 0].sum(axis=0, dtype=np.float64)
    # The quiet floor of a network of cells is in no key.
    found = np.bincount(classes, shown, minlength=OCTAVE)
    found -= found.min()
    size = float(np.linalg.norm(found) * np.linalg.norm(chords.wanted))
    if not size:
        return cells
    scores = {
        shift: float(np.roll(found, shift) @ chords.wanted) / size
        - NEAR_OCTAVE * abs(shift) / (OCTAVE / 2)
        for shift in SHIFTS
    }
    shift = max(scores, key=lambda shift: scores[shift])
    out = np.zeros_like(cells)
    if shift >= 0:
        out[:, shift:] = cells[:, : codec.pitches - shift]
    else:
        out[:, :shift] = cells[:, -shift:]
    return out


def fitted(
    cells: NDArray[np.bool_],
    values: NDArray[np.float64],
    codec: RollCodec,
    chords: SectionHarmony,
    onward: frozenset[int] = frozenset(),
) -> tuple[NDArray[np.bool_], float]:
    """Return the cells with notes that do not fit moved to where they do, and how many were.

    Args:
        cells: What sounds, ``(steps, pitches, layers)``.
        values: What it was read from, in the same shape, 0..1.
        codec: What they mean.
        chords: Of the section.
        onward: Pitches whose note, struck before the section, may go on into it: so it does.

    Returns:
        The cells, and the share of notes that were moved, 0..1.
    """
    p = np.clip(values[..., 0], _LEAST, 1 - _LEAST)
    logits = np.log(p) - np.log1p(-p)
    out = np.zeros_like(cells)
    places = []
    for note in codec.decode(cells):
        steps = slice(int(note["onset"]), int(note["onset"] + note["length"]))
        key = int(note["pitch"]) - codec.low
        goes_on = bool(note["held"]) and int(note["pitch"]) in onward
        scores = _scores(logits[steps], chords.nats[steps.start], key)
        to = key if goes_on else int(np.argmax(scores))
        places.append(_Place(steps, key, to, bool(note["held"]), scores))
    # What stays is there first; what is moved goes to where nothing sounds, if that is no worse.
    for place in sorted(places, key=lambda place: place.to != place.key):
        to = place.to
        if to != place.key and out[place.steps, to, 0].any():
            nats = chords.nats[place.steps.start]
            free = (nats == 0) & ~out[place.steps, :, 0].any(axis=0)
            scores = np.where(free & (place.scores >= nats[place.key]), place.scores, -np.inf)
            to = int(np.argmax(scores)) if np.isfinite(scores.max()) else to
        out[place.steps, to, 0] = True
        if codec.onsets and (to != place.key or not place.held):
            out[place.steps.start, to, 1] = True
    return out, sum(place.to != place.key for place in places) / max(len(places), 1)


class _Place(NamedTuple):
    """A note, where it goes, and how well each pitch would be, ``(pitches,)``."""

    steps: slice
    key: int
    to: int
    held: bool
    scores: NDArray[np.float64]


def _scores(logits: NDArray[np.float64], nats: Nats, key: int) -> NDArray[np.float64]:
    """Return how well each pitch would be for a note; what is out of reach has -inf.

    Args:
        logits: Of the note's steps, ``(steps, pitches)``.
        nats: What each pitch loses, ``(pitches,)``.
        key: Where the note is; where it fits it stays.
    """
    scores = np.full(len(nats), -np.inf)
    if nats[key] == 0:
        scores[key] = 0.0
        return scores
    near = np.arange(max(key - REACH, 0), min(key + REACH + 1, len(nats)))
    mean = logits[:, near].mean(axis=0)
    own = float(logits[:, key].mean())
    score = nats[near] - np.minimum(np.maximum(own - mean, 0.0), SURE_NATS)
    scores[near] = score - STEP_NATS * np.abs(near - key)
    return scores
