"""Events of a Standard MIDI file, in ticks: bytes in, lists out; called by midifile and beatfile.

Only what notes need is kept: note pairs, CC64 and CC121, programs, tempos, metres and track
names. A file
that breaks off, or stops making sense, gives all that came before, and says what is wrong.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_CONTROL_PEDAL, _CONTROL_RESET = 64, 121


@dataclass
class Events:
    """What was read, in ticks.

    Attributes:
        starts: Note-ons, tick of each, track after track.
        ends: Tick of the note-off of each, -1 where there is none.
        keys: ``channel << 7 | pitch`` of each.
        velocities: 1..127 of each.
        tracks: Index into ``names`` of each.
        pedals: (tick, channel, value of CC64), track after track.
        programs: (tick, channel, program), track after track.
        tempos: (tick, microseconds a quarter), track after track.
        metres: (tick, beats of a bar, their unit: 4 for a quarter), track after track.
        names: Name of each track, "" where it has none.
        last_tick: Tick of the last event of any track.
        damage: What broke the reading off, or None.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    velocities: list[int] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    pedals: list[tuple[int, int, int]] = field(default_factory=list)
    programs: list[tuple[int, int, int]] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    last_tick: int = 0
    damage: str | None = None


class _DamagedError(Exception):
    """The bytes of a track stop making sense; everything before is good."""


def read_events(data: bytes) -> Events:
    """Walk all MTrk chunks; other chunks are skipped, as the standard asks."""
    events = Events()
    position = 8 + int.from_bytes(data[4:8], "big")
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        end = position + 8 + length
        if data[position : position + 4] == b"MTrk":
            if end > len(data):
                events.damage = f"the file ends {end - len(data)} bytes early"
            try:
                _read_track(data, position + 8, min(end, len(data)), events)
            except (_DamagedError, IndexError) as error:
                what = str(error) if isinstance(error, _DamagedError) else "breaks off in an event"
                events.damage = events.damage or f"track {len(events.names)} {what}"
        position = end
    return events


def _read_track(data: bytes, i: int, end: int, events: Events) -> None:
    """Walk the events of one track, ``data[i:end]``.

    Raises:
        _DamagedError: The bytes stop making sense. What came before is in ``events``.
        IndexError: They end in the middle of an event.
    """
    track = len(events.names)
    events.names.append("")
    data = data[:end]
    starts, ends, keys, velocities = events.starts, events.ends, events.keys, events.velocities
    first = len(starts)
    sounding: dict[int, deque[int]] = {}
    tick = status = 0
    try:
        while i < end:
            delta = data[i]
            i += 1
            if delta > 127:
                delta, i = _varlen(data, i - 1)
            byte = data[i]
            if byte > 127:
                i += 1
                if byte >= 0xF0:
                    tick += delta
                    i = _system(data, i, byte, tick, track, events)
                    if i < 0:
                        return
                    continue
                status = byte
            elif not status:
                raise _DamagedError(f"has data without a status at byte {i}")
            kind = status & 0xF0
            if kind == 0xC0 or kind == 0xD0:
                value = data[i]
                i += 1
                tick += delta
                if kind == 0xC0:
                    events.programs.append((tick, status & 15, value & 127))
                continue
            number, value = data[i], data[i + 1]
            if number > 127 or value > 127:
                raise _DamagedError(f"has a status inside an event at byte {i}")
            i += 2
            tick += delta
            if kind == 0x90 and value:
                key = (status & 15) << 7 | number
                sounding.setdefault(key, deque()).append(len(starts))
                starts.append(tick)
                ends.append(-1)
                keys.append(key)
                velocities.append(value)
            elif kind == 0x80 or kind == 0x90:
                queue = sounding.get((status & 15) << 7 | number)
                if queue:
                    ends[queue.popleft()] = tick
            elif kind == 0xB0 and number in (_CONTROL_PEDAL, _CONTROL_RESET):
                down = value if number == _CONTROL_PEDAL else 0
                events.pedals.append((tick, status & 15, down))
    finally:
        events.tracks.extend([track] * (len(starts) - first))
        events.last_tick = max(events.last_tick, tick)


def _system(data: bytes, i: int, status: int, tick: int, track: int, events: Events) -> int:
    """Take in one meta or system-exclusive event and return where the next begins; -1 at the end.

    A meta event ends running status by the standard, but files in the wild rely on its lasting,
    and no correct file can tell the difference.
    """
    kind = -1
    if status == 0xFF:
        kind = data[i]
        i += 1
    elif status not in (0xF0, 0xF7):
        raise _DamagedError(f"has the status {status:#x}, which no file may hold, at byte {i - 1}")
    length, i = _varlen(data, i)
    if i + length > len(data):
        raise _DamagedError("breaks off in an event")
    if kind == 0x2F:
        return -1
    if kind == 0x51 and length == 3:
        microseconds = int.from_bytes(data[i : i + 3], "big")
        if microseconds:
            events.tempos.append((tick, microseconds))
    elif kind == 0x58 and length >= 2 and data[i] and data[i + 1] <= 6:
        events.metres.append((tick, data[i], 1 << data[i + 1]))
    elif kind == 0x03 and not events.names[track]:
        events.names[track] = data[i : i + length].decode("latin-1").strip("\0 \t\r\n")
    return i + length


def _varlen(data: bytes, i: int) -> tuple[int, int]:
    """Return a variable-length number and where it ends."""
    value = 0
    for _ in range(4):
        byte = data[i]
        i += 1
        value = value << 7 | byte & 127
        if byte < 128:
            return value, i
    raise _DamagedError(f"has a number of more than four bytes at byte {i - 4}")
