"""What the ear is told of each note: numbers of the note and of what was heard before it (ours).

In: notes ``(batch, LOOKBACK + N)`` in the order of their onsets. Out: ``(batch, N, FEATURES)``
float32, of the last N of each row. What a note is told depends on itself and on the ``LOOKBACK``
notes before it alone, so that a stream may be described phrase by phrase. One definition for
training (:mod:`training.families.chain.ear`) and play (:mod:`streamer.families.chain.ear`). These
are not the features of ``perpetuo evaluate``, which no model is shown.

Thread: any; nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import CHORD_MS, NOTE_DTYPE, NoteArray

LOOKBACK = 64
"""Notes before a note that it is heard against."""

NOTHING = 0
"""Pitch of a row's place where there is no note: before the beginning of a piece."""

RELEASED_MS = 10.0
"""A key that is let go this soon after another is struck does not sound with it."""

OCTAVE = 12
SHORT, LONG = 8.0, 32.0
"""Notes after which a pitch class is heard a third as much, in the two harmonies that are kept."""

NEAR_RHYTHM = 0.13
"""Logarithm of the ratio of two gaps that are heard as the same."""

LAGS = (2, 3, 4, 6, 8)
RECENT = 16
_FAR = 1e9

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Heard:
    """The notes as columns, and each of the last N against all: ``(batch, N, LOOKBACK + N)``."""

    pitch: NDArray[np.int32]
    gap: Floats
    length: Floats
    velocity: Floats
    pedal: Floats
    apart: NDArray[np.int32]
    age: Floats
    sounding: Bools
    within: Bools
    behind: NDArray[np.int32]

    @property
    def own(self) -> slice:
        """Where the last N lie among all."""
        return slice(LOOKBACK, None)


def padded(notes: NoteArray) -> NoteArray:
    """Return notes with as much of nothing before them as the first wants, ``(LOOKBACK + N,)``."""
    return np.concatenate([np.zeros(LOOKBACK, dtype=NOTE_DTYPE), notes])


def describe(notes: NoteArray) -> Floats:
    """Describe the last N of ``LOOKBACK + N`` notes, N at least 1.

    Args:
        notes: ``(batch, LOOKBACK + N)``; onsets never fall; pitch :data:`NOTHING` where there is
            no note, which is so only before the first of a row.

    Raises:
        ValueError: There are no more than ``LOOKBACK`` notes.
    """
    if notes.ndim != 2 or notes.shape[1] <= LOOKBACK:
        raise ValueError(f"notes must be (batch, more than {LOOKBACK}), not {notes.shape}")
    heard = _hear(notes)
    columns = [*_alone(heard), *_together(heard), *_again(heard)]
    return np.concatenate([_wide(column) for column in columns], axis=-1)


def _wide(column: NDArray[Any]) -> Floats:
    values = column.astype(np.float32)
    return values[..., None] if values.ndim == 2 else values


def _hear(notes: NoteArray) -> _Heard:
    there = notes["pitch"] != NOTHING
    onset64 = notes["onset_ms"] - notes["onset_ms"][:, -1:]
    onset = np.where(there, onset64, -_FAR).astype(np.float32)
    length = np.where(there, notes["duration_ms"], 0.0).astype(np.float32)
    pitch = np.where(there, notes["pitch"], -100).astype(np.int32)
    gap = np.zeros_like(onset)
    gap[:, 1:] = np.where(there[:, :-1], np.diff(onset, axis=1), 0.0)
    rows = np.arange(LOOKBACK, notes.shape[1], dtype=np.int32)
    behind = (rows[:, None] - np.arange(notes.shape[1])).astype(np.int32)
    within = (behind > 0) & (behind <= LOOKBACK) & there[:, None, :]
    age = onset[:, LOOKBACK:, None] - onset[:, None, :]
    return _Heard(
        pitch=pitch,
        gap=gap,
        length=length,
        velocity=np.where(there, notes["velocity"], 64).astype(np.float32),
        pedal=(notes["pedal"] & there).astype(np.float32),
        apart=pitch[:, LOOKBACK:, None] - pitch[:, None, :],
        age=age,
        sounding=within & (age < length[:, None, :] - RELEASED_MS),
        within=within,
        behind=behind,
    )


def _alone(heard: _Heard) -> list[NDArray[Any]]:
    """Return the note by itself and beside the few before it."""
    own = heard.own
    before = slice(LOOKBACK - 1, -1)
    gap, length = heard.gap[:, own], heard.length[:, own]
    logs = np.log(heard.gap + 15.0)
    step = np.clip(heard.pitch[:, own] - heard.pitch[:, before], -36, 36)
    recent = np.lib.stride_tricks.sliding_window_view(heard.pitch, RECENT, axis=1)
    recent = recent[:, LOOKBACK - RECENT : -1]
    known = np.where(recent < 0, heard.pitch[:, own, None], recent)
    loud = _past_mean(heard.velocity)
    pitch = heard.pitch[:, own]
    return [
        np.log1p(gap / 20.0) / 3.0,
        gap < CHORD_MS,
        np.log((length + 15.0) / 200.0) / 1.5,
        (heard.velocity[:, own] - 64.0) / 16.0,
        (heard.velocity[:, own] - heard.velocity[:, before]) / 16.0,
        (heard.velocity[:, own] - loud) / 16.0,
        heard.pedal[:, own],
        (pitch - 64.0) / 16.0,
        step / 12.0,
        _one_hot(step, OCTAVE),
        np.log(np.clip(heard.length[:, before] / np.maximum(gap, 20.0), 0.05, 20.0)) / 2.0,
        logs[:, own] - _past_mean(logs),
        np.clip(pitch - known.max(-1), -24, 24) / 12.0,
        np.clip(pitch - known.min(-1), -24, 24) / 12.0,
    ]


def _past_mean(values: Floats) -> Floats:
    """Return the mean of the ``RECENT`` values before each of the last N."""
    windows = np.lib.stride_tricks.sliding_window_view(values, RECENT, axis=1)
    return np.asarray(windows[:, LOOKBACK - RECENT : -1].mean(-1), dtype=np.float32)


def _one_hot(values: NDArray[Any], size: int) -> Floats:
    return np.asarray(np.eye(size, dtype=np.float32)[values % size])


def _together(heard: _Heard) -> list[NDArray[Any]]:
    """Return chord, what sounds, and the harmonies of late, all from the note's own pitch on."""
    chord = heard.within & (heard.age < CHORD_MS)
    classes = _one_hot(heard.pitch, OCTAVE) * (heard.pitch >= 0)[..., None]
    fading = [
        np.where(heard.within, np.exp(-heard.behind / many), 0.0).astype(np.float32)
        for many in (SHORT, LONG)
    ]
    weights = (chord.astype(np.float32), heard.sounding.astype(np.float32), *fading)
    turned = _from_own(np.concatenate([w @ classes for w in weights], axis=1), heard)
    in_chord, in_sound, lately, longer = turned
    count = chord.sum(-1)
    return [
        np.minimum(count, 8) / 4.0,
        np.minimum(in_chord, 1.0),
        _nearest(heard.apart, chord),
        np.minimum(heard.sounding.sum(-1), 16) / 8.0,
        np.minimum(in_sound, 1.0),
        _nearest(heard.apart, heard.sounding & (heard.apart > 0)),
        _nearest(-heard.apart, heard.sounding & (heard.apart < 0)),
        lately / (lately.sum(-1, keepdims=True) + 1e-3),
        longer / (longer.sum(-1, keepdims=True) + 1e-3),
    ]


def _from_own(table: Floats, heard: _Heard) -> list[Floats]:
    """Turn rows of twelve so that they begin at each note's own pitch class."""
    many = heard.apart.shape[1]
    place = (heard.pitch[:, heard.own, None] + np.arange(OCTAVE)) % OCTAVE
    parts = np.split(table, table.shape[1] // many, axis=1)
    return [np.take_along_axis(part, place, axis=2) for part in parts]


def _nearest(apart: NDArray[np.int32], among: Bools) -> Floats:
    """Return one over the smallest distance in semitones, 0 where there is nothing."""
    least = np.where(among, np.abs(apart), 127).min(-1)
    return np.where(least < 127, 1.0 / np.maximum(least, 1), 0.0).astype(np.float32)


def _again(heard: _Heard) -> list[NDArray[Any]]:
    """Return what of the note was heard before: its key, its figures, its rhythm."""
    same = heard.within & (heard.apart == 0)
    found = same.any(-1)
    age = np.where(same, heard.age, np.float32(_FAR)).min(-1)
    ago = np.where(same, heard.behind, 2 * LOOKBACK).min(-1)
    figures = _figures(heard)
    return [
        np.where(found, np.log1p(np.minimum(age, 60_000.0) / 100.0) / 3.0, 2.5),
        found,
        np.where(found, 1.0 / np.maximum(ago, 1), 0.0),
        *(ago == lag for lag in LAGS),
        *figures,
    ]


def _figures(heard: _Heard) -> list[NDArray[Any]]:
    """Return whether the last intervals, pitches and gaps came before, two to four in a row."""
    late = heard.pitch[:, LOOKBACK - 3 :]
    step = np.diff(heard.pitch, axis=1, prepend=-1)
    logs = np.log(heard.gap + 15.0)
    # Rows begin three notes early: a figure of four ends in the first of the last N.
    steps = step[:, LOOKBACK - 3 :, None] == step[:, None, :]
    keys = late[:, :, None] == heard.pitch[:, None, :]
    gaps = np.abs(logs[:, LOOKBACK - 3 :, None] - logs[:, None, :]) < NEAR_RHYTHM
    found: list[NDArray[Any]] = []
    for rows, most, reach in ((steps, 4, 1), (keys, 4, 0), (gaps, 3, 1), (steps & gaps, 3, 1)):
        run = rows[:, 3:]
        for size in range(1, most + 1):
            if size > 1:
                earlier = rows[:, 4 - size : rows.shape[1] - size + 1, : 1 - size]
                run = run.copy()
                run[:, :, : size - 1] = False
                run[:, :, size - 1 :] &= earlier
            # All of the figure lies within the look back, so that no note before it matters.
            inside = run & heard.within & (heard.behind <= LOOKBACK - size + 1 - reach)
            if size > 1 or reach:
                found.append(inside.any(-1))
        found.append(np.minimum(inside.sum(-1), 4) / 4.0)
    return found


FEATURES = int(describe(np.zeros((1, LOOKBACK + 1), dtype=NOTE_DTYPE)).shape[-1])
"""Numbers of a note."""
