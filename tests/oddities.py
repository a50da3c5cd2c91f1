"""Songs with odd things in their files, made at random, with what they mean by the standard.

In: a random generator and the names of oddities. Out: the bytes of a file, and the notes that it
holds (:class:`Song`): what is expected is known from how the file was made and read by no reader.
Each oddity is a function of :data:`ODDITIES`, whose text says what it does.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.oddfiles import END, GS_RESET, XG_ON, meta, smf, varlen

QUARTER = 480
HOUR = 3600 * 2 * QUARTER
"""Ticks of an hour at 120 quarters a minute."""


@dataclass
class Note:
    """A note, in ticks."""

    start: int
    end: int
    pitch: int
    velocity: int
    channel: int
    track: int
    port: int = 0
    program: int = 0
    drum: bool = False
    pedal: bool = False


@dataclass
class Song:
    """A file in the making.

    Attributes:
        chance: Draws everything.
        tracks: Of each track (tick, order at that tick, bytes of an event).
        notes: What it holds by the standard.
        names: Of each track.
        refused: Reason for which it must be refused, or empty.
        told: Whether something must be said of it.
        kind: The header's format.
        division: The header's time base.
        chunks: Change the track chunks, in order.
        foreign: Chunks of other kinds, behind the first track.
        wraps: Change the whole file, in order.
        running: Tracks in running status, into which nothing else is put.
    """

    chance: random.Random
    tracks: list[list[tuple[int, int, bytes]]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    refused: str = ""
    told: bool = False
    kind: int = 1
    division: bytes = QUARTER.to_bytes(2, "big")
    chunks: list[Callable[[list[bytes]], list[bytes]]] = field(default_factory=list)
    foreign: list[bytes] = field(default_factory=list)
    wraps: list[Callable[[bytes], bytes]] = field(default_factory=list)
    running: set[int] = field(default_factory=set)

    def add(self, track: int, tick: int, data: bytes, order: int = 1) -> None:
        """Put an event into a track."""
        self.tracks[track].append((tick, order, data))

    def play(self, note: Note) -> Note:
        """Put a note into its track, and among those that are expected."""
        channel, pitch = note.channel, note.pitch
        self.add(note.track, note.start, bytes((0x90 | channel, pitch, note.velocity)), 3)
        self.add(note.track, note.end, bytes((0x80 | channel, pitch, 64)), 0)
        self.notes.append(note)
        return note

    def played(self) -> list[int]:
        """Tracks that hold notes."""
        return sorted({note.track for note in self.notes})

    def free_channel(self) -> int:
        """A channel that no note is on, and not that of drums."""
        used = {note.channel for note in self.notes} | {9}
        return next(c for c in range(16) if c not in used)

    def new_track(self, name: str = "") -> int:
        """Begin a track; return its index."""
        self.tracks.append([])
        self.names.append(name)
        if name:
            self.add(len(self.tracks) - 1, 0, meta(3, name.encode()), -2)
        return len(self.tracks) - 1

    def end(self) -> int:
        """The last tick of the music."""
        return max((note.end for note in self.notes), default=0)

    def to_ms(self, tick: int) -> float:
        """Return the time of a tick, through the tempos of all tracks that are read."""
        if self.division[0] > 127:
            return float(tick)
        read = (
            [self.tracks[note.track] for note in self.notes[:1]] if self.kind == 2 else self.tracks
        )
        changes = sorted(
            (at, int.from_bytes(data[3:], "big"))
            for events in read
            for at, _, data in events
            if data[:2] == b"\xff\x51" and any(data[3:])
        )
        ms, now, tempo = 0.0, 0, 500_000
        for at, following in changes:
            if at >= tick:
                break
            ms, now, tempo = ms + (at - now) * tempo / QUARTER / 1000, at, following
        return ms + (tick - now) * tempo / QUARTER / 1000

    def data(self) -> bytes:
        """Return the file."""
        chunks = [chunk(events) for events in self.tracks]
        for change in self.chunks:
            chunks = change(chunks)
        chunks[0] += b"".join(self.foreign)
        data = smf(chunks, kind=self.kind, division=self.division)
        for wrap in self.wraps:
            data = wrap(data)
        return data


def chunk(events: list[tuple[int, int, bytes]], end: bytes = END) -> bytes:
    """Return the chunk of a track."""
    body, at = b"", 0
    for tick, _, data in sorted(events, key=lambda event: event[:2]):
        body += varlen(tick - at) + data
        at = tick
    body += b"\x00" + end
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def plain(chance: random.Random) -> Song:
    """A song without anything odd: a track of metre and tempo, and some that play."""
    song = Song(chance)
    song.new_track()
    song.add(0, 0, meta(0x58, bytes((4, 2, 24, 8))), -1)
    song.add(0, 0, meta(0x51, chance.randrange(200_000, 1_200_000).to_bytes(3, "big")), -1)
    if chance.random() < 0.5:
        song.add(0, 4 * QUARTER, meta(0x51, chance.randrange(200_000, 900_000).to_bytes(3, "big")))
    for channel in chance.sample([0, 1, 2, 3, 9], chance.randint(1, 3)):
        track = song.new_track(chance.choice(["", "Piano", "Lead 2", "Bass"]))
        program = chance.randrange(128)
        song.add(track, 0, bytes((0xC0 | channel, program)), -1)
        for pitch in chance.sample(range(24, 100), chance.randint(1, 4)):
            tick = chance.randrange(0, 2 * QUARTER)
            for _ in range(chance.randint(1, 6)):
                length = chance.randrange(1, 2 * QUARTER)
                song.play(
                    Note(tick, tick + length, pitch, chance.randint(1, 127), channel, track,
                         program=program, drum=channel == 9)
                )  # fmt: skip
                tick += length + chance.randrange(1, QUARTER)
    return song


def _pick(song: Song, *, drums: bool = False) -> int:
    """A track that plays; not of drums unless they are wanted."""
    playing = {note.track for note in song.notes if drums or not note.drum}
    tracks = sorted(playing - song.running)
    if not tracks:
        channel, track = song.free_channel(), song.new_track()
        song.play(Note(0, QUARTER, 60, 80, channel, track))
        return track
    return song.chance.choice(tracks)


# Ports and channels


def two_ports(song: Song) -> None:
    """A track of port 1 on a channel that a track of port 0 plays on, with its own program."""
    first = _pick(song)
    channel = next(note.channel for note in song.notes if note.track == first)
    track = song.new_track()
    song.add(track, 0, meta(0x21, b"\x01"), -3)
    song.add(track, 0, bytes((0xC0 | channel, 99)), -1)
    for at in range(4):
        song.play(Note(at * 240, at * 240 + 200, 50 + at, 70, channel, track, 1, 99))


def release_elsewhere(song: Song) -> None:
    """A note that a note-off in another track of its channel ends."""
    channel, track, other = song.free_channel(), song.new_track(), song.new_track()
    song.add(track, 100, bytes((0x90 | channel, 64, 90)), 3)
    song.add(other, 700, bytes((0x80 | channel, 64, 0)), 0)
    song.notes.append(Note(100, 700, 64, 90, channel, track))


def program_elsewhere(song: Song) -> None:
    """A program that another track of the channel sets."""
    channel, setup, track = song.free_channel(), song.new_track(), song.new_track()
    song.add(setup, 0, bytes((0xC0 | channel, 40)))
    song.play(Note(0, 300, 64, 90, channel, track, program=40))


def _kit(song: Song, head: list[bytes], drum: bool, channel: int | None = None) -> None:
    channel = song.free_channel() if channel is None else channel
    track = song.new_track()
    for at, data in enumerate(head):
        song.add(track, 0, data, -9 + at)
    for at in range(4):
        song.play(Note(at * 240, at * 240 + 100, 36 + at, 70, channel, track, drum=drum))


def xg_kit(song: Song) -> None:
    """A drum kit of XG on another channel, by bank 127."""
    channel = song.free_channel()
    _kit(song, [XG_ON, bytes((0xB0 | channel, 0, 127)), bytes((0xC0 | channel, 0))], True)


def xg_part(song: Song) -> None:
    """A drum kit of XG on another channel, by part mode."""
    part = bytes((0xF0, 8, 0x43, 0x10, 0x4C, 8, song.free_channel(), 7, 2, 0xF7))
    _kit(song, [XG_ON, part], True)


def gs_part(song: Song) -> None:
    """A rhythm part of GS on another channel."""
    channel = song.free_channel()
    block = channel + 1 if channel < 9 else channel
    part = bytes((0xF0, 10, 0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | block, 0x15, 1, 0, 0xF7))
    _kit(song, [GS_RESET, part], True)


def gs_variation(song: Song) -> None:
    """Bank 127 of GS, which is no kit."""
    channel = song.free_channel()
    _kit(song, [GS_RESET, bytes((0xB0 | channel, 0, 127)), bytes((0xC0 | channel, 0))], False)


# Notes


def velocity_zero(song: Song) -> None:
    """Note-ons of velocity 0, in running status."""
    channel, track = song.free_channel(), song.new_track()
    song.running.add(track)
    song.add(track, 0, bytes((0x90 | channel, 60, 50)))
    for tick, data in ((100, b"\x3c\x00"), (100, b"\x3e\x40"), (300, b"\x3e\x00")):
        song.add(track, tick, data, 2 + (data[0] == 62))
    song.notes += [
        Note(0, 100, 60, 50, channel, track), Note(100, 300, 62, 64, channel, track),
    ]  # fmt: skip


def never_released(song: Song) -> None:
    """A note without a note-off: it ends with the file."""
    channel, track = song.free_channel(), song.new_track()
    song.add(track, 50, bytes((0x90 | channel, 70, 60)))
    song.add(track, song.end() + 10 * QUARTER, bytes((0xB0 | channel, 7, 100)))
    song.notes.append(
        Note(50, max(tick for tick, _, _ in song.tracks[track]), 70, 60, channel, track)
    )


def struck_again(song: Song) -> None:
    """A key that is struck while it is down, and released twice after that."""
    channel, track = song.free_channel(), song.new_track()
    for tick, velocity in ((0, 40), (100, 50)):
        song.add(track, tick, bytes((0x90 | channel, 55, velocity)))
    for tick in (200, 300):
        song.add(track, tick, bytes((0x80 | channel, 55, 0)))
    song.notes += [
        Note(0, 100, 55, 40, channel, track), Note(100, 300, 55, 50, channel, track),
    ]  # fmt: skip


def no_length(song: Song) -> None:
    """A note that is released at its onset: nothing sounds."""
    channel, track = song.free_channel(), song.new_track()
    song.add(track, 77, bytes((0x90 | channel, 55, 100)), 1)
    song.add(track, 77, bytes((0x80 | channel, 55, 0)), 2)


def half_pedal(song: Song) -> None:
    """CC64 of exactly 64: the pedal is down."""
    channel, track = song.free_channel(), song.new_track()
    song.add(track, 0, bytes((0xB0 | channel, 64, 64)))
    song.play(Note(10, 90, 60, 60, channel, track, pedal=True))
    song.add(track, 100, bytes((0xB0 | channel, 64, 63)))
    song.play(Note(110, 190, 62, 60, channel, track))


def pedal_elsewhere(song: Song) -> None:
    """A pedal in a track that holds nothing else."""
    channel, pedals, track = song.free_channel(), song.new_track(), song.new_track()
    song.add(pedals, 100, bytes((0xB0 | channel, 64, 127)))
    song.add(pedals, 500, bytes((0xB0 | channel, 121, 0)))
    song.play(Note(0, 50, 60, 60, channel, track))
    song.play(Note(100, 250, 62, 60, channel, track, pedal=True))
    song.play(Note(600, 700, 64, 60, channel, track))


def all_pitches(song: Song) -> None:
    """A melody over all 128 keys."""
    channel, track = song.free_channel(), song.new_track()
    for at, pitch in enumerate(range(0, 128, 7)):
        song.play(Note(at * 100, at * 100 + 90, pitch, 64, channel, track))


# Events that are strange in a file


def _stray(song: Song, *strays: bytes) -> None:
    track = _pick(song, drums=True)
    for stray in strays:
        song.add(track, song.chance.randrange(0, 2 * QUARTER), stray, 2)


def active_sensing(song: Song) -> None:
    """FE inside a track, as recorders of a stream write it down."""
    _stray(song, b"\xfe", b"\xfe")


def clock(song: Song) -> None:
    """F8 inside a track."""
    _stray(song, b"\xf8", b"\xfa", b"\xf8")


def song_position(song: Song) -> None:
    """F2 and F6 inside a track."""
    _stray(song, b"\xf2\x01\x02", b"\xf6")


def exclusives(song: Song) -> None:
    """System exclusive whole, split in packets, and an escape."""
    track = _pick(song, drums=True)
    for tick, data in (
        (10, b"\xf0\x05\x7e\x7f\x09\x01\xf7"),
        (20, b"\xf0\x02\x41\x10"),
        (30, b"\xf7\x03\x42\x12\xf7"),
        (40, b"\xf7\x02\xf3\x01"),
    ):
        song.add(track, tick, data, -5)


def unknown_meta(song: Song) -> None:
    """Meta events of no number that the standard gives, and long texts."""
    _stray(song, meta(0x60, b"x"), meta(0x7F, bytes(range(200))), meta(1, b"a" * 300))


def running_status(song: Song) -> None:
    """Running status that goes on behind a meta event, which the standard forbids to rely on."""
    _run_on_behind(song, meta(1, b"text"))


def clock_in_running_status(song: Song) -> None:
    """Running status that goes on behind a clock, which leaves it alone."""
    _run_on_behind(song, b"\xf8")


def _run_on_behind(song: Song, data: bytes) -> None:
    channel, track = song.free_channel(), song.new_track()
    song.running.add(track)
    for tick, event in (
        (0, bytes((0x90 | channel, 60, 50))),
        (100, data),
        (200, b"\x3c\x00"),
    ):
        song.add(track, tick, event)
    song.notes.append(Note(0, 200, 60, 50, channel, track))


def value_over_127(song: Song) -> None:
    """A control change of value 255."""
    song.told = True
    channel, track = song.free_channel(), song.new_track()
    song.add(track, 0, bytes((0xB0 | channel, 7, 255)))
    song.play(Note(10, 300, 60, 60, channel, track))


def torn_track(song: Song) -> None:
    """A track whose last event is cut off, with a length that fits."""
    song.told = True
    channel, track = song.free_channel(), song.new_track()
    song.play(Note(0, 100, 60, 60, channel, track))

    def tear(chunks: list[bytes]) -> list[bytes]:
        body = chunks[track][8:-4] + b"\x00\x90\x3c"
        return [
            b"MTrk" + len(body).to_bytes(4, "big") + body if at == track else data
            for at, data in enumerate(chunks)
        ]

    song.chunks.append(tear)


def torn_file(song: Song) -> None:
    """A file of which the end is missing, in the end of its last track."""
    song.told = True
    channel, track = song.free_channel(), song.new_track()
    song.play(Note(0, 100, 60, 60, channel, track))
    song.wraps.insert(0, lambda data: data[:-2])


def no_end(song: Song) -> None:
    """A track without its end."""
    track = _pick(song, drums=True)

    def strip(chunks: list[bytes]) -> list[bytes]:
        body = chunks[track][8:-4]
        chunks[track] = b"MTrk" + len(body).to_bytes(4, "big") + body
        return chunks

    song.chunks.append(strip)


# The file around the tracks


def foreign_chunk(song: Song) -> None:
    """A chunk of another kind between the tracks."""
    song.foreign.append(b"XFIH\0\0\0\x04abcd")


def long_header(song: Song) -> None:
    """A header of more bytes than six."""
    song.wraps.insert(0, lambda data: data[:7] + b"\x08" + data[8:14] + b"\0\0" + data[14:])


def older_file_behind(song: Song) -> None:
    """Behind the tracks that the header counts the end of an older file, which was longer."""
    song.told = True
    old = chunk([(0, 0, b"\x90\x3c\x40"), (480, 0, b"\x80\x3c\x00")])
    song.wraps.insert(0, lambda data: data + old + old[-7:] + old)


def frames(song: Song) -> None:
    """SMPTE time: 25 frames of 40 ticks, so that a tick is a millisecond."""
    song.division = b"\xe7\x28"


def songs(song: Song) -> None:
    """Format 2: a song in each track, of which the first with notes is read."""
    song.kind, song.told = 2, True
    first = min(song.played(), default=0)
    song.notes = [note for note in song.notes if note.track == first]


def riff(song: Song) -> None:
    """RIFF around the file."""

    def wrap(data: bytes) -> bytes:
        inner = b"RMIDdata" + len(data).to_bytes(4, "little") + data
        return b"RIFF" + len(inner).to_bytes(4, "little") + inner

    song.wraps.append(wrap)


def mac_binary(song: Song) -> None:
    """128 bytes before the file."""
    song.told = True
    song.wraps.append(lambda data: bytes(128) + data)


def pickup(song: Song) -> None:
    """A bar of one quarter before 4/4."""
    song.add(0, 0, meta(0x58, bytes((1, 2, 24, 8))))
    song.add(0, QUARTER, meta(0x58, bytes((4, 2, 24, 8))))


def same_metre_again(song: Song) -> None:
    """The metre that holds already, said once more."""
    song.add(0, 16 * QUARTER, meta(0x58, bytes((4, 2, 24, 8))))


def no_tempo(song: Song) -> None:
    """A tempo of 0 microseconds, which nobody can play."""
    song.add(0, 2 * QUARTER, meta(0x51, bytes(3)))


def tempo_elsewhere(song: Song) -> None:
    """A tempo change in a track that is not the first."""
    song.add(_pick(song, drums=True), QUARTER, meta(0x51, (300_000).to_bytes(3, "big")), 5)


def _named(song: Song, name: str, encoding: str) -> None:
    track = song.new_track()
    song.names[track] = name
    song.add(track, 0, meta(3, name.encode(encoding)), -2)
    song.play(Note(0, 90, 60, 60, song.free_channel(), track))


def utf8_name(song: Song) -> None:
    """A track name in UTF-8."""
    _named(song, "Flöte 笛", "utf-8")


def latin_name(song: Song) -> None:
    """A track name in Latin-1."""
    _named(song, "Flöte", "latin-1")


def japanese_name(song: Song) -> None:
    """A track name in Shift-JIS."""
    _named(song, "メロディ笛", "cp932")


# Files that must be refused


def far_note(song: Song) -> None:
    """A note five hours behind the others."""
    song.refused = "too-large"
    channel, track = song.free_channel(), song.new_track()
    song.add(0, song.end() + 1, meta(0x51, (500_000).to_bytes(3, "big")))
    song.play(Note(5 * HOUR, 5 * HOUR + 1, 60, 60, channel, track))


def zero_lengths(song: Song) -> None:
    """No note has a length."""
    song.refused = "empty"
    _forget(song)
    no_length(song)


def drums_alone(song: Song) -> None:
    """Nothing but drums plays."""
    song.refused = "drums-only"
    _forget(song)
    _kit(song, [], True, channel=9)


def no_notes(song: Song) -> None:
    """Nothing plays."""
    song.refused = "empty"
    _forget(song)


def _forget(song: Song) -> None:
    song.notes = []
    for events in song.tracks:
        events[:] = [event for event in events if event[2][0] >= 0xF0]


def packed(song: Song) -> None:
    """The file is packed with gzip."""
    song.refused = "not-midi"
    song.wraps.append(lambda data: gzip.compress(data, mtime=0))


def web_page(song: Song) -> None:
    """A web page in place of a file."""
    song.refused = "not-midi"
    song.wraps.append(lambda data: b"<!DOCTYPE html><html>404</html>")


def music_xml(song: Song) -> None:
    """MusicXML in place of a file."""
    song.refused = "not-midi"
    song.wraps.append(lambda data: b'<?xml version="1.0"?><score-partwise/>')


ODDITIES = (
    two_ports, release_elsewhere, program_elsewhere, xg_kit, xg_part, gs_part, gs_variation,
    velocity_zero, never_released, struck_again, no_length, half_pedal, pedal_elsewhere,
    all_pitches, active_sensing, clock, song_position, exclusives, unknown_meta, running_status,
    clock_in_running_status, value_over_127, torn_track, torn_file, no_end, foreign_chunk,
    long_header, older_file_behind, frames, songs, riff, mac_binary, pickup, same_metre_again,
    no_tempo, tempo_elsewhere, utf8_name, latin_name, japanese_name, far_note, zero_lengths,
    drums_alone, no_notes, packed, web_page, music_xml,
)  # fmt: skip

BY_NAME = {oddity.__name__: oddity for oddity in ODDITIES}

_CLASHES = (
    ({"xg_kit", "xg_part"}, {"gs_part", "gs_variation"}),
    ({"mac_binary"}, {"riff"}),
)
_ALONE = {"songs", "torn_track", "torn_file", "never_released"}
_REFUSED = {
    "far_note", "zero_lengths", "drums_alone", "no_notes", "packed", "web_page", "music_xml",
}  # fmt: skip


def fits(names: list[str]) -> bool:
    """Whether oddities can stand in one file and its meaning still be told by the standard."""
    chosen = set(names)
    if len(chosen) > 1 and chosen & (_ALONE | _REFUSED):
        return False
    return not any(chosen & these and chosen & those for these, those in _CLASHES)


def make(chance: random.Random, names: list[str]) -> Song:
    """Return a song with these oddities."""
    song = plain(chance)
    for name in names:
        BY_NAME[name](song)
    return song
