"""MIDI files in their own ticks: the one path by which every reader reads.

In: a file, or its bytes. Out: its notes with all that holds for them (program, pedal, drums), its
tempo map and metres, and what is to be said of it. In milliseconds they are
:mod:`streamer.midi.midifile`'s, in quarter notes :mod:`streamer.midi.beatfile`'s; what a file
means is told there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.errors import MidiFileError
from streamer.midi.container import unwrap
from streamer.midi.drums import plays_drums
from streamer.midi.messages import CHANNELS, DRUM_CHANNEL, PEDAL_DOWN_FROM
from streamer.midi.meta import DEFAULT_TEMPO
from streamer.midi.smf import BANK, PART, PEDAL, PROGRAM, Events, read_events
from streamer.system.reading import read_at_most

logger = logging.getLogger(__name__)

Ticks = NDArray[np.int64]
Changes = list[tuple[int, int, int]]
"""(tick, address, value)."""


@dataclass(frozen=True)
class MidiLimits:
    """How large a file may be before it is refused as ``too-large``; one limit for every reader.

    Attributes:
        file_bytes: Size on disk, bytes.
        notes: Notes, drums among them.
        hours: Length of the music, hours.
        quarters: Length of the music, quarter notes: three hours at 300 a minute.
    """

    file_bytes: int = 16 * 1024 * 1024
    notes: int = 500_000
    hours: float = 3.0
    quarters: float = 54_000.0


DEFAULT_LIMITS = MidiLimits()
NO_LIMITS = MidiLimits(2**62, 2**62, float("inf"), float("inf"))


class Notes(NamedTuple):
    """Notes as columns, ``(notes,)`` each, sorted by track and strike.

    Attributes:
        start: Onset, ticks.
        end: Release, ticks, after the onset.
        velocity: 1..127.
        pitch: 0..127.
        address: ``port << 4 | channel``.
        track: Index of its track.
        program: 0..127.
        pedal: Whether the sustain pedal is down at the onset.
        drums: Whether it is one of a drum kit.
    """

    start: Ticks
    end: Ticks
    velocity: Ticks
    pitch: Ticks
    address: Ticks
    track: Ticks
    program: Ticks
    pedal: NDArray[np.bool_]
    drums: NDArray[np.bool_]


@dataclass(frozen=True)
class TickPiece:
    """One file in ticks.

    Attributes:
        notes: At least one.
        division: Ticks a quarter; below 0 SMPTE time.
        tempo: Ticks to milliseconds.
        events: Tempos, metres and track names.
        notices: What is to be said of the file, a line each: what is wrong with its bytes, which
            of its songs was read, what was skipped.
    """

    notes: Notes
    division: int
    tempo: TempoMap
    events: Events
    notices: tuple[str, ...]


def read_ticks(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> TickPiece:
    """Read a file, and say in the log what is to be said of it.

    Raises:
        MidiFileError: ``unreadable``, or as :func:`parse_ticks`.
    """
    piece = parse_ticks(_read_file(Path(path), limits), str(path), limits)
    for notice in piece.notices:
        logger.warning("%s: %s", path, notice)
    return piece


def parse_ticks(data: bytes, name: str, limits: MidiLimits = DEFAULT_LIMITS) -> TickPiece:
    """Read a file's bytes; ``name`` is for messages. Nothing is logged.

    Raises:
        MidiFileError: ``too-large``, ``empty``, ``not-midi`` or ``broken``, with what to do.
    """
    if len(data) > limits.file_bytes:
        raise _too_large(name, f"{len(data)} bytes", f"{limits.file_bytes}")
    data, remark = unwrap(data, name)
    division = int.from_bytes(data[12:14], "big", signed=True)
    if len(data) < 14 or division == 0:
        raise MidiFileError(
            f"{name}: the header is cut off or has no time base; fetch the file or save it again",
            "broken",
        )
    events = read_events(data)
    if len(events.starts) > limits.notes:
        raise _too_large(name, f"{len(events.starts)} notes", f"{limits.notes}")
    notes, tempo = _notes_of(events), TempoMap(events.tempos, division)
    if not len(notes.start):
        raise _no_notes(events, name)
    _check_length(notes, tempo, division, name, limits)
    return TickPiece(notes, division, tempo, events, _notices(remark, events, len(notes.start)))


def require_pitched(drums: NDArray[np.bool_], name: str) -> None:
    """Refuse a file of drums alone.

    Raises:
        MidiFileError: ``drums-only``.
    """
    if drums.all():
        raise MidiFileError(
            f"{name}: all {len(drums)} notes are drums (channel 10, or a drum kit); choose a file "
            "in which something with pitches plays",
            "drums-only",
        )


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
        rows = np.array([(0, DEFAULT_TEMPO), *ordered], dtype=np.int64)
        self._ticks, self._tempo = rows[:, 0], rows[:, 1].astype(np.float64)
        spans = np.diff(self._ticks) * self._tempo[:-1] / self._divisor
        self._start_ms = np.concatenate(([0.0], np.cumsum(spans)))

    def to_ms(self, ticks: Ticks) -> NDArray[np.float64]:
        """Return the time of each tick from the start of the file, ms."""
        i = np.searchsorted(self._ticks, ticks, side="right") - 1
        return self._start_ms[i] + (ticks - self._ticks[i]) * self._tempo[i] / self._divisor


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


def _read_file(path: Path, limits: MidiLimits) -> bytes:
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise _too_large(str(path), f"{size} bytes", f"{limits.file_bytes}")
        return read_at_most(path, limits.file_bytes)
    except OSError as error:
        raise MidiFileError(f"{path}: {error.strerror or error}", "unreadable") from error


def _too_large(name: str, found: str, most: str) -> MidiFileError:
    text = f"{name}: {found}; at most {most} are read: choose a shorter file"
    return MidiFileError(text, "too-large")


def _notices(remark: str | None, events: Events, notes: int) -> tuple[str, ...]:
    """Return what is to be said of a file."""
    found = [remark] if remark else []
    if events.songs > 1:
        found.append(f"holds {events.songs} songs (format 2); the first is read")
    if events.damage:
        found.append(f"{events.damage}; {notes} notes are read")
    return tuple(found)


def _no_notes(events: Events, name: str) -> MidiFileError:
    """Return why a file without notes has none."""
    if events.damage:
        text = f"{events.damage}, and no note before it; fetch the file or save it again"
        return MidiFileError(f"{name}: {text}", "broken")
    if events.starts:
        text = f"none of its {len(events.starts)} notes has a length; save it again with lengths"
    else:
        tracks = len(events.names)
        text = f"holds no notes (tracks: {tracks}); choose a file with notes"
    return MidiFileError(f"{name}: {text}", "empty")


def _check_length(
    notes: Notes, tempo: TempoMap, division: int, name: str, limits: MidiLimits
) -> None:
    """Refuse music that is too long.

    Raises:
        MidiFileError: ``too-large``.
    """
    last = notes.end.max(keepdims=True)
    hours = float(tempo.to_ms(last)[0]) / 3.6e6
    far = "; choose a shorter file, or delete what stands far behind its end"
    if hours > limits.hours:
        text = f"{hours:.1f} hours long, at most {limits.hours:g} are read"
    elif division > 0 and last[0] / division > limits.quarters:
        text = f"{last[0] / division:.0f} quarter notes long, at most {limits.quarters:g} are read"
    else:
        return
    raise MidiFileError(f"{name}: {text}{far}", "too-large")


def _notes_of(events: Events) -> Notes:
    """Return the notes that sound, with what holds for each; the rules are midifile's."""
    start = np.array(events.starts, dtype=np.int64)
    end = np.array(events.ends, dtype=np.int64)
    end[end < 0] = events.last_tick
    track = np.array(events.tracks, dtype=np.int64)
    key = np.array(events.keys, dtype=np.int64)
    velocity = np.array(events.velocities, dtype=np.int64)
    kept, end, velocity = strikes(start, end, velocity, track << 32 | key)
    start, key, track = start[kept], key[kept], track[kept]
    address = key >> 7
    kits = _values_at(_drum_changes(events), start, address, -1)
    return Notes(
        start,
        end,
        velocity,
        key & 127,
        address,
        track,
        _values_at(_changes_of(events, PROGRAM), start, address),
        _values_at(_changes_of(events, PEDAL), start, address) >= PEDAL_DOWN_FROM,
        np.where(kits < 0, address % CHANNELS == DRUM_CHANNEL, kits > 0),
    )


def _changes_of(events: Events, what: int) -> Changes:
    return [(tick, address, value) for tick, address, of, value in events.changes if of == what]


def _drum_changes(events: Events) -> Changes:
    """Return from where on addresses play drums, by their banks, programs and part modes."""
    found: Changes = []
    banks: dict[int, int] = {}
    by_bank: set[int] = set()
    for tick, address, what, value in sorted(events.changes, key=lambda change: change[0]):
        if what == BANK:
            banks[address] = value
        elif what == PART:
            found.append((tick, address, value))
            by_bank.discard(address)
        elif what == PROGRAM and address in banks:
            drums = plays_drums(banks[address], events.general_standard)
            if drums is not None:
                found.append((tick, address, int(drums)))
                by_bank.add(address)
            elif address in by_bank:
                found.append((tick, address, int(address % CHANNELS == DRUM_CHANNEL)))
    return found


def _values_at(changes: Changes, ticks: Ticks, addresses: Ticks, before: int = 0) -> Ticks:
    """Return the value that changes leave at each tick.

    Of changes at one tick the last of the last track holds.

    Args:
        changes: Of all tracks.
        ticks: Where to look, ``(notes,)``.
        addresses: Of whom, ``(notes,)``.
        before: The value before the first change.
    """
    values = np.full(len(ticks), before, dtype=np.int64)
    rows = np.array(changes, dtype=np.int64).reshape(-1, 3)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    for address in np.unique(rows[:, 1]):
        mine = rows[rows[:, 1] == address]
        here = np.flatnonzero(addresses == address)
        at = np.searchsorted(mine[:, 0], ticks[here], side="right")
        values[here] = np.concatenate(([before], mine[:, 2]))[at]
    return values
