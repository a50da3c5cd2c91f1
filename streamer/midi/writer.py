"""Standard MIDI files, written: whole ones, and tracks that grow event by event.

In: events, each a tick and its bytes: a message (:mod:`streamer.midi.messages`) or a meta event
made here. Out: bytes of a file. The recorder appends to the track of such a file
(:mod:`streamer.ports.recorder`); scores are written whole. All functions are pure, any thread.

Texts are UTF-8, which is what players and editors of today read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamer.midi.meta import (
    DEFAULT_TEMPO,
    END_OF_TRACK,
    MARKER,
    META,
    TEMPO,
    TIME_SIGNATURE,
    TRACK_NAME,
)

TICKS_PER_QUARTER = 2000
"""Time base of files whose times are milliseconds: a tick is a quarter of one at 120 a minute."""

TICK_MS = DEFAULT_TEMPO / TICKS_PER_QUARTER / 1000.0

LONGEST_DELTA = (1 << 28) - 1
"""Ticks that the time between two events can say: four bytes of seven bits."""

FIRST_TRACK = 14
"""Where the first track of a file begins; its length stands four bytes on, its events eight."""

Timed = tuple[int, bytes]
"""An event: ticks from the beginning of the file, and its bytes."""


def track_name(text: str) -> bytes:
    """Return the meta event that names its track; in the first track, the piece."""
    return _meta(TRACK_NAME, text.encode())


def marker(text: str) -> bytes:
    """Return the meta event that marks a place."""
    return _meta(MARKER, text.encode())


def tempo(microseconds: int) -> bytes:
    """Return the meta event that sets the tempo, in microseconds a quarter, 1..16777215."""
    return _meta(TEMPO, microseconds.to_bytes(3, "big"))


def time_signature(beats: int, unit: int) -> bytes:
    """Return the meta event of a metre: beats of a bar, and their unit, a power of two."""
    return _meta(TIME_SIGNATURE, bytes((beats, unit.bit_length() - 1, 24, 8)))


def event(delta: int, data: bytes) -> bytes:
    """Return an event as a track holds it.

    Args:
        delta: Ticks since the event before it, 0 or more; a longer rest than
            :data:`LONGEST_DELTA` is cut to it.
        data: A message, or a meta event.
    """
    return _variable_length(min(delta, LONGEST_DELTA)) + data


def end_of_track(delta: int = 0) -> bytes:
    """Return what must be the last event of a track, so many ticks after the one before it."""
    return event(delta, _meta(END_OF_TRACK, b""))


def track(events: Iterable[Timed], end: int = 0) -> bytes:
    """Return a track, its header and its end with it.

    Args:
        events: In the order of their ticks.
        end: Tick at which it ends, if its last event is not later.
    """
    body, at = bytearray(), 0
    for tick, data in events:
        body += event(tick - at, data)
        at = tick
    body += end_of_track(max(end - at, 0))
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def midi_file(tracks: Sequence[bytes], ticks_per_quarter: int = TICKS_PER_QUARTER) -> bytes:
    """Return a file of format 0 where it has one track, else of format 1.

    Args:
        tracks: As :func:`track` makes them; at least one.
        ticks_per_quarter: 1..32767.
    """
    numbers = (int(len(tracks) > 1), len(tracks), ticks_per_quarter)
    head = b"".join(number.to_bytes(2, "big") for number in numbers)
    return b"MThd" + len(head).to_bytes(4, "big") + head + b"".join(tracks)


def _meta(number: int, data: bytes) -> bytes:
    return bytes((META, number)) + _variable_length(len(data)) + data


def _variable_length(value: int) -> bytes:
    """Return a number of at most 28 bits, seven a byte, the last one without its high bit."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))
