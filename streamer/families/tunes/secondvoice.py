"""A second voice under a tune: a bass of its own chords, or a drone (ours).

In: phrases of a line, in quarters, with the key they stand in. Out: notes below it. The chord of a
bar is the triad of the key's scale that its notes speak for most, above all the first of them, with
some favour for common degrees and for a change; a tune closes on its tonic. The bass plays the root
on the bar, and the fifth in the middle of bars that have one; the drone holds tonic and fifth.

No randomness: the same tune has the same bass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import Note
from streamer.system.marks import Marked

Floats = NDArray[np.float64]
Kind = Literal["off", "bass", "drone"]

_SCALES = {False: (0, 2, 4, 5, 7, 9, 11), True: (0, 2, 3, 5, 7, 8, 10)}
_FAVOUR = {False: (0.30, 0.09, -0.04, 0.37, 0.37, 0.14, -1.2),
           True: (0.38, -1.0, 0.07, 0.11, 0.08, 0.15, 0.19)}  # fmt: skip
"""What speaks for each degree before a note is heard, in shares of a bar on its root."""

_MOVE = 0.05
_TONES, _FOREIGN = (1.0, 0.67, 0.62), 0.0
_FIRST = (0.36, 0.5, 0.36)
"""What the share of a bar, and the note at its start, say for the triad of which they are the root,
third and fifth. All of these numbers: a conditional logit on the annotated chords of pop909's
training songs (docs/expression.md)."""

_ON, _SOON = 1e-3, 0.26

BASS_LOW, BASS_HIGH = 33, 52
"""The bass lies between these pitches, near to where it was."""

DRONE_LOW, DRONE_SOFTER = 36, 8
"""The drone's tonic is the lowest at or above this pitch; in every other bar it is softer."""

SHORTEST_BEATS = 0.25
HELD_SHARE = 0.92


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """A part of a bar that a phrase covers, in quarters from the tune's first bar line."""

    start: float
    end: float
    whole: bool


class SecondVoice(Marked):
    """Plays under a line; one thread.

    Args:
        kind: ``bass`` or ``drone``.
        velocity: Of its notes, 1..127; the first of a bar is a little louder.
        channel: MIDI channel 0..15.

    Raises:
        ValueError: An argument is out of range.
    """

    marked = ("_last", "_degree")

    def __init__(self, kind: Kind, velocity: int = 58, channel: int = 0) -> None:
        if kind not in ("bass", "drone"):
            raise ValueError(f"kind must be bass or drone, not {kind!r}")
        if not (1 <= velocity <= 127 and 0 <= channel <= 15):
            raise ValueError("velocity must be in range 1..127, channel in 0..15")
        self._kind, self._velocity, self._channel = kind, velocity, channel
        self._last = (BASS_LOW + BASS_HIGH) // 2
        self._degree: int | None = None

    def play(
        self, pitch: NDArray[np.int64], onset: Floats, length: Floats, *, tonic: int, minor: bool,
        bar_beats: float, beat_ms: float, start_ms: float = 0.0, fresh: bool = False,
        closes: bool = False,
    ) -> tuple[Note, ...]:  # fmt: skip
        """Return the notes under a phrase, sorted by onset, none sounding beyond its end.

        Args:
            pitch: MIDI numbers of the phrase, ``(notes,)``.
            onset: Quarters from the tune's first bar line, ascending.
            length: Quarters to the next onset.
            tonic: Of the key, 0..11.
            minor: Whether the key is a minor one.
            bar_beats: Quarters in a bar.
            beat_ms: Length of a quarter, ms.
            start_ms: Where onset 0 lies in the stream, ms.
            fresh: Whether a tune begins.
            closes: Whether it ends with this phrase.
        """
        if fresh:
            self._degree = None
        strikes: list[tuple[int, float, float, int]] = []
        if not len(pitch):
            return ()
        low = int(pitch.min())
        bars = _bars(float(onset[0]), float(onset[-1] + length[-1]), bar_beats)
        for number, bar in enumerate(bars):
            here = (onset < bar.end - _ON) & (onset + length > bar.start + _ON)
            last = closes and number == len(bars) - 1
            if self._kind == "drone":
                strikes.extend(self._drone(bar, bar_beats, tonic, number == 0))
                continue
            self._degree = 0 if last else self._chord(pitch, onset, length, here, bar, tonic, minor)
            strikes.extend(self._bass(bar, bar_beats, tonic, minor, last))
        return tuple(
            Note(
                _below(key, low), max(0.0, start_ms + at * beat_ms), long * beat_ms,
                loud, channel=self._channel,
            )
            for key, at, long, loud in strikes
            if long >= SHORTEST_BEATS - _ON
        )  # fmt: skip

    def _chord(
        self, pitch: NDArray[np.int64], onset: Floats, length: Floats,
        here: NDArray[np.bool_], bar: Bar, tonic: int, minor: bool,
    ) -> int:  # fmt: skip
        """Return the degree, 0..6, whose triad fits the notes of a bar best."""
        begin = np.maximum(onset[here], bar.start)
        weight = np.minimum(onset[here] + length[here], bar.end) - begin
        weight = weight / max(float(weight.sum()), _ON)
        classes = (pitch[here] - tonic) % 12
        scale = _SCALES[minor]
        first = int(classes[0]) if float(begin[0]) - bar.start < _SOON else -1
        scores = []
        for degree in range(7):
            triad = [scale[(degree + step) % 7] for step in (0, 2, 4)]
            value = np.select([classes == tone for tone in triad], _TONES, default=_FOREIGN)
            score = float((weight * value).sum()) + _FAVOUR[minor][degree]
            if first in triad:
                score += _FIRST[triad.index(first)]
            scores.append(score + (_MOVE if degree != self._degree else 0.0))
        return int(np.argmax(scores))

    def _bass(
        self, bar: Bar, bar_beats: float, tonic: int, minor: bool, last: bool
    ) -> list[tuple[int, float, float, int]]:
        """Return (pitch, onset, length, velocity) of a bar's bass."""
        if not bar.whole:
            return []
        scale = _SCALES[minor]
        degree = self._degree or 0
        root = self._near((tonic + scale[degree]) % 12)
        self._last = root
        half = bar.start + bar_beats / 2
        even = bar_beats >= 2 and abs(bar_beats / 2 - round(bar_beats / 2)) < _ON
        if last or not even or bar.end <= half + _ON:
            return [(root, bar.start, HELD_SHARE * (bar.end - bar.start), self._loud(4))]
        fifth = (tonic + scale[(degree + 4) % 7]) % 12
        second = root - 12 + (fifth - root) % 12
        if second < BASS_LOW:
            second = root + (fifth - root) % 12
        return [
            (root, bar.start, HELD_SHARE * (half - bar.start), self._loud(4)),
            (second, half, HELD_SHARE * (bar.end - half), self._loud(-4)),
        ]

    def _drone(
        self, bar: Bar, bar_beats: float, tonic: int, first: bool
    ) -> list[tuple[int, float, float, int]]:
        """Return tonic and fifth, where they are struck anew."""
        if not (bar.whole or first):
            return []
        root = DRONE_LOW + (tonic - DRONE_LOW) % 12
        other = round(bar.start / bar_beats) % 2 == 1
        loud = max(7, self._velocity - DRONE_SOFTER * other)
        long = HELD_SHARE * (bar.end - bar.start)
        return [(root, bar.start, long, loud), (root + 7, bar.start, long, loud - 6)]

    def _loud(self, more: int) -> int:
        return min(127, max(1, self._velocity + more))

    def _near(self, pitch_class: int) -> int:
        """Return the pitch of a class within the bass's range that is nearest to the last."""
        low = BASS_LOW + (pitch_class - BASS_LOW) % 12
        choices = [key for key in (low, low + 12) if key <= BASS_HIGH]
        return min(choices, key=lambda key: (abs(key - self._last), key))


def _bars(start: float, end: float, bar_beats: float) -> list[Bar]:
    """Return the bars and parts of bars between two places; ``whole`` ones begin at a bar line."""
    bars = []
    at = start
    while at < end - _ON:
        line = (np.floor((at + _ON) / bar_beats) + 1) * bar_beats
        on_line = abs(at / bar_beats - round(at / bar_beats)) < _ON / bar_beats
        stop = min(float(line), end)
        bars.append(Bar(at, stop, bool(on_line)))
        at = stop
    return bars


def _below(pitch: int, melody_low: int) -> int:
    """Return a pitch an octave lower while it does not lie under the melody; never below 21."""
    while pitch >= melody_low and pitch - 12 >= 21:
        pitch -= 12
    return pitch
