"""Standard MIDI files <-> note arrays: a file in, true milliseconds out, and the other way round.

:func:`read_midi` is what priming, evaluation and ``perpetuo prepare`` read with; training adds
nothing but the choice of tracks, so the edge and the corpus can never disagree on a note.
:func:`write_midi` is for whole pieces; the recorder that streams to disk is
:mod:`streamer.recorder`.

The reader walks the bytes itself (smf.py), because the libraries lose music: mido the whole file
when its last track breaks off; symusic every track that holds only pedal, where half of the
piano-midi.de corpus keeps it, besides channels, notes that are never released, and up to 2 ms
through a dense tempo map. Its tests compare with both, and with pretty_midi. Writing is mido's.

What a file means, in this product:

* Time is real time through every tempo change of every track.
* The sustain pedal of a note is its channel's CC64 at the onset, over all tracks; a change at the
  very tick of the onset counts. CC121 lifts it.
* A note-on of velocity 0 is a note-off. A note-off releases the oldest note of its key in its
  track and channel. A key that is struck again ends the note that it held; struck twice at once it
  is one note, the longest and loudest. A note without length is dropped. A note that is never
  released ends with the file.
* Channel 10 (index 9) is drums, and is dropped.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError, RecordingError
from streamer.notes import NOTE_DTYPE, NoteArray, sort_notes
from streamer.smf import Events, read_events

logger = logging.getLogger(__name__)

DRUM_CHANNEL = 9
"""Index of MIDI channel 10, which General MIDI gives to drums."""

PEDAL_THRESHOLD = 64
"""The sustain pedal is down while CC64 is above this (specs 000-chain)."""

TICKS_PER_QUARTER, TEMPO_MICROSECONDS = 2000, 500_000
"""Time base of written files: 120 bpm in ticks of a quarter of a millisecond."""

TICK_MS = TEMPO_MICROSECONDS / TICKS_PER_QUARTER / 1000.0

_CONTROL_PEDAL = 64


@dataclass(frozen=True)
class MidiLimits:
    """How large a file may be before it is refused as ``too-large``.

    Attributes:
        file_bytes: Size on disk, bytes.
        notes: Notes after drums are dropped.
        hours: Length of the music, hours.
    """

    file_bytes: int = 16 * 1024 * 1024
    notes: int = 500_000
    hours: float = 8.0


DEFAULT_LIMITS = MidiLimits()
NO_LIMITS = MidiLimits(file_bytes=2**62, notes=2**62, hours=float("inf"))


@dataclass(frozen=True)
class MidiPiece:
    """What one file holds.

    Attributes:
        notes: The notes of all tracks but the drums, sorted; may be empty.
        programs: MIDI program of each note, uint8 ``(notes,)``.
        tracks: Index into ``track_names`` of each note, uint16 ``(notes,)``.
        track_names: Name of each track, "" where it has none.
        drum_notes: How many notes of channel 10 were dropped.
        damage: What broke the reading off, or None for a whole file.
    """

    notes: NoteArray
    programs: NDArray[np.uint8]
    tracks: NDArray[np.uint16]
    track_names: tuple[str, ...]
    drum_notes: int
    damage: str | None


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
    piece = read_piece(path, limits)
    if piece.damage:
        logger.warning("%s: %s; kept %d notes before it", path, piece.damage, len(piece.notes))
    return piece.notes


def read_piece(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> MidiPiece:
    """Read a file with its tracks and programs; see :func:`read_midi` for arguments and errors."""
    return parse_midi(read_file(path, limits), str(path), limits)


def read_file(path: Path | str, limits: MidiLimits) -> bytes:
    """Return a file's bytes.

    Raises:
        MidiFileError: It cannot be read, or is too large.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise MidiFileError(
                f"{path}: {size} bytes; at most {limits.file_bytes} are read", "too-large"
            )
        return path.read_bytes()
    except OSError as error:
        raise MidiFileError(f"{path}: {error.strerror or error}", "unreadable") from error


def parse_midi(data: bytes, name: str, limits: MidiLimits = DEFAULT_LIMITS) -> MidiPiece:
    """Read a file's bytes; ``name`` is for messages. Errors are those of :func:`read_midi`."""
    events, division = check_header(data, name, limits)
    piece = _assemble(events, division)
    if not len(piece.notes):
        _refuse_empty(piece, name)
    hours = float((piece.notes["onset_ms"] + piece.notes["duration_ms"]).max()) / 3.6e6
    if hours > limits.hours:
        raise MidiFileError(
            f"{name}: {hours:.1f} hours long; at most {limits.hours:g} are read", "too-large"
        )
    return piece


def check_header(data: bytes, name: str, limits: MidiLimits) -> tuple[Events, int]:
    """Return the events of a file's bytes, and its division: ticks a quarter, or SMPTE below 0.

    Raises:
        MidiFileError: ``too-large``, ``empty``, ``not-midi`` or ``broken``.
    """
    if len(data) > limits.file_bytes:
        raise MidiFileError(
            f"{name}: {len(data)} bytes; at most {limits.file_bytes} are read", "too-large"
        )
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[max(data.find(b"MThd"), 0) :]
    if not data:
        raise MidiFileError(f"{name}: the file is empty (0 bytes)", "empty")
    if data[:4] != b"MThd":
        raise MidiFileError(f"{name}: not a MIDI file (no MThd at its start)", "not-midi")
    division = int.from_bytes(data[12:14], "big", signed=True)
    if len(data) < 14 or division == 0:
        raise MidiFileError(f"{name}: the header is cut off or has no time base", "broken")
    events = read_events(data)
    if len(events.starts) > limits.notes:
        raise MidiFileError(
            f"{name}: {len(events.starts)} notes; at most {limits.notes} are read", "too-large"
        )
    return events, division


def _refuse_empty(piece: MidiPiece, name: str) -> None:
    if piece.damage:
        raise MidiFileError(f"{name}: {piece.damage}, and no note before it", "broken")
    if piece.drum_notes:
        raise MidiFileError(f"{name}: all {piece.drum_notes} notes are drums", "drums-only")
    raise MidiFileError(f"{name}: holds no notes", "empty")


class TempoMap:
    """Ticks to milliseconds through every tempo change."""

    def __init__(self, changes: list[tuple[int, int]], division: int) -> None:
        """Take the changes of all tracks, (tick, microseconds a quarter), and the file's division.

        A division below zero is SMPTE time: frames a second and ticks a frame, without tempo.
        """
        if division < 0:
            frames, per_frame = -(division >> 8), max(division & 0xFF, 1)
            rate = 30000 / 1001 if frames == 29 else frames
            changes, self._divisor = [(0, 1_000_000)], rate * per_frame * 1000.0
        else:
            self._divisor = division * 1000.0
        ordered = sorted(changes, key=lambda change: change[0])
        rows = np.array([(0, TEMPO_MICROSECONDS), *ordered], dtype=np.int64)
        self._ticks, self._tempo = rows[:, 0], rows[:, 1].astype(np.float64)
        spans = np.diff(self._ticks) * self._tempo[:-1] / self._divisor
        self._start_ms = np.concatenate(([0.0], np.cumsum(spans)))

    def to_ms(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the time of each tick from the start of the file, ms."""
        i = np.searchsorted(self._ticks, ticks, side="right") - 1
        return self._start_ms[i] + (ticks - self._ticks[i]) * self._tempo[i] / self._divisor


def notes_of(
    events: Events,
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]:
    """Return start and end in ticks, velocity, ``channel << 7 | pitch`` and track of each note.

    Drums are among them; the rules are those of the module's text.
    """
    start = np.array(events.starts, dtype=np.int64)
    end = np.array(events.ends, dtype=np.int64)
    end[end < 0] = events.last_tick
    track = np.array(events.tracks, dtype=np.int64)
    key = np.array(events.keys, dtype=np.int64)
    loud = np.array(events.velocities, dtype=np.int64)
    kept, end, loud = strikes(start, end, loud, track << 11 | key)
    return start[kept], end, loud, key[kept], track[kept]


def _assemble(events: Events, division: int) -> MidiPiece:
    """Turn ticks into notes; see the module's text for the rules."""
    start, end, velocity, key, track = notes_of(events)
    melodic = key >> 7 != DRUM_CHANNEL
    start, end, velocity = start[melodic], end[melodic], velocity[melodic]
    key, track = key[melodic], track[melodic]
    channel = key >> 7
    tempo = TempoMap(events.tempos, division)
    notes = np.zeros(len(start), dtype=NOTE_DTYPE)
    notes["onset_ms"] = tempo.to_ms(start)
    notes["duration_ms"] = tempo.to_ms(end) - notes["onset_ms"]
    notes["pitch"] = key & 127
    notes["velocity"] = velocity
    notes["pedal"] = values_at(events.pedals, start, channel) > PEDAL_THRESHOLD
    notes["channel"] = channel
    order = np.lexsort((notes["channel"], notes["pitch"], notes["onset_ms"]))
    return MidiPiece(
        notes[order],
        values_at(events.programs, start, channel)[order].astype(np.uint8),
        track[order].astype(np.uint16),
        tuple(events.names),
        sum(key >> 7 == DRUM_CHANNEL for key in events.keys),
        events.damage,
    )


def values_at(
    changes: list[tuple[int, int, int]], ticks: NDArray[np.int64], channels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the value that (tick, channel, value) changes leave at each tick; 0 before the first.

    Of changes at one tick the last of the last track holds.
    """
    values = np.zeros(len(ticks), dtype=np.int64)
    rows = np.array(changes, dtype=np.int64).reshape(-1, 3)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    for channel in np.unique(rows[:, 1]):
        mine = rows[rows[:, 1] == channel]
        here = np.flatnonzero(channels == channel)
        at = np.searchsorted(mine[:, 0], ticks[here], side="right")
        values[here] = np.concatenate(([0], mine[:, 2]))[at]
    return values


def strikes(
    start: NDArray[Any], end: NDArray[Any], velocity: NDArray[Any], key: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[Any]]:
    """Make the notes of each key follow one another, as one finger can play them.

    Args:
        start: Onset of each note, ``(notes,)``, in any unit.
        end: Its release, same unit.
        velocity: Its velocity.
        key: Any number that is the same for notes of one key.

    Returns:
        Which notes remain, ascending; their ends and their velocities. Notes of one key that
        start together are one, with the latest end and the greatest velocity; one that lasts
        beyond the next start of its key ends there; one without length is gone.
    """
    order = np.lexsort((start, key))
    key, begin = key[order], start[order]
    if not len(order):
        return order, end, velocity
    first = np.flatnonzero(np.diff(key, prepend=key[0] - 1) | (np.diff(begin, prepend=0) != 0))
    stop = np.maximum.reduceat(end[order], first)
    loudest = np.maximum.reduceat(velocity[order], first)
    following = key[first[1:]] == key[first[:-1]]
    stop[:-1] = np.where(following, np.minimum(stop[:-1], begin[first[1:]]), stop[:-1])
    sounds = stop > begin[first]
    kept = order[first][sounds]
    back = np.argsort(kept)
    return kept[back], stop[sounds][back], loudest[sounds][back]


def write_midi(
    path: Path | str, notes: NoteArray, *, program: int | None = None, name: str = "Perpetuo"
) -> None:
    """Write notes to a file, whole or not at all; the same notes give the same bytes.

    Times are kept to an eighth of a millisecond. A pedal change is put halfway between the onset
    before it and its own. Notes of one channel and key that overlap are written as they would be
    played: a new strike ends the note it finds (see :func:`strikes`).

    Args:
        path: Where to; an existing file is replaced, in one step.
        notes: Any note array, also an empty one.
        program: General MIDI program, 0..127, set at the start on each channel used; None for
            none.
        name: Name of the track.

    Raises:
        ValueError: ``program`` is out of range.
        RecordingError: The file cannot be written.
    """
    if program is not None and not 0 <= program <= 127:
        raise ValueError(f"program must be in range 0..127, not {program}")
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                _to_mido(notes, program, name).save(file=file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from error


def _to_mido(notes: NoteArray, program: int | None, name: str) -> mido.MidiFile:
    """Return the notes as a file of one track."""
    messages = _messages(sort_notes(notes))
    channels = sorted(set(notes["channel"].tolist()))
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=name, time=0))
    track.append(mido.MetaMessage("set_tempo", tempo=TEMPO_MICROSECONDS, time=0))
    if program is not None:
        for channel in channels:
            track.append(mido.Message("program_change", channel=channel, program=program, time=0))
    before = 0
    for tick, _, data in messages:
        track.append(mido.Message.from_bytes(data, time=tick - before))
        before = tick
    return mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_QUARTER, tracks=[track])


def _messages(notes: NoteArray) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Return (tick, rank, bytes) in playing order: at one tick offs, then pedal, then ons."""
    start = np.round(notes["onset_ms"] / TICK_MS).astype(np.int64)
    end = np.round((notes["onset_ms"] + notes["duration_ms"]) / TICK_MS).astype(np.int64)
    end = np.maximum(end, start + 1)
    channel = notes["channel"].astype(np.int64)
    key = channel << 7 | notes["pitch"]
    kept, end, velocity = strikes(start, end, notes["velocity"], key)
    found: list[tuple[int, int, tuple[int, int, int]]] = []
    for i, stop, loud in zip(kept.tolist(), end.tolist(), velocity.tolist(), strict=True):
        mine, pitch = int(channel[i]), int(notes["pitch"][i])
        found.append((int(start[i]), 2, (0x90 | mine, pitch, loud)))
        found.append((stop, 0, (0x80 | mine, pitch, 0)))
    last = int(end.max()) if len(end) else 0
    for mine in np.unique(channel).tolist():
        found.extend(
            _pedal_messages(start[channel == mine], notes["pedal"][channel == mine], mine, last)
        )
    return sorted(found)


def _pedal_messages(
    start: NDArray[np.int64], pedal: NDArray[np.bool_], channel: int, last: int
) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Return one channel's CC64 changes; what is down at the end is lifted at tick ``last``."""
    status = 0xB0 | channel
    down = np.concatenate(([False], pedal))
    before = np.concatenate((start[:1], start))
    found = [
        (int(before[i] + start[i]) // 2, 1, (status, _CONTROL_PEDAL, 127 if down[i + 1] else 0))
        for i in np.flatnonzero(down[1:] != down[:-1]).tolist()
    ]
    if down[-1]:
        found.append((last, 1, (status, _CONTROL_PEDAL, 0)))
    return found
