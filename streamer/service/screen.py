"""What the live view shows: music first, as lines of text.

In: the figures of a moment, notes that were written, controls, the width and height of a terminal.
Out: labels and texts; a small roll that runs. Pure; any thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.music.chords import shown_word
from streamer.service.figures import StreamFigures
from streamer.settings.controls import control_specs
from streamer.settings.schema import ControlSpec, Range
from streamer.surfaces.desk import Written

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

PAST_MS, AHEAD_MS = 6000.0, 6000.0
"""How much of the roll lies on each side of the present."""

LEAST_SPAN = 24
"""Semitones that the roll shows at least."""

MOST_ROLL, LEAST_ROLL = 10, 3
"""Lines of the roll."""

BEATS = 4
"""Quarters of a bar, where nobody says otherwise."""

BAR_CELLS = 16

MOST_VALUE = 40
"""Characters of a value among others on a line."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The letters of which pictures are made; what a terminal can show.

    Attributes:
        full: A note over both halves of a line; or over all of it, where there are no halves.
        upper: In the upper half, "" where there are no halves.
        lower: In the lower half.
        now: The line of the present.
        filled: Of a bar.
        empty: Of a bar.
        times: Before a number that multiplies.
        between: Between two things on a line.
    """

    full: str
    upper: str
    lower: str
    now: str
    filled: str
    empty: str
    times: str
    between: str


BLOCKS = Glyphs("█", "▀", "▄", "│", "█", "░", "×", " · ")
LETTERS = Glyphs("#", "", "", "|", "#", ".", "x", ", ")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return what a terminal of an encoding can show: blocks, or letters alone."""
    try:
        "".join((*BLOCKS.full, BLOCKS.upper, BLOCKS.now, BLOCKS.empty, "╭→")).encode(
            encoding or "ascii"
        )
    except (UnicodeEncodeError, LookupError):
        return LETTERS
    return BLOCKS


_SPELLED = str.maketrans({"█": "#", "░": ".", "·": ".", "×": "x", "→": ">", "…": "."})


def spelled(text: str, encoding: str | None) -> str:
    """Return a text in the letters that a terminal's encoding has."""
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        text = text.translate(_SPELLED)
    return text.encode(encoding or "ascii", "replace").decode(encoding or "ascii")


def pitch_name(pitch: int) -> str:
    """Return a pitch as musicians write it: 60 is C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def sounds(figures: StreamFigures, glyphs: Glyphs = BLOCKS) -> str:
    """Return what sounds: note names, and the pedal."""
    names = " ".join(pitch_name(p) for p in sorted({p for _, p in figures.sounding}))
    pedal = f"{glyphs.between}pedal" if figures.pedal else ""
    return f"{names or '-'}{pedal}"


def roll(
    notes: Sequence[Written], now_ms: float, width: int, lines: int, glyphs: Glyphs = BLOCKS
) -> list[str]:
    """Return a roll of some lines: past to the left of its middle, what is written to the right.

    Args:
        notes: Written notes, in any order.
        now_ms: The present, ms of the stream.
        width: Cells.
        lines: Of text; a line holds two steps of pitch where the terminal has half blocks.
        glyphs: What they are made of.
    """
    middle = width // 2
    cell_ms = (PAST_MS + AHEAD_MS) / width
    first_ms = now_ms - middle * cell_ms
    seen = [
        n
        for n in notes
        if n.onset_ms < first_ms + width * cell_ms and n.onset_ms + n.duration_ms > first_ms
    ]
    steps = lines * (2 if glyphs.upper else 1)
    low, high = _span(seen)
    marks = [[False] * width for _ in range(steps)]
    for note in seen:
        step = min(int((note.pitch - low) / (high - low + 1) * steps), steps - 1)
        start = max(int((note.onset_ms - first_ms) / cell_ms), 0)
        end = int((note.onset_ms + note.duration_ms - first_ms) / cell_ms)
        for cell in range(start, min(max(end, start + 1), width)):
            marks[steps - 1 - step][cell] = True
    return [_line(marks, line, middle, glyphs) for line in range(lines)]


def _span(notes: Sequence[Written]) -> tuple[int, int]:
    """Return the lowest and highest pitch of the roll."""
    pitches = [note.pitch for note in notes] or [60]
    low, high = min(pitches), max(pitches)
    spare = max(LEAST_SPAN - (high - low), 0)
    return low - spare // 2, high + spare - spare // 2


def _line(marks: list[list[bool]], line: int, middle: int, glyphs: Glyphs) -> str:
    if not glyphs.upper:
        cells = [glyphs.full if mark else " " for mark in marks[line]]
    else:
        kinds = {(True, True): glyphs.full, (True, False): glyphs.upper,
                 (False, True): glyphs.lower, (False, False): " "}  # fmt: skip
        halves = zip(marks[2 * line], marks[2 * line + 1], strict=True)
        cells = [kinds[both] for both in halves]
    if middle < len(cells) and cells[middle] == " ":
        cells[middle] = glyphs.now
    return "".join(cells)


def clock_text(figures: StreamFigures) -> str:
    """Return whose beat it is, its tempo, and the bar and beat of music that has any."""
    named = {"follow": "follows", "send": "sends"}
    parts = [figures.clock_says or named.get(figures.clock, "its own")]
    if figures.bpm:
        parts.append(f"{figures.bpm:.0f} BPM")
    else:
        parts.append("free time")
    if figures.beat is not None:
        bar, beat = divmod(int(figures.beat), BEATS)
        parts.append(f"bar {bar + 1} beat {beat + 1}")
    return ", ".join(parts)


def value_text(spec: ControlSpec, value: Any, glyphs: Glyphs = BLOCKS) -> str:
    """Return a control's value as a person reads it."""
    if value is None:
        return spec.declared.unset[0] if spec.declared.unset else "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    if spec.examples:
        return str(value)
    if spec.name in ("low", "high"):
        return pitch_name(int(value))
    if spec.name == "root":
        return NAMES[int(value) % 12]
    number = f"{value:+d}" if spec.name == "transpose" else f"{value:g}"
    if spec.unit == "x":
        return f"{glyphs.times} {value:.2f}"
    return f"{number} {spec.unit}".strip()


def moved(values: Mapping[str, Any], family: str, glyphs: Glyphs = BLOCKS) -> list[str]:
    """Return the controls that are off their neutral point, each with its value."""
    found = []
    for name, spec in control_specs().items():
        rest = spec.default if spec.neutral is None else spec.neutral
        idle = bool(spec.families) and family not in spec.families
        if not idle and name != "pause" and values[name] not in (rest, spec.default):
            found.append(f"{name} {shown_word(value_text(spec, values[name], glyphs), MOST_VALUE)}")
    return found


def fader(spec: ControlSpec, value: Any, glyphs: Glyphs = BLOCKS) -> str:
    """Return a control with its value, and a bar where it is a number."""
    text = f"{spec.name} {value_text(spec, value, glyphs)}"
    legal = spec.range
    if legal is None or value is None:
        return text
    share = _share(legal, spec.neutral, float(value))
    cells = min(max(round(share * BAR_CELLS), 0), BAR_CELLS)
    return f"{text}  {glyphs.filled * cells}{glyphs.empty * (BAR_CELLS - cells)}"


def _share(legal: Range, neutral: float | None, value: float) -> float:
    """Return where a value lies in its range, 0..1, the neutral point in the middle."""
    if neutral is None:
        return (value - legal.low) / (legal.high - legal.low)
    start, end, first = (
        (legal.low, neutral, 0.0) if value <= neutral else (neutral, legal.high, 0.5)
    )
    if legal.unit == "x":
        return first + math.log(value / start) / math.log(end / start) / 2
    return first + (value - start) / (end - start) / 2


def key_text(values: Mapping[str, Any]) -> str:
    """Return the key that notes are kept to; "" where they are kept to none."""
    if values["scale"] == "off":
        return ""
    return f"{NAMES[int(values['root'])]} {str(values['scale']).replace('_', ' ')}"
