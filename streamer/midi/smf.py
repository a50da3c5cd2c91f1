"""Events of a Standard MIDI file, in ticks: bytes in, lists out.

Only what notes need is kept: note pairs, CC0, CC64 and CC121, programs, which channels are drums,
tempos, metres and track names. A file that breaks off, or stops making sense, gives all that came
before, and says what is wrong. Chunk lengths, running status and the end of a track are read as
leniently as no right file could tell the difference.

A note's address is the port of its track and its channel, so that channels of two ports do not mix.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from streamer.midi.drums import part_mode
from streamer.midi.messages import (
    BANK_MSB,
    CHANNELS,
    CONTROL_CHANGE,
    CONTROL_PEDAL,
    LENGTH_BY_STATUS,
    NOTE_OFF,
    NOTE_ON,
    PROGRAM_CHANGE,
    REALTIME,
    RESET_CONTROLLERS,
    SYSEX,
    SYSEX_END,
)
from streamer.midi.meta import END_OF_TRACK, META, PORT, TEMPO, TIME_SIGNATURE, TRACK_NAME, text_of

FORMAT_OF_SONGS = 2
"""A file of this format holds a song of its own in each track."""

PEDAL, BANK, PROGRAM, PART = range(4)
"""What a change in :attr:`Events.changes` is of: CC64, CC0, the program, whether it plays drums."""


@dataclass
class Events:
    """What was read, in ticks.

    Attributes:
        starts: Note-ons, tick of each, track after track.
        ends: Tick of the note-off of each, -1 where there is none.
        keys: ``address << 7 | pitch`` of each; an address is ``port << 4 | channel``.
        velocities: 1..127 of each.
        tracks: Index into ``names`` of each.
        releases: (tick, key) of note-offs for which no note of their track sounds.
        changes: (tick, address, of what, value), track after track.
        tempos: (tick, microseconds a quarter), track after track.
        metres: (tick, beats of a bar, their unit: 4 for a quarter), track after track.
        names: Name of each track, "" where it has none.
        general_standard: Whether the file resets its synth to GS, whose banks are no drums.
        last_tick: Tick of the last event of any track.
        songs: How many songs the file holds; the first with notes was read.
        damage: What is wrong with the bytes, or None.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    velocities: list[int] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    releases: list[tuple[int, int]] = field(default_factory=list)
    changes: list[tuple[int, int, int, int]] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    general_standard: bool = False
    last_tick: int = 0
    songs: int = 1
    damage: str | None = None


class _DamagedError(Exception):
    """The bytes of a track stop making sense; everything before is good."""


def read_events(data: bytes) -> Events:
    """Walk the MTrk chunks of a file that begins with MThd, as many as its header counts.

    Other chunks are skipped, as the standard asks. Of a file of songs (format 2) the first that has
    notes is read.
    """
    of_songs = int.from_bytes(data[8:10], "big") == FORMAT_OF_SONGS
    tracks, damage = _tracks(data)
    events = Events(damage=damage)
    for begin, end in tracks:
        if of_songs and events.starts:
            break
        if of_songs:
            events = Events(damage=damage)
        _add_track(data, begin, end, events)
    events.songs = max(len(tracks), 1) if of_songs else 1
    _release_over_tracks(events)
    return events


def _tracks(data: bytes) -> tuple[list[tuple[int, int]], str | None]:
    """Return where the events of each track begin and end, and what is wrong with the chunks.

    Programs that write over an older and longer file leave its end behind theirs: what stands
    behind the tracks that the header counts is none of the file's.
    """
    counted = int.from_bytes(data[10:12], "big") or len(data)
    position = 8 + int.from_bytes(data[4:8], "big")
    found: list[tuple[int, int]] = []
    damage = None
    while position + 8 <= len(data):
        name = data[position : position + 4]
        if len(found) == counted:
            if name == b"MTrk":
                damage = (
                    damage or f"tracks behind the {counted} that the header counts are left out"
                )
            break
        if not name.isalnum():
            lost = data.find(b"MTrk", position)
            if lost < 0:
                break
            damage = (
                damage or f"{lost - position} bytes before track {len(found) + 1} belong to none"
            )
            position, name = lost, b"MTrk"
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "big")
        if name == b"MTrk":
            if end > len(data):
                damage = f"the file ends {end - len(data)} bytes early"
            found.append((position + 8, min(end, len(data))))
        position = end
    return found, damage


def _add_track(data: bytes, begin: int, end: int, events: Events) -> None:
    """Read one track into ``events``.

    Data bytes over 127 are taken for 127 where the track makes sense to its end with that; where it
    does not, it is read up to the first of them.
    """
    track = len(events.names) + 1
    read = _Track(data, begin, end, lenient=True)
    if read.broken and read.repaired:
        read = _Track(data, begin, end, lenient=False)
    wrong = read.broken or read.repaired
    if wrong:
        events.damage = events.damage or f"track {track} {wrong}"
    events.names.append(read.found.names[0] if read.found.names else "")
    events.tracks.extend([track - 1] * len(read.found.starts))
    events.last_tick = max(events.last_tick, read.found.last_tick)
    events.general_standard |= read.found.general_standard
    for name in (
        "starts", "ends", "keys", "velocities", "releases", "changes", "tempos", "metres",
    ):  # fmt: skip
        getattr(events, name).extend(getattr(read.found, name))


def _release_over_tracks(events: Events) -> None:
    """Give note-offs that found no note in their track to notes of other tracks that have none.

    Format 1 is one stream to the synth, which knows ports, channels and keys and no tracks.
    """
    waiting: dict[int, deque[int]] = {}
    for note in sorted(range(len(events.starts)), key=events.starts.__getitem__):
        if events.ends[note] < 0:
            waiting.setdefault(events.keys[note], deque()).append(note)
    if not waiting:
        return
    for tick, key in sorted(events.releases):
        queue = waiting.get(key)
        if queue and events.starts[queue[0]] < tick:
            events.ends[queue.popleft()] = tick


class _Track:
    """The events of one track.

    Args:
        data: The file.
        begin: Where the track's events begin.
        end: Where they end.
        lenient: Whether data bytes over 127 are taken for 127.

    Attributes:
        found: What was read.
        repaired: What was taken otherwise than it is written, or None.
        broken: What broke the reading off, or None.
    """

    def __init__(self, data: bytes, begin: int, end: int, *, lenient: bool) -> None:
        self._data, self._lenient = data[:end], lenient
        self.found = Events()
        self.repaired: str | None = None
        self.broken: str | None = None
        self._sounding: dict[int, deque[int]] = {}
        self._base = 0
        try:
            self._read(begin, end)
        except _DamagedError as error:
            self.broken = str(error)
        except IndexError:
            self.broken = "breaks off in an event"

    def _read(self, i: int, end: int) -> None:
        """Walk the events.

        Raises:
            _DamagedError: The bytes stop making sense.
            IndexError: They end in the middle of an event.
        """
        data, lengths = self._data, LENGTH_BY_STATUS
        tick = status = length = 0
        while i < end:
            delta = data[i]
            i += 1
            if delta > 127:
                delta, i = _varlen(data, i - 1)
            byte = data[i]
            if byte >= SYSEX:
                i = self._system(i, tick + delta)
                if i < 0:
                    return
                tick += delta
                continue
            if byte > 127:
                i += 1
                status, length = byte, lengths[byte]
            elif not status:
                raise _DamagedError(f"has data without a status at byte {i}")
            number = data[i]
            value = data[i + 1] if length == 3 else 0
            i += length - 1
            tick += delta
            self.found.last_tick = tick
            if number > 127 or value > 127:
                number = self._legal(number, i - length + 1)
                value = self._legal(value, i - 1)
                if number > 127 and status < CONTROL_CHANGE:
                    continue
            self._message(tick, status, min(number, 127), min(value, 127))

    def _legal(self, byte: int, at: int) -> int:
        """Take note of a data byte over 127.

        Raises:
            _DamagedError: None is to be read.
        """
        if byte > 127:
            text = f"has the value {byte} at byte {at}, where 0..127 is legal"
            if not self._lenient:
                raise _DamagedError(text)
            self.repaired = self.repaired or f"{text}; it is read as 127"
        return byte

    def _message(self, tick: int, status: int, number: int, value: int) -> None:
        """Take in one channel message."""
        kind, address = status & 0xF0, self._base | status & 0x0F
        found = self.found
        if kind == NOTE_ON and value:
            key = address << 7 | number
            self._sounding.setdefault(key, deque()).append(len(found.starts))
            found.starts.append(tick)
            found.ends.append(-1)
            found.keys.append(key)
            found.velocities.append(value)
        elif kind in (NOTE_OFF, NOTE_ON):
            key = address << 7 | number
            queue = self._sounding.get(key)
            if queue:
                found.ends[queue.popleft()] = tick
            else:
                found.releases.append((tick, key))
        elif kind == CONTROL_CHANGE:
            if number in (CONTROL_PEDAL, RESET_CONTROLLERS):
                down = value if number == CONTROL_PEDAL else 0
                found.changes.append((tick, address, PEDAL, down))
            elif number == BANK_MSB:
                found.changes.append((tick, address, BANK, value))
        elif kind == PROGRAM_CHANGE:
            found.changes.append((tick, address, PROGRAM, number))

    def _system(self, i: int, tick: int) -> int:
        """Take in one event of the system and return where the next begins; -1 at the end.

        A meta event ends running status by the standard, but files in the wild rely on its lasting,
        and no correct file can tell the difference. Real-time and system common messages, which
        some recorders write down as they come, are skipped.
        """
        data, status = self._data, self._data[i]
        i += 1
        number = -1
        if status == META:
            number = data[i]
            i += 1
        elif status not in (SYSEX, SYSEX_END):
            if status not in LENGTH_BY_STATUS and status < REALTIME:
                raise _DamagedError(f"has the status {status:#x}, which means nothing, at {i - 1}")
            return i + LENGTH_BY_STATUS.get(status, 1) - 1
        length, i = _varlen(data, i)
        if i + length > len(data):
            raise _DamagedError("breaks off in an event")
        self.found.last_tick = tick
        if number == END_OF_TRACK:
            return -1
        if status == SYSEX:
            self._exclusive(data[i : i + length], tick)
        else:
            self._meta(number, data[i : i + length], tick)
        return i + length

    def _meta(self, number: int, data: bytes, tick: int) -> None:
        found = self.found
        if number == TEMPO and len(data) == 3:
            microseconds = int.from_bytes(data, "big")
            if microseconds:
                found.tempos.append((tick, microseconds))
        elif number == TIME_SIGNATURE and len(data) >= 2 and data[0] and data[1] <= 6:
            found.metres.append((tick, data[0], 1 << data[1]))
        elif number == TRACK_NAME and not found.names:
            if name := text_of(data):
                found.names.append(name)
        elif number == PORT and data:
            self._base = (data[0] & 127) * CHANNELS

    def _exclusive(self, data: bytes, tick: int) -> None:
        mode = part_mode(data)
        if mode is None:
            return
        self.found.general_standard |= mode.resets_to_gs
        if mode.channel is not None:
            change = (tick, self._base | mode.channel, PART, int(mode.drums))
            self.found.changes.append(change)


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
