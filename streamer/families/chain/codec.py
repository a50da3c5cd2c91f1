"""Notes <-> class indices of the chained model.

Source: [Liu2025], section 2; docs/design/chain.md, "Classes".

Five arguments a note: pitch (88 classes), time shift from the previous onset (105), duration
(120), velocity change from the previous note (47) and sustain pedal (2). A class is a half-open
interval ``[edge_k, edge_k+1)``; decoding draws uniformly inside it, which keeps micro-timing alive.

One definition for training (a corpus to classes), the generator (classes to notes) and the bundle
(tables and fingerprint in the manifest).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NOTE_DTYPE, PIANO_HIGH, PIANO_LOW, NoteArray, sort_notes

PITCH_CLASSES = PIANO_HIGH - PIANO_LOW + 1
SHIFT_CLASSES, DURATION_CLASSES, VELOCITY_CLASSES, PEDAL_CLASSES = 105, 120, 47, 2
SHIFT_JND_MS, DURATION_JND_MS = 1, 3
"""Just noticeable difference of the fitted tables, ms (docs/design/chain.md)."""

VELOCITY_LOW, VELOCITY_HIGH = 20, 120
"""Default range that decoded velocities are clipped to."""

MOST_EDGES = 256
"""A class is a byte."""

FARTHEST_EDGE = 3_600_000
"""An hour, ms: beyond any shift or duration."""


@dataclass(frozen=True)
class ClassTable:
    """Classes of one argument as half-open intervals.

    Attributes:
        edges: ``classes + 1`` ascending integers; class k is ``[edges[k], edges[k + 1])``.
            Values outside are put into the first or the last class.
    """

    edges: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.edges) <= MOST_EDGES or any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError(f"edges must be 2..{MOST_EDGES} ascending integers")
        if max(-self.edges[0], self.edges[-1]) > FARTHEST_EDGE:
            raise ValueError(f"edges must be in range ±{FARTHEST_EDGE}")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.edges) - 1

    @cached_property
    def _lower(self) -> NDArray[np.float64]:
        return np.asarray(self.edges[:-1], dtype=np.float64)

    @cached_property
    def widths(self) -> NDArray[np.float64]:
        """Width of each class, ``(classes,)``, in the argument's unit."""
        return np.diff(np.asarray(self.edges, dtype=np.float64))

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Mean of the integers in each class, ``(classes,)``."""
        return self._lower + (self.widths - 1.0) / 2.0

    def encode(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the class of each value; any shape, values beyond the ends are clipped."""
        index = np.searchsorted(self._lower, values, side="right") - 1
        return np.clip(index, 0, self.classes - 1).astype(np.uint8)

    def decode(self, classes: NDArray[Any], uniform: NDArray[Any]) -> NDArray[np.float64]:
        """Return a value inside each class.

        Args:
            classes: Class indices, any shape.
            uniform: Numbers in [0, 1), same shape: where inside the class.
        """
        widths = self.widths[classes]
        # Whole microseconds: a value next to the upper edge would otherwise reach the next class
        # when encode rounds away the error of onset differences.
        inside = np.minimum(np.floor(uniform * widths * 1000.0), widths * 1000.0 - 1.0) / 1000.0
        value: NDArray[np.float64] = self._lower[classes] + inside
        return value


def _published_shift() -> ClassTable:
    edges = [0, *(2**i for i in range(16))]
    for _ in range(3):
        edges = sorted(
            {
                *edges,
                *((a + b) // 2 for a, b in zip(edges, edges[1:], strict=False) if (a + b) % 2 == 0),
            }
        )
    return ClassTable((*edges, 35000))


def _published_duration() -> ClassTable:
    ranges = (
        (30, 90, 5), (90, 130, 10), (130, 175, 15), (175, 275, 20), (275, 485, 30),
        (485, 665, 45), (665, 1015, 70), (1015, 1495, 120), (1495, 2095, 200), (2095, 2795, 350),
        (2795, 4395, 800), (4395, 10395, 1000), (10395, 31395, 10000),
    )  # fmt: skip
    edges = [0, 20, *(value for r in ranges for value in range(*r))]
    middles = [math.ceil((edges[i] + edges[i + 1]) / 2) for i in range(2, 60)]
    return ClassTable((*sorted([*edges, *middles]), 40395))


def _published_velocity() -> ClassTable:
    near = list(range(-12, 12))
    above = [*range(12, 22, 2), *range(22, 34, 4), *range(34, 94, 20), 94]
    below = [*range(-94, -34, 20), *range(-34, -22, 4), *range(-22, -12, 2)]
    return ClassTable((*below, *near, *above, 110))


def fit_table(values: NDArray[Any], classes: int, jnd: int, last: int) -> ClassTable:
    """Fit exactly ``classes`` classes to a corpus, deterministically.

    Atoms of width max(jnd, ceil(0.02 b)) follow Weber's law; then the adjacent pair with the
    smallest (count, left edge) is merged while its width stays within max(2 jnd, 0.15 left), and
    0.15 grows by a quarter whenever nothing more can be merged (docs/design/chain.md, "Classes").

    Args:
        values: The corpus's values, >= 0, in ms.
        classes: How many classes to end with, at least 1.
        jnd: Just noticeable difference, ms.
        last: Upper edge of the last class, ms.

    Raises:
        ValueError: ``last`` is too small to hold ``classes`` classes.
    """
    edges = [0]
    while edges[-1] < last:
        edges.append(min(last, edges[-1] + max(jnd, math.ceil(0.02 * edges[-1]))))
    if len(edges) - 1 < classes:
        raise ValueError(f"only {len(edges) - 1} atoms below {last} ms; {classes} classes wanted")
    left = edges[:-1]
    right: list[int] = edges[1:]
    count = np.histogram(np.clip(values, 0, last - 1), bins=np.asarray(edges))[0].tolist()
    after = [*range(1, len(left)), -1]
    before = [-1, *range(len(left) - 1)]
    alive = [True] * len(left)
    remaining = len(left)
    ratio = 0.15
    while remaining > classes:
        # One entry for each mergeable pair; `right` of the second atom tells stale entries apart.
        heap = [
            (count[i] + count[after[i]], left[i], i, right[after[i]])
            for i in range(len(left))
            if alive[i] and after[i] >= 0
        ]
        heapq.heapify(heap)
        merged = False
        while heap and remaining > classes:
            total, edge, i, end = heapq.heappop(heap)
            j = after[i]
            stale = not alive[i] or j < 0 or right[j] != end or total != count[i] + count[j]
            if stale or end - edge > max(2 * jnd, ratio * edge):
                continue
            right[i], count[i], after[i], alive[j] = end, total, after[j], False
            if after[j] >= 0:
                before[after[j]] = i
                heapq.heappush(heap, (count[i] + count[after[i]], left[i], i, right[after[i]]))
            if before[i] >= 0:
                p = before[i]
                heapq.heappush(heap, (count[p] + count[i], left[p], p, right[i]))
            remaining -= 1
            merged = True
        if not merged:
            ratio *= 1.25
    return ClassTable((*(left[i] for i in range(len(left)) if alive[i]), last))


def normalised_entropy(classes: NDArray[Any], size: int) -> float:
    """Return H/ln K of a class histogram: 1 when all K classes are equally frequent."""
    counts = np.bincount(np.asarray(classes, dtype=np.int64).ravel(), minlength=size)
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum() / math.log(size))


@dataclass(frozen=True)
class ChainCodec:
    """The five class tables; see the module's text.

    Attributes:
        name: ``weber-published`` or ``weber-fitted``.
        shift: Time shift, ms.
        duration: Duration, ms.
        velocity: Signed change from the previous note's velocity.
    """

    name: str
    shift: ClassTable
    duration: ClassTable
    velocity: ClassTable

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Classes of each argument in the order of :data:`streamer.music.notes.ARGUMENTS`."""
        return (
            PITCH_CLASSES,
            self.shift.classes,
            self.duration.classes,
            self.velocity.classes,
            PEDAL_CLASSES,
        )

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each argument begins in a row of all classes, and the row's width (6 numbers)."""
        return tuple(int(x) for x in np.cumsum((0, *self.sizes)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the tables: equal when and only when classes mean the same notes."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest or tensor file; :meth:`from_dict` reads it."""
        return {
            "name": self.name,
            "pitch_low": PIANO_LOW,
            "shift_edges_ms": list(self.shift.edges),
            "duration_edges_ms": list(self.duration.edges),
            "velocity_change_edges": list(self.velocity.edges),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChainCodec:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: The pitch range differs, or a table does not ascend.
        """
        if data["pitch_low"] != PIANO_LOW:
            raise ValueError(f"pitch_low must be {PIANO_LOW}, not {data['pitch_low']}")

        def table(edges: Sequence[int]) -> ClassTable:
            return ClassTable(tuple(int(e) for e in edges))

        return cls(
            str(data["name"]),
            table(data["shift_edges_ms"]),
            table(data["duration_edges_ms"]),
            table(data["velocity_change_edges"]),
        )

    def encode(self, notes: NoteArray) -> NDArray[np.uint8]:
        """Return the classes of a piece, ``(len(notes), 5)``.

        The first note has time shift 0, and its velocity change is counted from 0. Pitches must
        lie on a piano.

        Raises:
            ValueError: A pitch is outside 21..108.
        """
        pitch = notes["pitch"].astype(np.int64)
        if len(pitch) and (pitch.min() < PIANO_LOW or pitch.max() > PIANO_HIGH):
            raise ValueError(f"pitch must be in range {PIANO_LOW}..{PIANO_HIGH}")
        onset = notes["onset_ms"]
        velocity = notes["velocity"].astype(np.int64)
        # Microseconds are beyond any MIDI file; rounding undoes the error of onset differences.
        shift = np.round(np.diff(onset, prepend=onset[:1]), 3)
        columns = (
            (pitch - PIANO_LOW).astype(np.uint8),
            self.shift.encode(shift),
            self.duration.encode(np.round(notes["duration_ms"], 3)),
            self.velocity.encode(np.diff(velocity, prepend=0)),
            notes["pedal"].astype(np.uint8),
        )
        return np.stack(columns, axis=1)

    def decode(
        self,
        classes: NDArray[Any],
        rng: np.random.Generator,
        start_ms: float = 0.0,
        velocity_before: int = 0,
        low: int = VELOCITY_LOW,
        high: int = VELOCITY_HIGH,
    ) -> NoteArray:
        """Draw notes for the classes of one sequence.

        Args:
            classes: ``(notes, 5)`` class indices.
            rng: Decides where inside its class each value falls.
            start_ms: Onset of the note before the first.
            velocity_before: Velocity of the note before the first, 0 at the start of a piece.
            low: Lowest velocity, 1..127.
            high: Highest velocity, low..127.

        Returns:
            A note array in the order of ``classes`` (onsets never fall). Durations are at
            least 1 ms.
        """
        uniform = rng.random((len(classes), 3))
        change = np.floor(self.velocity.decode(classes[:, 3], uniform[:, 2])).astype(np.int64)
        velocity = np.empty(len(classes), dtype=np.int64)
        value = int(velocity_before)
        for i, step in enumerate(change.tolist()):
            value = min(max(value + step, low), high)
            velocity[i] = value
        notes = np.zeros(len(classes), dtype=NOTE_DTYPE)
        notes["pitch"] = classes[:, 0] + PIANO_LOW
        notes["onset_ms"] = start_ms + np.cumsum(self.shift.decode(classes[:, 1], uniform[:, 0]))
        notes["duration_ms"] = np.maximum(self.duration.decode(classes[:, 2], uniform[:, 1]), 1.0)
        notes["velocity"] = velocity
        notes["pedal"] = classes[:, 4].astype(bool)
        return notes


def published_codec() -> ChainCodec:
    """Return the tables of the paper's authors (docs/design/chain.md, "Classes")."""
    return ChainCodec(
        "weber-published", _published_shift(), _published_duration(), _published_velocity()
    )


def fitted_codec(corpus: Sequence[NoteArray]) -> ChainCodec:
    """Return tables fitted to a corpus of pieces: Weber's law at large, balanced in the fine."""
    shifts = np.concatenate([np.diff(sort_notes(piece)["onset_ms"]) for piece in corpus])
    durations = np.concatenate([piece["duration_ms"] for piece in corpus])
    return ChainCodec(
        "weber-fitted",
        fit_table(shifts, SHIFT_CLASSES, SHIFT_JND_MS, 35000),
        fit_table(durations, DURATION_CLASSES, DURATION_JND_MS, 40395),
        _published_velocity(),
    )
