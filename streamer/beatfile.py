"""Standard MIDI files in beats: what a score says, where :mod:`streamer.midifile` says what sounds.

In: a ``.mid`` file. Out: its notes with onsets and lengths in quarter notes, and its metres and
tempos. Families that think in bars read with this, in training and at the edge alike; a tempo map,
however dense, does not touch the grid.

The rules of :mod:`streamer.midifile` hold for strikes, releases and broken files; drums are kept
and marked, for some families play them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError
from streamer.midifile import (
    DEFAULT_LIMITS,
    DRUM_CHANNEL,
    TEMPO_MICROSECONDS,
    MidiLimits,
    check_header,
    notes_of,
    read_file,
    values_at,
)

BEAT_DTYPE = np.dtype(
    [
        ("onset", np.float64),
        ("length", np.float64),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
        ("channel", np.uint8),
        ("program", np.uint8),
        ("track", np.uint16),
    ]
)
"""One note: onset from the file's start and length, both in quarter notes; the rest as in MIDI."""


@dataclass(frozen=True)
class Metre:
    """A time signature.

    Attributes:
        onset: Where it begins, quarter notes from the file's start.
        beats: Upper number, 1 or more.
        unit: Lower number, a power of two.
    """

    onset: float
    beats: int
    unit: int

    @property
    def bar(self) -> float:
        """Length of a bar, quarter notes."""
        return self.beats * 4.0 / self.unit


@dataclass(frozen=True)
class BeatPiece:
    """One file on its own grid.

    Attributes:
        notes: :data:`BEAT_DTYPE` rows, sorted by (onset, pitch); drums among them. May be empty.
        metres: In order; the first is at 0 (4/4 where the file says nothing).
        tempos: (onset in quarter notes, quarter notes a minute), in order; the first is at 0.
        track_names: Name of each track, "" where it has none.
        damage: What broke the reading off, or None for a whole file.
    """

    notes: NDArray[Any]
    metres: tuple[Metre, ...]
    tempos: tuple[tuple[float, float], ...]
    track_names: tuple[str, ...]
    damage: str | None

    @property
    def drums(self) -> NDArray[np.bool_]:
        """Which notes are drums, ``(notes,)``."""
        return np.asarray(self.notes["channel"] == DRUM_CHANNEL)


def read_beats(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> BeatPiece:
    """Read a file in quarter notes.

    Args:
        path: The ``.mid`` file.
        limits: Beyond these the file is refused.

    Returns:
        The piece; it may hold drums alone, or no note at all.

    Raises:
        MidiFileError: As :func:`streamer.midifile.read_midi`, and ``no-beats`` for SMPTE time.
    """
    return parse_beats(read_file(path, limits), str(path), limits)


def parse_beats(data: bytes, name: str, limits: MidiLimits = DEFAULT_LIMITS) -> BeatPiece:
    """Read a file's bytes; ``name`` is for messages. Errors are those of :func:`read_beats`."""
    events, division = check_header(data, name, limits)
    if division < 0:
        raise MidiFileError(
            f"{name}: its time base is SMPTE, which knows no beats; save it in ticks a quarter",
            "no-beats",
        )
    start, end, velocity, key, track = notes_of(events)
    channel = key >> 7
    notes = np.zeros(len(start), dtype=BEAT_DTYPE)
    notes["onset"], notes["length"] = start / division, (end - start) / division
    notes["pitch"], notes["velocity"] = key & 127, velocity
    notes["channel"], notes["track"] = channel, track
    notes["program"] = values_at(events.programs, start, channel)
    order = np.lexsort((channel, notes["pitch"], notes["onset"]))
    tempos = sorted({tick: 60e6 / micro for tick, micro in events.tempos}.items())
    if not tempos or tempos[0][0] > 0:
        tempos.insert(0, (0, 60e6 / TEMPO_MICROSECONDS))
    return BeatPiece(
        notes[order],
        _metres(events.metres, division),
        tuple((tick / division, bpm) for tick, bpm in tempos),
        tuple(events.names),
        events.damage,
    )


def _metres(changes: list[tuple[int, int, int]], division: int) -> tuple[Metre, ...]:
    """Return the metres in order, without those that change nothing."""
    found = [Metre(0.0, 4, 4)]
    for tick, (beats, unit) in sorted({t: (b, u) for t, b, u in changes}.items()):
        if tick == 0:
            found = [Metre(0.0, beats, unit)]
        elif (found[-1].beats, found[-1].unit) != (beats, unit):
            found.append(Metre(tick / division, beats, unit))
    return tuple(found)
