"""The performance layer: notes as they are written -> notes as they are played (ours).

The models of tunes and of piano rolls write pitch, onset and length, no more; a stream with one
velocity on the grid is dead. In: lines or chords in quarters, a style, tables fitted to a corpus
(:mod:`streamer.expression.tables`). Out: :class:`streamer.music.notes.Note` with velocity (where in
the bar, how high, which step, how long, where in the phrase, and a drift of its own), with how long
the key is held, and with micro-timing (swing, and a drift). ``amount`` 0 gives flat, plain notes.

Two ways in: :meth:`Expression.line` for one note at a time, :meth:`Expression.roll` for several.
Training fits the tables with the same features, so that the two cannot disagree. See
docs/expression.md. One thread; the same random generator gives the same notes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamer.expression.tables import (
    BEAT_TICKS,
    BPM_STEP,
    DEFAULT,
    LENGTH_EDGES,
    LEVELS,
    MEAN_BPM,
    METRES,
    SINCE_EDGES,
    TO_EDGES,
    VELOCITY_FEATURES,
    StyleTable,
    mix,
)
from streamer.music.notes import Note
from streamer.system.marks import Marked

Floats = NDArray[np.float64]

PLAIN_SHARE = 0.9
"""How much of a note's length sounds where nothing is expressed."""

SHORTEST_SHARE, LONGEST_SHARE = 0.15, 1.02

MOST_OF_GAP = 0.45
"""A note moves by less than half of the way to its neighbours, so that none overtakes another."""

MOST_DRIFT_MS = 40.0
"""Drift in time stays within this, ms; swing is beside it."""

BREATH_BEATS, BREATH_RATIO = 1.5, 2.5
"""A note of at least this many quarters, and this many times the usual length, ends a phrase."""

INNER_SOFTER = 9.0
"""Notes below the highest of a chord are softer by this many steps of velocity."""

RELEASE_MS, RELEASE_SHARE = 25.0, 0.15
"""In chords a key is up this long before its written end, ms, at most this share of it."""

_ON = 1e-3
_MOST_INTERVAL = 12.0
_CENTRE_NOTES = 32.0


def metre_classes(onset: Floats, bar_beats: float) -> NDArray[np.int64]:
    """Return the index in METRES of each onset, counted in quarters from a bar line."""
    place = np.mod(onset + _ON / 2, bar_beats) - _ON / 2
    on_bar = np.abs(place) < _ON
    even = abs(bar_beats / 2 - round(bar_beats / 2)) < _ON and bar_beats >= 2
    on_half = even & (np.abs(place - bar_beats / 2) < _ON)
    on_beat = np.abs(onset - np.rint(onset)) < _ON
    off_beat = np.abs(np.mod(onset, 1.0) - 0.5) < _ON
    return np.select([on_bar, on_half, on_beat, off_beat], [0, 1, 2, 3], default=4)


def breaths(length: Floats) -> NDArray[np.bool_]:
    """Return after which notes a player breathes; ``length`` in quarters, to the next onset."""
    usual = float(np.median(length)) if len(length) else 0.0
    found: NDArray[np.bool_] = length >= max(BREATH_BEATS, BREATH_RATIO * usual)
    return found


def velocity_features(
    pitch: Floats, onset: Floats, length: Floats, bar_beats: float, place: Place
) -> Floats:
    """Return what velocity depends on, ``(notes, len(VELOCITY_FEATURES))``.

    Args:
        pitch: MIDI numbers, ``(notes,)``.
        onset: Quarters from a bar line, ascending.
        length: Quarters to the next onset.
        bar_beats: Quarters in a bar.
        place: What came before; the notes are not added to it.
    """
    columns = {name: np.zeros(len(pitch)) for name in VELOCITY_FEATURES}
    for index, name in enumerate(METRES):
        columns[name] = (metre_classes(onset, bar_beats) == index).astype(np.float64)
    centre = place.centre_with(pitch)
    steps = np.diff(pitch, prepend=pitch[:1] if place.pitch is None else place.pitch)
    columns["pitch"] = np.clip((pitch - centre) / _MOST_INTERVAL, -1.5, 1.5)
    columns["step"] = np.clip(steps / _MOST_INTERVAL, -1.0, 1.0)
    columns["length"] = np.clip(np.log2(length / np.median(length)), -2.0, 2.0)
    since, until = _arc(onset, length, place)
    for index, name in enumerate(_names("since", SINCE_EDGES)):
        columns[name] = (np.searchsorted(SINCE_EDGES, since, side="right") == index) * 1.0
    for index, name in enumerate(_names("to", TO_EDGES)):
        columns[name] = (np.searchsorted(TO_EDGES, until, side="right") == index) * 1.0
    return np.stack([columns[name] for name in VELOCITY_FEATURES], axis=1)


def _names(stem: str, edges: Sequence[float]) -> list[str]:
    return [f"{stem}{index}" for index in range(len(edges) + 1)]


def _arc(onset: Floats, length: Floats, place: Place) -> tuple[Floats, Floats]:
    """Return quarters since a breath, and to the last note before the next (inf if unknown)."""
    ends = breaths(length)
    since, until = np.empty(len(onset)), np.full(len(onset), math.inf)
    began = place.began
    for i, at in enumerate(onset.tolist()):
        began = at if began is None else began
        since[i] = at - began
        if ends[i]:
            began = None
    following = math.inf
    for i in range(len(onset) - 1, -1, -1):
        following = float(onset[i]) if ends[i] else following
        until[i] = following - onset[i]
    return since, until


def timing_classes(onset: Floats) -> NDArray[np.int64]:
    """Return the index of each onset's place in its beat, 0..6; see BEAT_TICKS."""
    ticks = np.mod(np.rint(onset * 12).astype(np.int64), 12)
    found = np.full(len(onset), len(BEAT_TICKS), dtype=np.int64)
    for index, tick in enumerate(BEAT_TICKS):
        found[ticks == tick] = index
    return found


@dataclass(slots=True, eq=False)
class Place(Marked):
    """Where a player is in a tune: what the next notes are heard against.

    Attributes:
        pitch: The last one; None at the start.
        began: Onset after the last breath, quarters; None when the next note is the first.
        onset: The last one, quarters; None at the start.
        drifts: Standard normal deviates of velocity, articulation and timing that go on.
    """

    marked: ClassVar = ("pitch", "began", "onset", "drifts", "_sum", "_weight")

    pitch: float | None = None
    began: float | None = None
    onset: float | None = None
    drifts: Floats = field(default_factory=lambda: np.zeros(3))
    _sum: float = 0.0
    _weight: float = 0.0

    def centre_with(self, pitch: Floats) -> float:
        """Return the mean pitch of the notes so far and of these."""
        return (self._sum + float(pitch.sum())) / (self._weight + len(pitch))

    def add(self, pitch: Floats, onset: Floats, length: Floats) -> None:
        """Go on behind these notes."""
        keep = max(0.0, 1.0 - len(pitch) / _CENTRE_NOTES)
        self._sum, self._weight = keep * self._sum, keep * self._weight
        self._sum += float(pitch.sum())
        self._weight += len(pitch)
        ends = np.flatnonzero(breaths(length))
        if len(ends):
            after = int(ends[-1]) + 1
            self.began = float(onset[after]) if after < len(onset) else None
        elif self.began is None:
            self.began = float(onset[0])
        self.pitch, self.onset = float(pitch[-1]), float(onset[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How a line is played: velocity 1..127, ms late (below 0: early), share of length held."""

    velocity: NDArray[np.int64]
    late_ms: Floats
    share: Floats


class Expression(Marked):
    """A player; one thread.

    Args:
        tables: By style, ``default`` among them (:func:`streamer.expression.tables.read_tables`).
        rng: All that is drawn.
        amount: 0 plays plainly, 1 as the corpus does, up to 2.

    Raises:
        ValueError: The default table is missing, or ``amount`` is out of range.
    """

    marked = ("_rng", "_place", "_mixed")

    def __init__(
        self, tables: Mapping[str, StyleTable], rng: np.random.Generator, amount: float = 1.0
    ) -> None:
        if DEFAULT not in tables:
            raise ValueError(f"tables must hold one named {DEFAULT}")
        if not 0 <= amount <= 2:
            raise ValueError(f"amount must be in range 0..2, not {amount}")
        self._tables, self._rng, self._amount = dict(tables), rng, amount
        self._place = Place()
        self._mixed: tuple[Mapping[str, float] | None, StyleTable] = (None, tables[DEFAULT])

    def line(
        self, pitch: NDArray[np.int64], onset: Floats, length: Floats, *, bar_beats: float,
        beat_ms: float, start_ms: float = 0.0, style: Mapping[str, float] | None = None,
        fresh: bool = False, closes: bool = False, channel: int = 0,
    ) -> tuple[Note, ...]:  # fmt: skip
        """Play a line of one note at a time.

        Args:
            pitch: MIDI numbers 0..127, ``(notes,)``.
            onset: Quarters from a bar line, strictly ascending; within one tune they go on from
                call to call.
            length: Quarters to the next onset, > 0.
            bar_beats: Quarters in a bar.
            beat_ms: Length of a quarter, ms.
            start_ms: Where onset 0 lies in the stream, ms.
            style: Weights by name; None, and names without a table, take the default one.
            fresh: Whether a tune begins: nothing before it counts.
            closes: Whether its last note is the tune's, which is held.
            channel: MIDI channel 0..15.

        Returns:
            One note for each, in their order; onsets ascend strictly.
        """
        if not len(pitch):
            return ()
        shape = self._shape(
            pitch.astype(np.float64), onset, length, bar_beats, beat_ms, style, fresh
        )
        if closes:
            shape.share[-1] = PLAIN_SHARE
        onset_ms = np.maximum(0.0, start_ms + onset * beat_ms + shape.late_ms)
        held = np.maximum(1.0, shape.share * length * beat_ms)
        held = _before_same_key(pitch, onset_ms, held)
        columns = (pitch, onset_ms, held, shape.velocity)
        return tuple(
            Note(key, at, long, loud, channel=channel)
            for key, at, long, loud in zip(*(c.tolist() for c in columns), strict=True)
        )

    def roll(
        self, pitch: NDArray[np.int64], onset: Floats, length: Floats, *, bar_beats: float,
        beat_ms: float, start_ms: float = 0.0, style: Mapping[str, float] | None = None,
        fresh: bool = False, channel: int = 0,
    ) -> tuple[Note, ...]:  # fmt: skip
        """Play chords and voices: the highest notes as a line, the others softer and with them.

        Args:
            pitch: MIDI numbers 0..127, ``(notes,)``.
            onset: Quarters from a bar line, ascending; notes of one onset are a chord.
            length: Quarters that each is held, > 0.
            bar_beats: Quarters in a bar.
            beat_ms: Length of a quarter, ms.
            start_ms: Where onset 0 lies in the stream, ms.
            style: As in :meth:`line`.
            fresh: As in :meth:`line`.
            channel: MIDI channel 0..15.

        Returns:
            One note for each, in their order; notes of one onset stay together.
        """
        if not len(pitch):
            return ()
        starts, chord = np.unique(onset, return_inverse=True)
        top = np.full(len(starts), -1, dtype=np.int64)
        np.maximum.at(top, chord, pitch)
        last = float(length[onset == starts[-1]].max())
        gaps = np.append(np.diff(starts), last)
        shape = self._shape(top.astype(np.float64), starts, gaps, bar_beats, beat_ms, style, fresh)
        softer = np.where(pitch == top[chord], 0.0, self._amount * INNER_SOFTER)
        velocity = np.clip(np.rint(shape.velocity[chord] - softer), 1, 127).astype(np.int64)
        onset_ms = np.maximum(0.0, start_ms + onset * beat_ms + shape.late_ms[chord])
        whole = length * beat_ms
        held = np.maximum(1.0, whole - np.minimum(RELEASE_MS, RELEASE_SHARE * whole))
        held = _before_same_key(pitch, onset_ms, held)
        columns = (pitch, onset_ms, held, velocity)
        return tuple(
            Note(key, at, long, loud, channel=channel)
            for key, at, long, loud in zip(*(c.tolist() for c in columns), strict=True)
        )

    def table(self, style: Mapping[str, float] | None) -> StyleTable:
        """Return the table of a style, or of a mixture of some."""
        if style is None:
            return self._tables[DEFAULT]
        if style != self._mixed[0]:
            names = [name if name in self._tables else DEFAULT for name in style]
            tables = [self._tables[name] for name in names]
            self._mixed = dict(style), mix(tables, list(style.values()))
        return self._mixed[1]

    def _shape(
        self, pitch: Floats, onset: Floats, length: Floats, bar_beats: float, beat_ms: float,
        style: Mapping[str, float] | None, fresh: bool,
    ) -> Shape:  # fmt: skip
        if fresh:
            self._place = Place(drifts=self._place.drifts)
        place, table, amount = self._place, self.table(style), self._amount
        drift = self._drift(len(pitch), table)
        features = velocity_features(pitch, onset, length, bar_beats, place)
        effects = features @ table.velocity_effects - table.velocity_offset
        velocity = table.velocity_mean + amount * (effects + table.velocity_sd * drift[:, 0])
        share = _quantile(table, length, drift[:, 1])
        share = np.clip(PLAIN_SHARE + amount * (share - PLAIN_SHARE), SHORTEST_SHARE, LONGEST_SHARE)
        bpm = 60_000.0 / beat_ms
        classes = timing_classes(onset)
        step = float(np.clip((bpm - MEAN_BPM) / BPM_STEP, -1.0, 1.5))
        swing = (table.timing_level + step * table.timing_slope)[classes] * beat_ms
        moved = np.clip(table.timing_sd * drift[:, 2], -MOST_DRIFT_MS, MOST_DRIFT_MS)
        room = MOST_OF_GAP * beat_ms * _room(onset, length, place.onset)
        late = np.clip(amount * (swing + moved), -room, room)
        place.add(pitch, onset, length)
        return Shape(np.clip(np.rint(velocity), 1, 127).astype(np.int64), late, share)

    def _drift(self, notes: int, table: StyleTable) -> Floats:
        """Return standard normal deviates, ``(notes, 3)``, each column with its own memory."""
        rho = np.array([table.velocity_rho, table.articulation_rho, table.timing_rho])
        fresh = self._rng.standard_normal((notes, 3)) * np.sqrt(1.0 - rho**2)
        found, at = np.empty((notes, 3)), self._place.drifts
        for i in range(notes):
            at = rho * at + fresh[i]
            found[i] = at
        self._place.drifts = at
        return found


def _quantile(table: StyleTable, length: Floats, deviate: Floats) -> Floats:
    """Return the share of each note that sounds: its class's quantile at the deviate's level."""
    level = np.array([0.5 * (1.0 + math.erf(x / math.sqrt(2.0))) for x in deviate.tolist()])
    classes = np.searchsorted(LENGTH_EDGES, length, side="right")
    rows = table.articulation[classes]
    return np.array([float(np.interp(x, LEVELS, row)) for x, row in zip(level, rows, strict=True)])


def _room(onset: Floats, length: Floats, before: float | None) -> Floats:
    """Return the smaller of the ways to the note before and to the next, quarters."""
    following = np.append(np.diff(onset), length[-1:])
    first = following[0] if before is None or before >= onset[0] else onset[0] - before
    room: Floats = np.minimum(np.append(first, following[:-1]), following)
    return room


def _before_same_key(pitch: NDArray[np.int64], onset_ms: Floats, held_ms: Floats) -> Floats:
    """Return lengths such that no key is still down when it is struck again."""
    held = held_ms.copy()
    following: dict[int, float] = {}
    for i in range(len(pitch) - 1, -1, -1):
        key = int(pitch[i])
        if key in following and following[key] > onset_ms[i]:
            held[i] = min(held[i], max(1.0, following[key] - onset_ms[i]))
        following[key] = float(onset_ms[i])
    return held
