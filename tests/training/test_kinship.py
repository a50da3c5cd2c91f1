"""Pieces of one work are found by their melody, and different works are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests.midifiles import write_midi
from training.corpora.corpus import Selection, read_corpus
from training.corpora.kinship import FIGURE_STEPS, figures, join_works


def melody(seed: int, notes: int = 120, start: int = 72) -> NoteArray:
    """A top voice that wanders, over a bass that begins with every second note."""
    rng = np.random.default_rng(seed)
    piece = np.zeros(notes + notes // 2, dtype=NOTE_DTYPE)
    top, bass = piece[:notes], piece[notes:]
    top["pitch"] = start + rng.integers(-9, 10, notes)
    top["onset_ms"] = np.arange(notes) * 250.0
    bass["pitch"] = 40
    bass["onset_ms"] = np.arange(notes // 2) * 500.0
    piece["duration_ms"], piece["velocity"] = 200.0, 64
    return piece[np.lexsort((piece["pitch"], piece["onset_ms"]))]


def performed(piece: NoteArray, seed: int, semitones: int = 0, tempo: float = 1.0) -> NoteArray:
    """The piece as someone else plays it: other key and tempo, chords spread, wrong notes."""
    rng = np.random.default_rng(seed)
    played = piece.copy()
    played["pitch"] = played["pitch"].astype(int) + semitones
    played["onset_ms"] = played["onset_ms"] * tempo + rng.uniform(0, 15, len(piece))
    wrong = rng.random(len(piece)) < 0.03
    played["pitch"][wrong] += 1
    return played[np.lexsort((played["pitch"], played["onset_ms"]))]


def test_another_performance_in_another_key_is_the_same_work() -> None:
    piece = melody(1)
    kin = [figures(piece), figures(performed(piece, 2, semitones=-3, tempo=0.7))]
    assert join_works(kin, ["b", "a"]) == {"a": "a", "b": "a"}


def test_different_melodies_stay_different_works() -> None:
    pieces = [figures(melody(seed)) for seed in range(30)]
    assert join_works(pieces, [f"work {i}" for i in range(30)]) == {}


def test_an_excerpt_belongs_to_its_work() -> None:
    piece = melody(1, notes=400)
    assert join_works([figures(piece), figures(piece[:90])], ["all", "part"]) == {
        "all": "all", "part": "all",
    }  # fmt: skip


def test_kinship_is_passed_on() -> None:
    one, two = melody(1), melody(2)
    medley = np.concatenate([one, two])
    medley["onset_ms"][len(one) :] += 40_000.0
    kin = join_works([figures(one), figures(two), figures(medley)], ["x", "y", "medley"])
    assert kin == {"x": "medley", "y": "medley", "medley": "medley"}


def test_scales_and_trills_are_nobodys_own() -> None:
    def run(steps: list[int], start: int) -> NoteArray:
        piece = np.zeros(200, dtype=NOTE_DTYPE)
        piece["pitch"] = start + np.resize(np.cumsum(steps), 200) % 40
        piece["onset_ms"] = np.arange(200) * 80.0
        piece["duration_ms"], piece["velocity"] = 80.0, 64
        return piece

    for steps in ([2, 2, 1, 2, 2, 2, 1], [2, -2]):
        kin = [figures(run(steps, 40)), figures(run(steps, 45))]
        assert join_works(kin, ["a", "b"]) == {}


def test_a_figure_that_many_works_share_joins_none_of_them() -> None:
    piece = figures(melody(1))
    assert join_works([piece] * 9, [f"work {i}" for i in range(9)]) == {}
    assert len(join_works([piece] * 8, [f"work {i}" for i in range(8)])) == 8


@pytest.mark.parametrize("notes", [0, 1, FIGURE_STEPS])
def test_short_pieces_have_no_figures(notes: int) -> None:
    piece = melody(1, notes=FIGURE_STEPS)
    assert len(figures(piece[piece["pitch"] > 40][:notes])) == 0
    assert join_works([figures(piece[:notes])], ["a"]) == {}


def test_no_pieces_have_no_kin() -> None:
    assert join_works([], []) == {}


def test_a_corpus_joins_works_unless_its_labels_are_trusted(tmp_path: Path) -> None:
    piece = melody(1)
    write_midi(tmp_path / "moonlight.mid", piece)
    write_midi(tmp_path / "sonata 14.mid", performed(piece, 2))
    joined = read_corpus([tmp_path])
    first, second = (p.work_key for p in joined.pieces)
    assert first == second == f"{tmp_path.name}:moonlight"
    assert list(joined.joined.values()) == [first]
    trusted = read_corpus([tmp_path], Selection(join=False))
    assert len({p.work_key for p in trusted.pieces}) == 2
    assert trusted.joined == {}
