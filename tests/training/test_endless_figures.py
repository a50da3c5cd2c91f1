"""Figures of hours and of pieces: pitch classes are measured by the minute, all else whole."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.music.notes import Note, NoteArray, to_array
from training.evaluation.drift import stretch_figures
from training.studies.chain.stream import CLASSES, STRETCHES, class_entropies, long_figures

THREE = np.log2(3)


def piece(minutes: int) -> NoteArray:
    """Play three pitch classes a minute, others each minute, a note a second."""
    return to_array(
        Note(48 + 3 * (i // 60) + i % 3, 1000.0 * i, 500.0, 60) for i in range(60 * minutes + 1)
    )


def test_an_hour_that_moves_through_many_keys_is_measured_as_its_minutes_are() -> None:
    notes = piece(4)
    assert class_entropies(notes) == pytest.approx([THREE] * 4, abs=1e-3)
    row = long_figures(notes, 240.0)
    assert row[CLASSES] == pytest.approx(THREE, abs=1e-3)
    assert stretch_figures(notes, 240.0)[CLASSES] > 3.0
    others = [i for i in range(len(STRETCHES)) if i != CLASSES]
    assert row[others] == pytest.approx(stretch_figures(notes, 240.0)[others])


def test_a_piece_of_less_than_a_minute_counts_as_one() -> None:
    notes = piece(1)[:30]
    assert len(class_entropies(notes)) == 0
    assert long_figures(notes, 30.0)[CLASSES] == pytest.approx(THREE, abs=1e-2)


def test_minutes_without_a_note_have_no_entropy() -> None:
    notes = to_array([Note(60, 0.0, 100.0, 60), Note(62, 250_000.0, 100.0, 60)])
    assert class_entropies(notes) == pytest.approx([0.0])
