"""A piano roll as a picture (``perpetuo render --plot``), drawn with numpy and zlib alone.

In: a note array, the names of its channels, a title. Out: a PNG. A row is a minute, with its time
below it each ten seconds; in it every track has a panel of its own, named, with its octaves, or of
drums a line for each instrument that is struck. Velocity is the colour, from blue (soft) to red
(loud), and a band shows the pedal. No library that a Pi would have to carry for it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.midi.drums import drum_name
from streamer.midi.messages import DRUM_CHANNEL
from streamer.music.notes import NoteArray
from streamer.offline.letters import HEIGHT, STEP, write_on
from streamer.system.atomic import write_whole

SECONDS_A_ROW, SECONDS_A_TICK = 60, 10
POINTS_A_SECOND = 24
POINTS_A_KEY, POINTS_A_DRUM = 3, 9
PEDAL_POINTS, GAP_POINTS, TITLE_POINTS, AXIS_POINTS = 8, 16, 32, 18
LEFT, RIGHT = 108, 24
"""Room for the names and the octaves, and for the last time."""

STROKE_SECONDS = 0.12
"""How long a drum is shown: its note has no length that anybody hears."""

MOST_ROWS = 60
"""Music beyond an hour is left out: a picture has an end."""

PAPER, LINE, TICK, PEDAL = (255, 255, 255), (222, 222, 222), (238, 238, 238), (170, 170, 170)
INK, FRAME = (40, 40, 40), (150, 150, 150)
COLOURS = np.array([(40, 60, 160), (20, 140, 140), (90, 170, 60), (230, 160, 30), (200, 30, 30)])
"""Velocity 20..110 in equal steps; between them colours are mixed."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn of one track in every row.

    Attributes:
        channel: Whose notes, 0..15; None of the pedal.
        name: Written beside it.
        labels: Beside which line what is written: points from the panel's top, and the text.
        places: Of each key, where it begins, points from the panel's top.
        thick: Points of a key.
        height: Of the panel, points.
        drums: Whether its notes are strokes.
    """

    channel: int | None
    name: str
    labels: tuple[tuple[int, str], ...]
    places: Mapping[int, int]
    thick: int
    height: int
    drums: bool = False


def draw_roll(
    notes: NoteArray, path: Path, names: Mapping[int, str] | None = None, title: str = ""
) -> None:
    """Draw the notes into a PNG; see :func:`roll_picture`.

    Raises:
        RecordingError: The file cannot be written.
    """
    write_whole(path, to_png(roll_picture(notes, names, title)))


def roll_picture(
    notes: NoteArray, names: Mapping[int, str] | None = None, title: str = ""
) -> Picture:
    """Return the roll as ``(height, width, 3)`` bytes; as many rows as there are minutes.

    Args:
        notes: What sounds.
        names: Names of channels, 0..15; one that has none stands under its number.
        title: Written above it.
    """
    end_s = (notes["onset_ms"] + notes["duration_ms"]) / 1000.0
    rows = int(np.clip(np.ceil((end_s.max() if len(notes) else 0) / SECONDS_A_ROW), 1, MOST_ROWS))
    panels = panels_of(notes, names or {})
    row_height = sum(panel.height + GAP_POINTS for panel in panels) + AXIS_POINTS
    width = LEFT + SECONDS_A_ROW * POINTS_A_SECOND + RIGHT
    picture = np.full((TITLE_POINTS + rows * row_height, width, 3), PAPER, dtype=np.uint8)
    _draw_head(picture, title)
    for row in range(rows):
        top = TITLE_POINTS + row * row_height
        begin_s = float(row * SECONDS_A_ROW)
        shown = (notes["onset_ms"] / 1000.0 < begin_s + SECONDS_A_ROW) & (end_s > begin_s)
        for panel in panels:
            part = picture[top : top + panel.height]
            _draw_frame(part, panel)
            if panel.channel is None:
                _draw_pedal(part, notes, begin_s)
            else:
                _draw_notes(
                    part, notes[shown & (notes["channel"] == panel.channel)], panel, begin_s
                )
            top += panel.height + GAP_POINTS
        _draw_times(picture, top - GAP_POINTS, begin_s)
    return picture


def panels_of(notes: NoteArray, names: Mapping[int, str]) -> list[Panel]:
    """Return what is drawn of the notes, the lowest channel first and drums below them."""
    channels = sorted({*notes["channel"].tolist()} or {0}, key=lambda c: (c == DRUM_CHANNEL, c))
    panels = []
    for channel in channels:
        pitches = sorted({*notes["pitch"][notes["channel"] == channel].tolist()} or {60})
        drums = channel == DRUM_CHANNEL
        plain = "drums" if drums else f"channel {channel + 1}" if len(channels) > 1 else ""
        make = _drum_panel if drums else _key_panel
        panels.append(make(channel, names.get(channel, plain), pitches))
    if notes["pedal"].any():
        panels.append(Panel(None, "pedal", (), {}, PEDAL_POINTS, PEDAL_POINTS))
    return panels


def _key_panel(channel: int, name: str, pitches: list[int]) -> Panel:
    """Whole octaves, from the C below the lowest key to the B above the highest."""
    low, high = pitches[0] // 12 * 12, pitches[-1] // 12 * 12 + 11
    places = {pitch: (high - pitch) * POINTS_A_KEY for pitch in range(low, high + 1)}
    labels = [(places[c] + POINTS_A_KEY, f"C{c // 12 - 1}") for c in range(low, high + 1, 12)]
    height = (high - low + 1) * POINTS_A_KEY
    return Panel(channel, name, tuple(labels), places, POINTS_A_KEY, height)


def _drum_panel(channel: int, name: str, pitches: list[int]) -> Panel:
    """A line for each instrument that is struck, the lowest key at the bottom."""
    places = {pitch: at * POINTS_A_DRUM for at, pitch in enumerate(reversed(pitches))}
    labels = tuple((places[p] + POINTS_A_DRUM, drum_name(p)) for p in pitches)
    height = len(pitches) * POINTS_A_DRUM
    return Panel(channel, name, labels, places, POINTS_A_DRUM - 2, height, drums=True)


def to_png(picture: Picture) -> bytes:
    """Pack ``(height, width, 3)`` bytes as a PNG."""
    height, width, _ = picture.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    # Each line begins with its filter; 0 is none. Line by line: an hour is too large to copy.
    packer = zlib.compressobj(6)
    packed = b"".join(packer.compress(b"\0" + line.tobytes()) for line in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", packed + packer.flush()),
            chunk(b"IEND", b""),
        )
    )


def _colour(velocity: float) -> tuple[int, ...]:
    place = np.clip((velocity - 20) / 90, 0, 1) * (len(COLOURS) - 1)
    return tuple(int(np.interp(place, range(len(COLOURS)), column)) for column in COLOURS.T)


def _draw_head(picture: Picture, title: str) -> None:
    """Write the title, and what the colours mean."""
    write_on(picture, title, LEFT, 8, INK, scale=2)
    words, steps = "velocity", range(20, 111, 2)
    x = picture.shape[1] - RIGHT - 3 * len(steps)
    for at, velocity in enumerate(steps):
        picture[10:20, x + 3 * at : x + 3 * at + 3] = _colour(velocity)
    write_on(picture, words, x - STEP * (len(words) + 1), 12, INK)


def _draw_frame(part: Picture, panel: Panel) -> None:
    """Draw the lines of a panel, and beside it its name and what its lines are."""
    stop = part.shape[1] - RIGHT
    part[:, LEFT : stop : SECONDS_A_TICK * POINTS_A_SECOND] = TICK
    for below, text in panel.labels:
        part[below - 1, LEFT:stop] = LINE
        write_on(part, text, LEFT - 4 - STEP * len(text), below - HEIGHT - 1, FRAME)
    part[0, LEFT:stop] = part[-1, LEFT:stop] = FRAME
    part[:, LEFT] = FRAME
    write_on(part, panel.name, 4, 1, INK)


def _draw_times(picture: Picture, top: int, begin_s: float) -> None:
    """Write minutes and seconds below a row."""
    for second in range(0, SECONDS_A_ROW + 1, SECONDS_A_TICK):
        x = LEFT + second * POINTS_A_SECOND
        picture[top : top + 4, x] = FRAME
        minutes, seconds = divmod(int(begin_s) + second, 60)
        text = f"{minutes}:{seconds:02d}"
        write_on(picture, text, x - STEP * len(text) // 2, top + 6, INK)


def _draw_notes(part: Picture, notes: NoteArray, panel: Panel, begin_s: float) -> None:
    for note in notes:
        start = float(note["onset_ms"]) / 1000.0
        end = start + (STROKE_SECONDS if panel.drums else float(note["duration_ms"]) / 1000.0)
        place = panel.places[int(note["pitch"])]
        keys = slice(place, place + panel.thick)
        _bar(part, start - begin_s, end - begin_s, keys, _colour(float(note["velocity"])))


def _bar(part: Picture, start_s: float, end_s: float, keys: slice, colour: tuple[int, ...]) -> None:
    """Fill a stretch of a row's time, at least a point long; what lies outside is cut."""
    first = int(start_s * POINTS_A_SECOND)
    last = max(int(end_s * POINTS_A_SECOND), first + 1)
    stop = SECONDS_A_ROW * POINTS_A_SECOND
    part[keys, LEFT + min(max(first, 0), stop) : LEFT + min(max(last, 0), stop)] = colour


def _draw_pedal(part: Picture, notes: NoteArray, begin_s: float) -> None:
    onsets: NDArray[Any] = notes["onset_ms"] / 1000.0 - begin_s
    for start, end, down in zip(onsets, onsets[1:], notes["pedal"], strict=False):
        if down and end > 0.0 and start < SECONDS_A_ROW:
            _bar(part, start, end, slice(1, PEDAL_POINTS - 1), PEDAL)
