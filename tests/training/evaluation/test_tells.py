"""Trees on short windows: equal music cannot be told apart, and what differs is named."""

import numpy as np
import pytest

from streamer.errors import DataError
from streamer.music.notes import NOTE_DTYPE, NoteArray
from training.evaluation.piece import measure_piece
from training.evaluation.tells import cut_windows, tell_apart


def made_piece(seed: int, notes: int = 320, velocity: int = 60) -> NoteArray:
    """Random music around middle C."""
    rng = np.random.default_rng(seed)
    piece = np.zeros(notes, NOTE_DTYPE)
    piece["onset_ms"] = np.cumsum(rng.integers(0, 300, notes))
    piece["duration_ms"] = rng.integers(50, 600, notes)
    piece["pitch"] = rng.integers(45, 80, notes)
    piece["velocity"] = rng.integers(velocity - 10, velocity + 10, notes)
    piece["pedal"] = rng.integers(0, 2, notes)
    return piece


def told(first: list[NoteArray], second: list[NoteArray]) -> dict[str, object]:
    """The test on windows of 16 notes; each piece is a work of its own."""
    rng = np.random.default_rng(0)
    names = [[f"{side}{i}" for i in range(len(s))] for side, s in (("a", first), ("b", second))]
    cut = [cut_windows(s, n, 16, rng) for s, n in zip((first, second), names, strict=True)]
    return tell_apart(cut[0], cut[1], 0)


def test_equal_music_cannot_be_told_apart() -> None:
    """Two halves of one source."""
    pieces = [made_piece(seed) for seed in range(20)]
    assert told(pieces[:10], pieces[10:])["all"] == pytest.approx(0.5, abs=0.12)


def test_what_differs_is_found_and_named() -> None:
    """Louder music is told by its velocity, and by nothing else."""
    soft, loud = ([made_piece(20 * v + s, velocity=v) for s in range(8)] for v in (50, 70))
    found = told(loud, soft)
    assert found["velocity"] == pytest.approx(1.0, abs=0.01)
    assert found["pitch"] == pytest.approx(0.5, abs=0.15)
    assert next(iter(found["features"])).startswith("velocity.")  # type: ignore[call-overload]


def test_too_few_works_are_refused() -> None:
    """Folds hold whole works out."""
    with pytest.raises(DataError, match="needs 5 real works that are long enough, not 2"):
        told([made_piece(s) for s in range(6)], [made_piece(9), made_piece(10)])


def test_keys_struck_again_at_once_are_counted() -> None:
    """Within 60 ms, within 120 ms, of no length."""
    rows = [(0, 1, 60), (30, 50, 60), (130, 50, 60), (400, 50, 61), (700, 50, 60)]
    piece = np.array([(t, d, p, 60, False, 0) for t, d, p in rows], dtype=NOTE_DTYPE)
    figures = measure_piece(piece, with_rate=False).figures
    assert [0.2, 0.4, 0.2] == [
        figures[n] for n in ("restrikes_60ms", "restrikes_120ms", "zero_lengths")
    ]
