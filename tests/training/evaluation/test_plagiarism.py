"""A copied run is found wherever it stands, in any key if asked, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import DataError
from streamer.music.notes import NOTE_DTYPE, NoteArray
from training.evaluation.plagiarism import CorpusIndex


def piece_of(pitches: list[int]) -> NoteArray:
    notes = np.zeros(len(pitches), dtype=NOTE_DTYPE)
    notes["pitch"] = pitches
    notes["onset_ms"] = np.arange(len(pitches)) * 100.0
    notes["duration_ms"] = 90.0
    notes["velocity"] = 64
    return notes


def random_piece(rng: np.random.Generator, notes: int) -> NoteArray:
    return piece_of(rng.integers(30, 90, notes).tolist())


def longest_by_hand(corpus: list[list[int]], piece: list[int]) -> int:
    best = 0
    for other in corpus:
        for i in range(len(piece)):
            for j in range(len(other)):
                k = 0
                while i + k < len(piece) and j + k < len(other) and piece[i + k] == other[j + k]:
                    k += 1
                best = max(best, k)
    return best


def test_a_planted_copy_of_32_notes_is_found() -> None:
    rng = np.random.default_rng(0)
    corpus = [random_piece(rng, 3000) for _ in range(10)]
    piece = random_piece(rng, 1000)
    piece["pitch"][500:532] = corpus[7]["pitch"][1234:1266]
    copy = CorpusIndex(corpus).longest_copies([piece])[0]
    assert 32 <= copy.notes <= 33
    assert (copy.source, copy.start - 500, copy.source_start - 1234) in {(7, 0, 0), (7, -1, -1)}


def test_a_transposed_copy_is_found_by_intervals_alone() -> None:
    rng = np.random.default_rng(1)
    corpus = [random_piece(rng, 2000) for _ in range(4)]
    piece = random_piece(rng, 500)
    piece["pitch"][100:132] = corpus[2]["pitch"][50:82] + 5
    assert CorpusIndex(corpus).longest_copies([piece])[0].notes < 6
    copy = CorpusIndex(corpus, transposed=True).longest_copies([piece])[0]
    assert 32 <= copy.notes <= 33
    assert copy.source == 2


@given(
    st.lists(st.lists(st.integers(60, 63), max_size=25), min_size=1, max_size=4),
    st.lists(st.integers(60, 63), max_size=25),
)
@settings(deadline=None)
def test_the_run_is_the_longest(corpus: list[list[int]], piece: list[int]) -> None:
    if not any(corpus):
        return
    index = CorpusIndex([piece_of(c) for c in corpus])
    copy = index.longest_copies([piece_of(piece)])[0]
    assert copy.notes == longest_by_hand(corpus, piece)
    if copy.notes:
        source = corpus[copy.source][copy.source_start : copy.source_start + copy.notes]
        assert source == piece[copy.start : copy.start + copy.notes]


def test_a_run_does_not_continue_from_one_piece_of_the_corpus_into_the_next() -> None:
    index = CorpusIndex([piece_of([60, 61, 62]), piece_of([63, 64, 65])])
    assert index.longest_copies([piece_of([60, 61, 62, 63, 64, 65])])[0].notes == 3


def test_a_piece_of_the_corpus_itself_is_copied_whole() -> None:
    piece = random_piece(np.random.default_rng(2), 777)
    assert CorpusIndex([piece]).longest_copies([piece])[0].notes == 777


def test_nothing_in_common_is_a_run_of_no_notes() -> None:
    copy = CorpusIndex([piece_of([60, 61])]).longest_copies([piece_of([80, 81])])[0]
    assert (copy.notes, copy.start, copy.source) == (0, -1, -1)


def test_a_corpus_without_notes_is_refused() -> None:
    with pytest.raises(DataError, match="no notes"):
        CorpusIndex([piece_of([])])
