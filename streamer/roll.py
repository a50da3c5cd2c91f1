"""A piano roll as a picture (``perpetuo render --plot``), drawn with numpy and zlib alone.

In: a note array. Out: a PNG. A row is a minute; a key is three points high, the keys C are marked
by lines and every ten seconds by another; velocity is the colour, from blue (soft) to red (loud),
and a band below each row shows the pedal. No library that a Pi would have to carry for it.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import RecordingError
from streamer.notes import PIANO_HIGH, PIANO_LOW, NoteArray

SECONDS_A_ROW = 60
POINTS_A_SECOND = 24
POINTS_A_KEY = 3
PEDAL_POINTS = 6
GAP_POINTS = 12
MOST_ROWS = 60
"""Music beyond an hour is left out: a picture has an end."""

PAPER, LINE, TICK, PEDAL = (255, 255, 255), (222, 222, 222), (238, 238, 238), (170, 170, 170)
COLOURS = np.array([(40, 60, 160), (20, 140, 140), (90, 170, 60), (230, 160, 30), (200, 30, 30)])
"""Velocity 20..110 in equal steps; between them colours are mixed."""

_KEYS = (PIANO_HIGH - PIANO_LOW + 1) * POINTS_A_KEY
_ROW = _KEYS + PEDAL_POINTS + GAP_POINTS

Picture = NDArray[np.uint8]


def draw_roll(notes: NoteArray, path: Path) -> None:
    """Draw the notes into a PNG.

    Raises:
        RecordingError: The file cannot be written.
    """
    try:
        path.write_bytes(to_png(roll_picture(notes)))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from error


def roll_picture(notes: NoteArray) -> Picture:
    """Return the roll as ``(height, width, 3)`` bytes; as many rows as there are minutes."""
    end_s = (notes["onset_ms"] + notes["duration_ms"]) / 1000.0
    rows = int(np.clip(np.ceil((end_s.max() if len(notes) else 0) / SECONDS_A_ROW), 1, MOST_ROWS))
    width = SECONDS_A_ROW * POINTS_A_SECOND
    picture = np.full((rows, _ROW, width, 3), PAPER, dtype=np.uint8)
    picture[:, :_KEYS, :: 10 * POINTS_A_SECOND] = TICK
    for pitch in range(24, PIANO_HIGH + 1, 12):
        picture[:, _top(pitch) + POINTS_A_KEY - 1] = LINE
    _draw_pedal(picture, notes)
    for note, end in zip(notes, end_s, strict=True):
        if not PIANO_LOW <= note["pitch"] <= PIANO_HIGH:
            continue
        place = _top(int(note["pitch"]))
        keys = slice(place, place + POINTS_A_KEY)
        _bar(picture, note["onset_ms"] / 1000.0, end, keys, _colour(float(note["velocity"])))
    return picture.reshape(rows * _ROW, width, 3)


def to_png(picture: Picture) -> bytes:
    """Pack ``(height, width, 3)`` bytes as a PNG."""
    height, width, _ = picture.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    # Each line begins with its filter; 0 is none.
    lines = np.zeros((height, 1 + width * 3), dtype=np.uint8)
    lines[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)),
            chunk(b"IEND", b""),
        )
    )


def _top(pitch: int) -> int:
    return (PIANO_HIGH - pitch) * POINTS_A_KEY


def _colour(velocity: float) -> tuple[int, ...]:
    place = np.clip((velocity - 20) / 90, 0, 1) * (len(COLOURS) - 1)
    return tuple(int(np.interp(place, range(len(COLOURS)), column)) for column in COLOURS.T)


def _bar(
    picture: Picture, start_s: float, end_s: float, keys: slice, colour: tuple[int, ...]
) -> None:
    """Fill a stretch of time, which may run over several rows, and is at least a point long."""
    width = picture.shape[2]
    first = int(start_s * POINTS_A_SECOND)
    last = max(int(end_s * POINTS_A_SECOND), first + 1)
    for row in range(first // width, min((last - 1) // width + 1, len(picture))):
        begin, stop = max(first - row * width, 0), min(last - row * width, width)
        picture[row, keys, begin:stop] = colour


def _draw_pedal(picture: Picture, notes: NoteArray) -> None:
    onsets: NDArray[Any] = notes["onset_ms"] / 1000.0
    band = slice(_KEYS + 1, _KEYS + PEDAL_POINTS)
    for start, end, down in zip(onsets, onsets[1:], notes["pedal"], strict=False):
        if down:
            _bar(picture, start, end, band, PEDAL)
