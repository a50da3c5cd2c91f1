"""Standard MIDI files -> note arrays: a file in, true milliseconds out.

:func:`read_midi` is what priming, evaluation and ``perpetuo prepare`` read with; training adds
nothing but the choice of tracks, so the edge and the corpus can never disagree on a note. Files
are written by :mod:`streamer.midi.writer`.

The reader walks the bytes itself (:mod:`streamer.midi.smf`), because the libraries lose music: mido
the whole file when its last track breaks off; symusic every track that holds only pedal, where half
of the piano-midi.de corpus keeps it, besides channels, notes that are never released, and up to
2 ms through a dense tempo map. Its tests compare with both, and with pretty_midi.

What a file means, in this product:

* Time is real time through every tempo change of every track.
* A channel is one of its port: what is told to channel 1 of one port says nothing of another's.
* The sustain pedal of a note is its channel's CC64 at the onset, over all tracks: down from 64 on,
  as the standard has it. A change at the very tick of the onset counts. CC121 lifts it.
* A note-on of velocity 0 is a note-off. A note-off releases the oldest note of its key in its
  track and channel; where there is none, that of another track. A key that is struck again ends the
  note that it held; struck twice at once it is one note, the longest and loudest. A note without
  length is dropped. A note that is never released ends with the file.
* Channel 10 (index 9) plays drums, and so does any channel that the file gives a kit
  (:mod:`streamer.midi.drums`). Drums are dropped here.
* Of a file of several songs (format 2) the first that has notes is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.midi.messages import CHANNELS
from streamer.midi.ticks import (
    DEFAULT_LIMITS,
    MidiLimits,
    TickPiece,
    parse_ticks,
    read_ticks,
    require_pitched,
)
from streamer.music.notes import NOTE_DTYPE, NoteArray


@dataclass(frozen=True)
class MidiPiece:
    """What one file holds.

    Attributes:
        notes: The notes of all tracks but the drums, sorted; at least one.
        programs: MIDI program of each note, uint8 ``(notes,)``.
        tracks: Index into ``track_names`` of each note, uint16 ``(notes,)``.
        track_names: Name of each track, "" where it has none.
        drum_notes: How many notes of drums were dropped.
        notices: What is to be said of the file, a line each: what is wrong with its bytes, which
            of its songs was read, what was skipped.
    """

    notes: NoteArray
    programs: NDArray[np.uint8]
    tracks: NDArray[np.uint16]
    track_names: tuple[str, ...]
    drum_notes: int
    notices: tuple[str, ...]


def read_midi(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> NoteArray:
    """Read the notes of a file: every track but the drums, as one array.

    A file that breaks off is read up to the break, with a warning in the log.

    Args:
        path: The ``.mid`` file.
        limits: Beyond these the file is refused.

    Returns:
        At least one note; onsets count from the file's start, not from the first note.

    Raises:
        MidiFileError: With ``reason`` one of ``unreadable``, ``not-midi``, ``broken``, ``empty``,
            ``drums-only``, ``too-large``.
    """
    return read_piece(path, limits).notes


def read_piece(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> MidiPiece:
    """Read a file with its tracks and programs; see :func:`read_midi` for arguments and errors."""
    return _assemble(read_ticks(path, limits), str(path))


def parse_midi(data: bytes, name: str, limits: MidiLimits = DEFAULT_LIMITS) -> MidiPiece:
    """Read a file's bytes; ``name`` is for messages. Errors are those of :func:`read_midi`."""
    return _assemble(parse_ticks(data, name, limits), name)


def _assemble(piece: TickPiece, name: str) -> MidiPiece:
    """Turn ticks into notes; see the module's text for the rules."""
    read = piece.notes
    require_pitched(read.drums, name)
    pitched = ~read.drums
    start = piece.tempo.to_ms(read.start[pitched])
    notes = np.zeros(len(start), dtype=NOTE_DTYPE)
    notes["onset_ms"] = start
    notes["duration_ms"] = piece.tempo.to_ms(read.end[pitched]) - start
    notes["pitch"] = read.pitch[pitched]
    notes["velocity"] = read.velocity[pitched]
    notes["pedal"] = read.pedal[pitched]
    notes["channel"] = read.address[pitched] % CHANNELS
    order = np.lexsort((notes["channel"], notes["pitch"], notes["onset_ms"]))
    return MidiPiece(
        notes[order],
        read.program[pitched][order].astype(np.uint8),
        read.track[pitched][order].astype(np.uint16),
        tuple(piece.events.names),
        int(read.drums.sum()),
        piece.notices,
    )
