"""What it takes to cut a phrase of the chain at any time; a dataclass alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray
from streamer.system.marks import Mark


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """What it takes to cut a phrase.

    Attributes:
        mark: Of the generator just before it was drawn.
        classes: ``(notes, 5)``.
        notes: In the generator's own time.
        features: What the ear heard of them, ``(notes, features)``; None without one.
        sound: Whether they passed all filters: only sound music is gone back to.
    """

    mark: Mark
    classes: NDArray[np.int64]
    notes: NoteArray
    features: NDArray[np.float32] | None
    sound: bool

    def until(self, count: int) -> Trail:
        """Return that of its first notes."""
        features = None if self.features is None else self.features[:count]
        return Trail(self.mark, self.classes[:count], self.notes[:count], features, self.sound)
