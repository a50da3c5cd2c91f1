"""MIDI files in beats: what a score says; :mod:`streamer.midi.midifile` has what sounds.

In: a ``.mid`` file. Out: its notes with onsets and lengths in quarter notes, and its metres and
tempos. Families that think in bars read with this, in training and at the edge alike; a tempo map,
however dense, does not touch the grid.

The rules of :mod:`streamer.midi.midifile` hold for strikes, releases and broken files; drums are
kept and marked, for some families play them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError
from streamer.midi.messages import CHANNELS
from streamer.midi.meta import DEFAULT_TEMPO
from streamer.midi.ticks import DEFAULT_LIMITS, MidiLimits, TickPiece, parse_ticks, read_ticks

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
        notes: :data:`BEAT_DTYPE` rows, sorted by (onset, pitch); drums among them; at least one.
        metres: In order; the first is at 0 (4/4 where the file says nothing).
        tempos: (onset in quarter notes, quarter notes a minute), in order; the first is at 0.
        track_names: Name of each track, "" where it has none.
        notices: What is to be said of the file, a line each, as in
            :class:`streamer.midi.midifile.MidiPiece`.
        drums: Which notes are drums, ``(notes,)``.
        addresses: ``port << 4 | channel`` of each note, ``(notes,)``.
    """

    notes: NDArray[Any]
    metres: tuple[Metre, ...]
    tempos: tuple[tuple[float, float], ...]
    track_names: tuple[str, ...]
    notices: tuple[str, ...]
    drums: NDArray[np.bool_]
    addresses: NDArray[np.int64]


def read_beats(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> BeatPiece:
    """Read a file in quarter notes; what is wrong with it, or left out, is said in the log.

    Args:
        path: The ``.mid`` file.
        limits: Beyond these the file is refused.

    Returns:
        The piece; it may hold drums alone.

    Raises:
        MidiFileError: As :func:`streamer.midi.midifile.read_midi`, but for ``drums-only``; and
            ``no-beats`` for SMPTE time.
    """
    return _assemble(read_ticks(path, limits), str(path))


def parse_beats(data: bytes, name: str, limits: MidiLimits = DEFAULT_LIMITS) -> BeatPiece:
    """Read a file's bytes; ``name`` is for messages. Errors are those of :func:`read_beats`."""
    return _assemble(parse_ticks(data, name, limits), name)


def _assemble(piece: TickPiece, name: str) -> BeatPiece:
    """Turn ticks into quarter notes."""
    division, read = piece.division, piece.notes
    if division < 0:
        raise MidiFileError(
            f"{name}: its time base is SMPTE, which knows no beats; save it in ticks a quarter",
            "no-beats",
        )
    notes = np.zeros(len(read.start), dtype=BEAT_DTYPE)
    notes["onset"], notes["length"] = read.start / division, (read.end - read.start) / division
    notes["pitch"], notes["velocity"] = read.pitch, read.velocity
    notes["channel"], notes["program"] = read.address % CHANNELS, read.program
    notes["track"] = read.track
    order = np.lexsort((notes["channel"], notes["pitch"], notes["onset"]))
    tempos = sorted({tick: 60e6 / micro for tick, micro in piece.events.tempos}.items())
    if not tempos or tempos[0][0] > 0:
        tempos.insert(0, (0, 60e6 / DEFAULT_TEMPO))
    return BeatPiece(
        notes=notes[order],
        metres=_metres(piece.events.metres, division),
        tempos=tuple((tick / division, bpm) for tick, bpm in tempos),
        track_names=tuple(piece.events.names),
        notices=piece.notices,
        drums=read.drums[order],
        addresses=read.address[order],
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
