"""Corpora of MIDI files: read, discover, dedupe, count by reason, split by composition."""

from __future__ import annotations

from pathlib import Path

from streamer.midifile import DEFAULT_LIMITS, MidiLimits
from streamer.midifile import read_piece as read_midi_piece
from streamer.notes import NoteArray


def read_piece(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> NoteArray:
    """Return the notes of a file, exact pedal included; errors are those of ``read_midi``."""
    return read_midi_piece(path, limits).notes
