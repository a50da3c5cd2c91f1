"""MIDI files in beats -> lines of one note at a time, and lines -> tunes; docs/design/tunes.md.

A file's tracks are split by track and channel; of a track that plays chords the top line is taken.
:func:`as_tune` puts a line into the model's own measure: octaves moved so that the median pitch
lies in 60..71, lengths counted in twelfths of the line's median length. Training (many files, with
reasons for what is left out) and priming (one file) read with it, so that both hear the same
melody.

Beats are quarter notes throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError
from streamer.families.tunes.codec import END, UNIT_PARTS, TuneArray, to_tune
from streamer.midi.beatfile import BeatPiece, read_beats
from streamer.midi.ticks import require_pitched

MEDIAN_LOW = 60
"""The median pitch of a normalised tune lies in this octave, 60..71."""

_MIDDLE, _REACH = 66, 24
"""A note further than two octaves from the middle of a normalised tune comes nearer by octaves."""

GRID = 12
"""Parts of a beat that onsets are put on."""

TOGETHER = 1.0 / 24.0
"""Onsets closer than this are one chord, beats."""

_LEGATO = 0.25
"""A note may go on into the next by this share of its length and still be followed by it."""

_BELOW, _AROUND = 9, 9
"""In a track with chords, a top note this far (semitones) below the median of this many around it
is accompaniment where the melody rests."""

_ACCOMPANIED = 0.15
"""Share of onsets with a chord from which on a track is taken to hold accompaniment."""

_NAMES = ("melody", "vocal", "lead", "solo", "voice", "tune")

LEAST_PRIME_NOTES = 8


@dataclass(frozen=True)
class Line:
    """One melodic line.

    Attributes:
        notes: :data:`streamer.midi.beatfile.BEAT_DTYPE` rows with ascending onsets, no two alike.
        chords: Share of onsets at which other notes began as well, 0..1.
        inner: Share of the track's onsets that lay below a note still sounding, 0..1; they are
            left out.
        dropped: How many notes of the track are not in the line.
    """

    notes: NDArray[Any]
    chords: float
    inner: float
    dropped: int


def tracks_of(piece: BeatPiece) -> Iterator[tuple[int, str, NDArray[Any]]]:
    """Yield (track, its name, its notes) for each track, port and channel but the drums."""
    notes = piece.notes[~piece.drums]
    part = notes["track"].astype(np.int64) << 32 | piece.addresses[~piece.drums]
    for key in np.unique(part).tolist():
        track = key >> 32
        name = piece.track_names[track] if track < len(piece.track_names) else ""
        yield track, name, notes[part == key]


def top_line(notes: NDArray[Any]) -> Line:
    """Return the highest line of a track.

    Args:
        notes: BEAT_DTYPE rows of one track, sorted by onset; at least one.
    """
    order = np.lexsort((-notes["pitch"].astype(np.int64), notes["onset"]))
    ordered = notes[order]
    onset, pitch = ordered["onset"], ordered["pitch"].astype(np.int64)
    end = onset + ordered["length"]
    groups = np.flatnonzero(np.diff(onset, prepend=-np.inf) > TOGETHER)
    sizes = np.diff(np.append(groups, len(onset)))
    kept: list[int] = []
    inner = 0
    for start, size in zip(groups.tolist(), sizes.tolist(), strict=True):
        best = start + int(np.argmax(pitch[start : start + size]))
        if kept:
            last = kept[-1]
            slack = _LEGATO * float(ordered["length"][last])
            if pitch[last] > pitch[best] and end[last] - slack > onset[best] + TOGETHER:
                inner += 1
                continue
        kept.append(best)
    line = ordered[kept]
    chords = float((sizes > 1).mean())
    if chords > _ACCOMPANIED and len(line) > _AROUND:
        line = line[~_far_below(line["pitch"])]
    return Line(line, chords, inner / len(groups), len(notes) - len(line))


def _far_below(pitch: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which notes lie far below those around them."""
    padded = np.pad(pitch.astype(np.float64), _AROUND // 2, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, _AROUND), axis=1)
    below: NDArray[np.bool_] = pitch < around - _BELOW
    return below


def octave_shift(pitch: NDArray[Any]) -> int:
    """Return by how many semitones, in whole octaves, pitches move to have their median in 60..71.

    The median is the lower one of two, so that it is a pitch.
    """
    return MEDIAN_LOW - 12 * (int(lower_median(pitch)) // 12)


def normal_pitches(pitch: NDArray[Any]) -> NDArray[np.int64]:
    """Return pitches with their median in 60..71; one far away comes nearer by octaves."""
    moved = pitch.astype(np.int64) + octave_shift(pitch)
    return moved - 12 * np.trunc((moved - _MIDDLE) / _REACH).astype(np.int64)


def within(pitch: NDArray[Any], low: int, high: int) -> NDArray[np.int64]:
    """Return pitches with those outside of ``low..high`` moved into it by octaves.

    Args:
        pitch: MIDI numbers.
        low: The lowest that may be.
        high: The highest; at least 11 above.
    """
    moved = pitch.astype(np.int64)
    moved = moved + 12 * np.maximum(-((moved - low) // 12), 0)
    inside: NDArray[np.int64] = moved - 12 * np.maximum(-((high - moved) // 12), 0)
    return inside


def lower_median(values: NDArray[Any]) -> Any:
    """Return the value in the middle, of two the smaller, as a plain number."""
    return np.sort(values)[(len(values) - 1) // 2].item()


def snap(onset: NDArray[np.float64], parts: int = GRID) -> NDArray[np.float64]:
    """Return onsets on a grid of ``parts`` a beat, each at least one part after the one before."""
    ticks = np.round(onset * parts).astype(np.int64)
    steps = np.arange(len(ticks))
    # Two in one place: the later moves on, which is the running maximum of what is left of them.
    moved = np.maximum.accumulate(ticks - steps) + steps
    return moved / parts


def as_twelfths(delays: NDArray[np.float64], unit: float) -> NDArray[np.int64]:
    """Return times to the next onset, in beats, as twelfths of ``unit``; at least 1."""
    return np.maximum(1, np.round(delays / unit * UNIT_PARTS)).astype(np.int64)


def as_tune(pitch: NDArray[Any], onset: NDArray[np.float64]) -> tuple[TuneArray, float]:
    """Return a line as a tune, and its unit in beats.

    Args:
        pitch: MIDI numbers, ``(notes,)``, at least 2.
        onset: In beats, ascending, on a grid.

    Raises:
        ValueError: There are fewer than 2 notes, or onsets do not ascend.
    """
    if len(pitch) < 2:
        raise ValueError(f"a tune needs 2 notes or more, not {len(pitch)}")
    delays = np.diff(onset)
    if not (delays > 0).all():
        raise ValueError("onsets must ascend")
    unit = float(lower_median(delays))
    lengths = np.append(np.minimum(as_twelfths(delays, unit), 2**16 - 1), END)
    return to_tune(within(normal_pitches(pitch), 0, 127), lengths), unit


def read_melody(path: Path | str) -> tuple[TuneArray, float]:
    """Read the melody of a file, for priming: the track that says it is one, else the clearest.

    Returns:
        The tune, and its unit in beats.

    Raises:
        MidiFileError: As :func:`streamer.midi.midifile.read_midi`, and ``no-beats`` for SMPTE time;
            ``no-melody`` where no track has eight notes.
    """
    piece = read_beats(path)
    require_pitched(piece.drums, str(path))
    longest = 0
    lines: list[tuple[tuple[bool, float], Line]] = []
    for _, name, notes in tracks_of(piece):
        line = top_line(notes)
        longest = max(longest, len(line.notes))
        if len(line.notes) < LEAST_PRIME_NOTES:
            continue
        named = any(word in name.casefold() for word in _NAMES)
        height = float(line.notes["pitch"].mean()) / 12.0
        lines.append(((named, height - 4.0 * (line.chords + line.inner)), line))
    if not lines:
        raise MidiFileError(
            f"{path}: no track with a melody of {LEAST_PRIME_NOTES} notes or more (the longest has "
            f"{longest}); choose a longer one",
            "no-melody",
        )
    notes = max(lines, key=lambda item: item[0])[1].notes
    return as_tune(notes["pitch"], snap(notes["onset"]))
