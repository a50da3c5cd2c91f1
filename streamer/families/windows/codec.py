"""Notes <-> cells: the codec of the window families, which compose a section of bars at a time.

A section is a grid of ``steps`` by ``pitches`` cells. A cell says whether a key is held in a step;
where ``onsets`` is set, a second layer says whether it is struck there, so that a repeated note is
not a long one. One definition for training (a score to cells) and the generator (cells to notes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROLL_CODECS = ("roll", "bars")
"""Names of the codec in manifests: without onsets, and with them."""

WINDOW_ARGUMENTS = ("cell",)
"""What entropies of a section are of."""

CELL_DTYPE = np.dtype(
    [("onset", np.int32), ("length", np.int32), ("pitch", np.uint8), ("held", np.bool_)]
)
"""One note on the grid: onset and length in steps; ``held`` is true for one that was sounding
before the section began, and goes on without a new strike."""


@dataclass(frozen=True)
class RollCodec:
    """What the cells of a family mean.

    Attributes:
        name: ``roll`` or ``bars``; what a manifest calls it.
        steps_per_beat: Steps of a quarter note, 1..24.
        steps: Steps of a section, 1..1024.
        low: Lowest pitch, MIDI number.
        high: Highest pitch, low..127.
        onsets: Whether there is a layer of onsets beside that of held keys.
    """

    name: str = "roll"
    steps_per_beat: int = 8
    steps: int = 104
    low: int = 0
    high: int = 127
    onsets: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("steps_per_beat", 1, 24),
            ("steps", 1, 1024),
            ("low", 0, 127),
            ("high", self.low, 127),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number in range {low}..{high}")

    @property
    def pitches(self) -> int:
        """Number of pitches."""
        return self.high - self.low + 1

    @property
    def layers(self) -> int:
        """Layers of cells: held keys, and onsets where there are any."""
        return 2 if self.onsets else 1

    @property
    def cells(self) -> int:
        """Numbers of a section."""
        return self.steps * self.pitches * self.layers

    @property
    def beats(self) -> float:
        """Length of a section, quarter notes."""
        return self.steps / self.steps_per_beat

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a section: steps, pitches, layers."""
        return (self.steps, self.pitches, self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Classes of each argument: there is one, a cell, which sounds or does not."""
        return (2,)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each argument begins in a row of all classes, and last the row's width."""
        return (0, 2)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal when and only when cells mean the same notes."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a manifest; :meth:`from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RollCodec:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: A value is out of range.
            KeyError: One is missing.
        """
        return cls(**{f.name: data[f.name] for f in fields(cls)})

    def grid(self, onset: NDArray[Any], length: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return onsets and lengths in steps of notes that are given in quarter notes.

        Onsets go to the nearest step, ends too; no note becomes shorter than a step.
        """
        start = np.rint(np.asarray(onset) * self.steps_per_beat).astype(np.int64)
        end = np.rint((np.asarray(onset) + length) * self.steps_per_beat).astype(np.int64)
        return start, np.maximum(end - start, 1)

    def encode(
        self, onset: NDArray[Any], length: NDArray[Any], pitch: NDArray[Any]
    ) -> NDArray[Any]:
        """Return the cells of notes; what lies outside the section or the range is left out.

        Args:
            onset: Steps from the section's start; below 0 for what was struck before.
            length: Steps.
            pitch: MIDI numbers.

        Returns:
            ``(steps, pitches, layers)`` uint8, 0 or 1.
        """
        cells = np.zeros(self.shape, dtype=np.uint8)
        inside = (pitch >= self.low) & (pitch <= self.high)
        inside &= (onset < self.steps) & (onset + length > 0)
        rows = (np.asarray(a)[inside].tolist() for a in (onset, length, pitch))
        for start, steps, key in zip(*rows, strict=True):
            cells[max(start, 0) : start + steps, key - self.low, 0] = 1
            if self.onsets and start >= 0:
                cells[start, key - self.low, 1] = 1
        return cells

    def decode(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Return the notes of a section.

        A note is a maximal run of one pitch, cut where a new onset falls into it. An onset without
        a held cell counts as held.

        Args:
            cells: ``(steps, pitches, layers)``, true or not.

        Returns:
            :data:`CELL_DTYPE` rows sorted by onset and pitch. One that is held in the first step
            without an onset is marked ``held`` where onsets are known, and never elsewhere.
        """
        on = np.asarray(cells[..., 0], dtype=np.bool_)
        before = np.zeros((1, on.shape[1]), dtype=np.bool_)
        if self.onsets:
            struck = np.asarray(cells[..., 1], dtype=np.bool_)
            on = on | struck
            starts = on & (struck | ~np.concatenate([before, on[:-1]]))
        else:
            starts = on & ~np.concatenate([before, on[:-1]])
        pitch, onset = np.nonzero(starts.T)
        # A run ends where it stops being held, or at the next start of its pitch.
        ends = ~on.T
        notes = np.zeros(len(pitch), dtype=CELL_DTYPE)
        notes["onset"], notes["pitch"] = onset, pitch + self.low
        stop = np.full(len(pitch), on.shape[0])
        for i, (key, at) in enumerate(zip(pitch.tolist(), onset.tolist(), strict=True)):
            later = np.flatnonzero((ends[key] | starts.T[key])[at + 1 :])
            if len(later):
                stop[i] = at + 1 + later[0]
        notes["length"] = stop - onset
        if self.onsets:
            notes["held"] = (onset == 0) & ~struck[0, pitch]
        return notes[np.lexsort((notes["pitch"], notes["onset"]))]
