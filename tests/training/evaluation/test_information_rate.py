"""The variable Markov oracle against the golden figures of docs/design/query.md."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.music.notes import NOTE_DTYPE
from training.evaluation.information_rate import (
    chroma,
    cosine_distances,
    euclidean_distances,
    rate_curve,
    threshold_grid,
    tonnetz,
    tonnetz_distances,
    total_rate,
)
from training.evaluation.oracle import (
    Oracle,
    build,
    compress,
    find_motifs,
    information_rates,
)

GOLDEN_ATOL = 5e-7
"""The golden figures are printed with six decimals."""

VALUES = [0, 1, 2, 3, 0.05, 1.05, 2.05, 3.05, 0, 1, 2, 3, 7, 0, 1, 2]


def oracle_of(text: str) -> Oracle:
    """Return the exact oracle of a string: characters match when they are equal."""
    codes = np.array([ord(character) for character in text])
    return build((codes[:, None] != codes[None, :]).astype(np.float64), 0.5)


def test_suffix_links_of_a_string() -> None:
    oracle = oracle_of("aabbabbabbab")
    assert oracle.suffix == (-1, 0, 1, 0, 3, 1, 3, 4, 5, 6, 7, 8, 9)
    assert oracle.length == (0, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8)


def test_code_words_of_a_string() -> None:
    assert compress(oracle_of("aabbabbabbab")) == [(0, 1), (1, 1), (0, 3), (1, 3), (8, 2)]


def test_information_rate_of_abracadabra() -> None:
    total = information_rates(oracle_of("abracadabra")).sum()
    assert total == pytest.approx(6.287712, abs=GOLDEN_ATOL)


def test_suffix_links_of_vectors() -> None:
    oracle = build(euclidean_distances(VALUES), 0.1)
    assert oracle.suffix == (-1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.1, 17.836501), (0.0, 0.0), (0.01, 14.880418), (1.5, 0.678072)]
)
def test_information_rate_of_vectors(threshold: float, expected: float) -> None:
    total = total_rate(euclidean_distances(VALUES), threshold)
    assert total == pytest.approx(expected, abs=GOLDEN_ATOL)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0], [7], 0.638431),
        ([0], [2], 0.875220),
        ([0], [4], 0.709670),
        ([0], [6], 1.131371),
        ([0, 4, 7], [9, 0, 4], 0.364801),
    ],
)
def test_tonnetz_distances(first: list[int], second: list[int], expected: float) -> None:
    frames = np.zeros((2, 12))
    frames[0, first] = 3.0
    frames[1, second] = 0.5
    assert tonnetz_distances(frames)[0, 1] == pytest.approx(expected, abs=GOLDEN_ATOL)


def test_silence_lies_at_the_origin_of_the_tonnetz() -> None:
    assert tonnetz(np.zeros((1, 12))).tolist() == [[0.0] * 6]


@given(st.text("abc", max_size=60))
@settings(deadline=None)
def test_suffixes_are_true_repetitions(text: str) -> None:
    oracle = oracle_of(text)
    for state in range(1, len(text) + 1):
        n, earlier = oracle.length[state], oracle.suffix[state]
        assert earlier < state
        assert text[state - n : state] == text[earlier - n : earlier]


@given(st.text("ab", max_size=60))
@settings(deadline=None)
def test_code_words_give_the_string_back(text: str) -> None:
    decoded = ""
    for length, start in compress(oracle_of(text)):
        if length == 0:
            decoded += text[start - 1]
        for offset in range(length):
            decoded += decoded[start - 1 + offset]
    assert decoded == text


def test_a_planted_repetition_is_a_motif() -> None:
    motif = find_motifs(oracle_of("abcdef" + "xyz" + "abcdef" + "q"), 4)[0]
    assert motif.spans == ((0, 6), (9, 15))


def test_the_lowest_threshold_wins_a_tie() -> None:
    curve = rate_curve(euclidean_distances(VALUES), np.array([0.2, 0.1, 0.11]))
    assert curve.best == 0.1


def test_the_rate_of_noisy_repeats_peaks_inside_the_grid() -> None:
    rng = np.random.default_rng(0)
    phrase = rng.normal(size=(16, 4))
    frames = np.tile(phrase, (6, 1)) + 0.02 * rng.normal(size=(96, 4))
    distances = euclidean_distances(frames)
    curve = rate_curve(distances)
    assert curve.interior
    assert (
        curve.total > 3 * rate_curve(distances[rng.permutation(96)][:, rng.permutation(96)]).total
    )


def test_the_grid_reaches_from_no_match_to_every_match() -> None:
    distances = euclidean_distances(np.random.default_rng(1).normal(size=(20, 3)))
    grid = threshold_grid(distances)
    assert grid[0] == 0.0
    assert grid[-1] > distances.max()
    assert (np.diff(grid) > 0).all()


def test_cosine_distances_of_equal_opposite_and_silent_frames() -> None:
    actual = cosine_distances(np.array([[1.0, 0], [2, 0], [-1, 0], [0, 0], [0, 0]]))
    np.testing.assert_allclose(actual[0], [0, 0, 2, 1, 1], atol=1e-12)
    assert actual[3, 4] == 0.0


def test_chroma_shares_a_note_among_the_frames_it_sounds_in() -> None:
    notes = np.zeros(2, dtype=NOTE_DTYPE)
    notes[0] = (1000.0, 750.0, 60, 64, False, 0)
    notes[1] = (1600.0, 100.0, 67, 64, False, 0)
    frames = chroma(notes, 500.0)
    assert frames.shape == (2, 12)
    np.testing.assert_allclose(frames[:, 0], [500.0, 250.0], atol=1e-9)
    np.testing.assert_allclose(frames[:, 7], [0.0, 100.0], atol=1e-9)


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        build(np.zeros((2, 3)), 0.1)
