"""MIDI files for tests, byte by byte: what no library would write, too.

Nothing here uses the product: a file is what the standard says, or is wrong in the way that a test
wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

Event = tuple[int, bytes]
"""Ticks since the event before it, and its bytes."""

QUARTER = 480
END = b"\xff\x2f\x00"
GS_RESET = bytes.fromhex("f00a41104212 40007f00 41f7".replace(" ", ""))
XG_ON = bytes.fromhex("f008 43104c 00007e00 f7".replace(" ", ""))


def varlen(value: int) -> bytes:
    """A number of seven bits a byte."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def meta(number: int, data: bytes) -> bytes:
    """A meta event."""
    return bytes((0xFF, number)) + varlen(len(data)) + data


def track(events: Iterable[Event], *, end: bytes = END) -> bytes:
    """A track chunk."""
    body = b"".join(varlen(delta) + data for delta, data in events) + (
        b"\x00" + end if end else b""
    )
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def smf(tracks: Sequence[bytes], *, kind: int = 1, division: bytes | int = QUARTER) -> bytes:
    """A file."""
    if isinstance(division, int):
        division = division.to_bytes(2, "big")
    head = kind.to_bytes(2, "big") + len(tracks).to_bytes(2, "big") + division
    return b"MThd" + len(head).to_bytes(4, "big") + head + b"".join(tracks)


def line(
    pitches: Iterable[int], channel: int = 0, *, length: int = QUARTER, velocity: int = 80
) -> list[Event]:
    """Notes one after the other."""
    events: list[Event] = []
    for pitch in pitches:
        events.append((0, bytes((0x90 | channel, pitch, velocity))))
        events.append((length, bytes((0x80 | channel, pitch, 0))))
    return events


SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def melody(notes: int = 32) -> list[Event]:
    """A line up and down the scale."""
    return line((SCALE + SCALE[::-1])[i % 16] for i in range(notes))


def band(
    bars: int = 8,
    far_bars: int = 0,
    before: Sequence[Event] = (),
    extra: Event | None = None,
) -> bytes:
    """A song with drums, bass, piano and strings.

    Args:
        bars: Its length.
        far_bars: One note more of the strings, so many bars later; 0 for none.
        before: Events of the first track before its metre, in whose time nothing plays.
        extra: An event before the notes of the bass.
    """
    head = [*before, (0, meta(0x58, bytes((4, 2, 24, 8))))]
    wait = sum(delta for delta, _ in before)
    parts = [(9, 0, 36), (1, 33, 40), (2, 0, 60), (3, 48, 72)]
    tracks = [track(head)]
    for channel, program, pitch in parts:
        events = line(((pitch + i % 5) for i in range(4 * bars)), channel)
        events[0] = (wait, events[0][1])
        if channel == 3 and far_bars:
            events += [(4 * QUARTER * far_bars, b""), *line((76,), channel)]
            gap = events[-3][0]
            del events[-3]
            events[-2] = (gap, events[-2][1])
        head = [(0, bytes((0xC0 | channel, program)))]
        if extra is not None and channel == 1:
            head.append(extra)
        tracks.append(track([*head, *events]))
    return smf(tracks)


def save(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path
