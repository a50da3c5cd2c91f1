"""What a chain is told of the phrases that it learns: now all, now a part, now nothing.

A piece is cut into phrases as long as those that are drawn, from a place that is drawn; each note
is told what its own phrase is like. Some phrases are told nothing, so that the stream stays free;
of the others each dial and the key are told more often than not, as a stream asks for most of them.

In: note arrays. Out: float32 ``(notes, ASKED_WIDTH)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.asked import (
    ASKED_WIDTH,
    DIALS,
    asked_vector,
    measure,
    pitch_classes,
)
from streamer.measures.repetition import returning_notes
from streamer.music.notes import NoteArray

PHRASE_NOTES = 32
"""As the stream draws them."""

UNTOLD = 0.2
"""Share of phrases that nothing is told of."""

TOLD = 0.7
"""Chance of each dial, and of the key, to be told of any other phrase."""


class Asking:
    """Says what of each phrase a model is told.

    Args:
        rng: Draws where phrases begin and what is told; None: they begin with the piece, and all
            is told.
    """

    def __init__(self, rng: np.random.Generator | None) -> None:
        self._rng = rng

    def of_piece(self, notes: NoteArray) -> NDArray[np.float32]:
        """Return what each note of a piece is told, ``(notes, ASKED_WIDTH)``."""
        out = np.zeros((len(notes), ASKED_WIDTH), dtype=np.float32)
        returning = returning_notes(notes)
        first = 0 if self._rng is None else -int(self._rng.integers(PHRASE_NOTES))
        for start in range(first, len(notes), PHRASE_NOTES):
            part = slice(max(start, 0), start + PHRASE_NOTES)
            out[part] = self.of_phrase(notes, part, returning)
        return out

    def of_phrase(
        self, notes: NoteArray, part: slice, returning: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return what one phrase is told, ``(ASKED_WIDTH,)``.

        Args:
            notes: The piece.
            part: The phrase.
            returning: Of each note of the piece, whether it lies in a figure that came before.
        """
        phrase = notes[part]
        names = [dial.name for dial in DIALS]
        keyed = True
        if self._rng is not None:
            if self._rng.random() < UNTOLD:
                return np.zeros(ASKED_WIDTH, dtype=np.float32)
            told = self._rng.random(len(DIALS) + 1) < TOLD
            names = [name for name, one in zip(names, told, strict=False) if one]
            keyed = bool(told[-1])
        after = notes["onset_ms"][part.stop] if part.stop < len(notes) else None
        shown = measure(phrase, None if after is None else float(after), returning[part])
        key = pitch_classes(phrase) if keyed else None
        return asked_vector({name: shown[name] for name in names}, key)
