"""Notes <-> states: the codec of bands, four tracks that each play one note at a time.

Source: [Valenti2020].

In every step each track is in one of 130 states: a pitch that begins, *hold* (what sounds goes on)
or silence. A window is ``(steps, 4)`` states. One definition for training (a song to states) and
for playing (states to notes).

Two ways to write a held note. ``onsets``, the usual one, keeps every strike: a repeated note is a
new onset. ``release``, that of the paper's authors, says *hold* wherever the pitch is that of the
step before, so that repeated notes run together; it is for comparison.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.tracks import DRUMS as DRUMS
from streamer.families.bands.tracks import TRACKS as TRACKS

BAND_CODEC_NAME = "tracks"

PITCHES = 128
HOLD, SILENCE = 128, 129
"""States beside the pitches 0..127."""

STATES = 130

STEPS_PER_BEAT = 4
BAR_STEPS = 4 * STEPS_PER_BEAT
"""Steps of a bar of a song: all songs are in 4/4."""

HOLDS = ("onsets", "release")
"""How a held note is written; see the module's text."""

BAND_DTYPE = np.dtype(
    [
        ("track", np.uint8),
        ("onset", np.int32),
        ("length", np.int32),
        ("pitch", np.uint8),
        ("held", np.bool_),
    ]
)
"""One note: place of its track in :data:`TRACKS`, onset and length in steps; ``held`` is true for
one that was sounding before the window began, and goes on without a new strike."""

States = NDArray[np.uint8]


@dataclass(frozen=True)
class BandCodec:
    """What the states of a family mean.

    Attributes:
        steps_per_beat: Steps of a quarter note, 1..24.
        steps: Steps of a window, 1..1024.
        hold: One of :data:`HOLDS`.
    """

    steps_per_beat: int = 4
    steps: int = 32
    hold: str = "onsets"

    name = BAND_CODEC_NAME

    def __post_init__(self) -> None:
        for name, high in (("steps_per_beat", 24), ("steps", 1024)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= high:
                raise ValueError(f"{name} must be a whole number in range 1..{high}")
        if self.hold not in HOLDS:
            raise ValueError(f"hold must be one of {', '.join(HOLDS)}, not {self.hold!r}")

    @property
    def beats(self) -> float:
        """Length of a window, quarter notes."""
        return self.steps / self.steps_per_beat

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a window: steps, tracks."""
        return (self.steps, len(TRACKS))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Classes of each argument: one argument a track."""
        return (STATES,) * len(TRACKS)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each argument begins in a row of all classes, and last the row's width."""
        return tuple(STATES * i for i in range(len(TRACKS) + 1))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal when and only when states mean the same notes."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest; :meth:`from_dict` reads it."""
        return {"name": self.name, "tracks": list(TRACKS), **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BandCodec:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: A value is out of range, or the tracks are others.
            KeyError: One is missing.
        """
        if tuple(data["tracks"]) != TRACKS:
            raise ValueError(f"tracks must be {', '.join(TRACKS)}, not {data['tracks']}")
        return cls(**{f.name: data[f.name] for f in fields(cls)})

    def grid(self, onset: NDArray[Any], length: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return onsets and lengths in steps of notes that are given in quarter notes.

        Onsets go to the nearest step, ends too; no note becomes shorter than a step.
        """
        start = np.rint(np.asarray(onset) * self.steps_per_beat).astype(np.int64)
        end = np.rint((np.asarray(onset) + length) * self.steps_per_beat).astype(np.int64)
        return start, np.maximum(end - start, 1)

    def window(self, song: States, start: int) -> States:
        """Cut a window out of a song's states, in this codec's way of writing held notes.

        Args:
            song: ``(steps, 4)``, as :func:`song_states` gives it.
            start: First step, 0 or more. Beyond the song's end there is silence.

        Returns:
            ``(self.steps, 4)``. What was struck before and still sounds is written as its pitch: a
            window says all that is heard in it.
        """
        part = song[start : start + self.steps]
        missing = self.steps - len(part)
        if missing > 0:
            part = np.concatenate([part, np.full((missing, part.shape[1]), SILENCE, np.uint8)])
        sounding = sounding_pitches(song[: start + 1])[-1] if start < len(song) else None
        states = part.copy()
        if sounding is not None:
            states[0] = np.where(part[0] == HOLD, sounding, part[0])
        return states if self.hold == "onsets" else merge_repeats(states)

    def decode(self, states: NDArray[Any], before: Sequence[int | None] = ()) -> NDArray[Any]:
        """Return the notes of a window.

        Args:
            states: ``(steps, 4)``, any number of steps.
            before: Pitch that sounds in each track before the window, or None; with it, *hold* in
                the first step goes on with that note. Without, it is silence.

        Returns:
            :data:`BAND_DTYPE` rows sorted by onset and track.
        """
        rows: list[tuple[int, int, int, int, bool]] = []
        for track in range(states.shape[1]):
            column = states[:, track].tolist()
            past = before[track] if track < len(before) else None
            pitch, onset, held = past, 0, past is not None
            for step, state in enumerate([*column, SILENCE]):
                if state == HOLD:
                    continue
                if pitch is not None and step > onset:
                    rows.append((track, onset, step - onset, pitch, held))
                pitch = state if state < PITCHES else None
                onset, held = step, False
        notes = np.array(rows, dtype=BAND_DTYPE)
        return notes[np.lexsort((notes["track"], notes["onset"]))]


def song_states(
    tracks: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]], steps: int
) -> States:
    """Return the states of a whole song, with every strike kept.

    Where several notes of a track sound, the lowest is heard ([Valenti2020], section 4.1); when it
    ends before the others, the lowest of those begins.

    Args:
        tracks: Onsets and lengths in steps, and pitches, of each of the four tracks.
        steps: Length of the song; what lies beyond is left out.

    Returns:
        ``(steps, len(tracks))``.
    """
    states = np.full((steps, len(tracks)), SILENCE, dtype=np.uint8)
    for track, (onset, length, pitch) in enumerate(tracks):
        owner = np.full(steps, -1, dtype=np.int64)
        # Written from high to low and, at one pitch, from early to late: what remains is heard.
        for i in np.lexsort((onset, -pitch.astype(np.int64))).tolist():
            owner[max(int(onset[i]), 0) : max(int(onset[i] + length[i]), 0)] = i
        if not len(onset):
            continue
        on = owner >= 0
        keys = np.where(on, pitch[owner], SILENCE).astype(np.uint8)
        begins = on & (onset[owner] == np.arange(steps))
        begins |= keys != np.concatenate([[SILENCE], keys[:-1]])
        states[:, track] = np.where(on & ~begins, HOLD, keys)
    return states


def sounding_pitches(states: NDArray[Any]) -> States:
    """Return what sounds in every step: a pitch or :data:`SILENCE`, in the shape of ``states``.

    Args:
        states: ``(..., steps, tracks)``; *hold* with nothing before it is silence.
    """
    steps = states.shape[-2]
    at = np.where(states == HOLD, -1, np.arange(steps)[:, None])
    last = np.maximum.accumulate(at, axis=-2)
    held = np.take_along_axis(states, np.maximum(last, 0), axis=-2)
    return np.where(last < 0, SILENCE, held).astype(np.uint8)


def longest_silence(states: States) -> NDArray[np.int64]:
    """Return the longest rest of each track in each window, steps, ``(windows, tracks)``."""
    at = np.arange(states.shape[1])[:, None] + 1
    last = np.maximum.accumulate(np.where(states == SILENCE, 0, at), axis=1)
    return np.asarray((at - last).max(axis=1), dtype=np.int64)


def merge_repeats(states: NDArray[Any]) -> States:
    """Return the states in the way of the authors' release: a repeated pitch is *hold*."""
    keys = sounding_pitches(states)
    same = (keys[..., 1:, :] == keys[..., :-1, :]) & (keys[..., 1:, :] < PITCHES)
    merged = keys.copy()
    merged[..., 1:, :][same] = HOLD
    return merged


def transpose(states: NDArray[Any], semitones: NDArray[Any] | int) -> States:
    """Move the pitches of all tracks but the drums; a pitch that leaves MIDI moves by an octave.

    Args:
        states: ``(..., steps, 4)``.
        semitones: A number for each window, ``(...)``, or one for all.
    """
    moved = states.astype(np.int64) + np.asarray(semitones)[..., None, None]
    moved = np.where(moved < 0, moved + 12, np.where(moved >= PITCHES, moved - 12, moved))
    keep = states >= PITCHES
    keep[..., DRUMS] = True
    return np.where(keep, states, moved).astype(np.uint8)
