"""The piece signature, its distance, and repetition: what the edge and training both rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.measures.repetition import (
    figure_codes,
    figure_return_share,
    longest_repeat,
    loop_period,
    previous_equal,
)
from streamer.measures.signature import (
    EXTRA_FEATURES,
    FEATURES,
    STEP_MS,
    SignatureReference,
    note_signature,
    notes_in_window,
    roll_of_matrix,
    roll_of_notes,
    signature,
)
from streamer.music.notes import NOTE_DTYPE, NoteArray, sort_notes


def notes_of(rows: list[tuple[float, float, int]]) -> NoteArray:
    """Notes from (onset in steps, length in steps, pitch)."""
    array = np.zeros(len(rows), dtype=NOTE_DTYPE)
    for i, (onset, length, pitch) in enumerate(rows):
        array[i] = (onset * STEP_MS, length * STEP_MS, pitch, 64, False, 0)
    return sort_notes(array)


ROWS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(0, 127)), min_size=1, max_size=60
)


def test_signature_of_a_small_piece_is_the_figures_worked_out_by_hand() -> None:
    """Four notes on ten steps: each of the seventeen figures as the paper's text defines it."""
    piece = notes_of([(0, 2, 60), (0, 4, 64), (4, 2, 67), (6, 4, 60)])
    cells = np.array([60] * 2 + [64] * 4 + [67] * 2 + [60] * 4)
    intervals = np.array([4, 3, 7])
    lengths = np.array([2, 4, 2, 4])
    expected = [
        4 / 10, 12 / 10, 2 / 4,
        67 / 127, 60 / 127, cells.mean() / 127, cells.std() / 127,
        7 / 127, 3 / 127, intervals.mean() / 127, intervals.std() / 127,
        4, 2, lengths.mean(), lengths.std(),
        3 / 127, 3 / 127,
    ]  # fmt: skip
    actual = note_signature(piece, steps=10, seventeen=True)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)
    assert len(FEATURES) == 15
    assert len(FEATURES) + len(EXTRA_FEATURES) == len(actual)


def test_touching_notes_of_one_pitch_are_one_note() -> None:
    """In a binary roll a repeated note without a gap cannot be told from a held one."""
    roll = roll_of_notes(notes_of([(0, 2, 60), (2, 3, 60), (6, 1, 60)]))
    assert roll.start.tolist() == [0, 6]
    assert roll.length.tolist() == [5, 1]


@given(ROWS)
@settings(deadline=None)
def test_notes_and_their_binary_matrix_have_the_same_signature(
    rows: list[tuple[int, int, int]],
) -> None:
    """The two ways to a roll agree for any notes on the grid."""
    matrix = np.zeros((80, 128), dtype=bool)
    for onset, length, pitch in rows:
        matrix[onset : onset + length, pitch] = True
    piece = notes_of([(float(o), float(n), p) for o, n, p in rows])
    by_notes = signature(roll_of_notes(piece, steps=80, start_ms=0.0), seventeen=True)
    np.testing.assert_allclose(by_notes, signature(roll_of_matrix(matrix), seventeen=True))


@given(ROWS, st.integers(1, 400))
@settings(deadline=None)
def test_signature_is_always_finite(rows: list[tuple[int, int, int]], steps: int) -> None:
    """No piece, however short or cut, gives a NaN to a filter."""
    assert np.isfinite(note_signature(notes_of(rows), steps=steps, seventeen=True)).all()


def test_an_empty_piece_has_a_signature_of_zeros() -> None:
    """Silence is measured like anything else; the distance then says how far it is."""
    assert note_signature(np.zeros(0, dtype=NOTE_DTYPE)).tolist() == [0.0] * 15


@pytest.mark.parametrize(("step_ms", "steps"), [(0.0, None), (float("nan"), None), (62.5, 0)])
def test_a_grid_that_is_none_is_refused(step_ms: float, steps: int | None) -> None:
    """Programmer's mistakes name the legal range."""
    with pytest.raises(ValueError, match="must be"):
        roll_of_notes(notes_of([(0, 1, 60)]), step_ms, steps)


def test_distance_is_the_mahalanobis_distance() -> None:
    """Against the formula written out, for one vector and for many at once."""
    rng = np.random.default_rng(1)
    root = rng.normal(size=(15, 15))
    reference = SignatureReference(rng.normal(size=15), root @ root.T, (1.0, 2.0, 3.0))
    x = rng.normal(size=(4, 15))
    expected = [
        float(np.sqrt((v - reference.mean) @ reference.precision @ (v - reference.mean))) for v in x
    ]
    np.testing.assert_allclose(reference.distance(x), expected)
    assert reference.distance(reference.mean) == 0.0


def test_categories_are_cut_at_the_corpus_quantiles() -> None:
    """Nearer than half, than 90 %, than 99 % of the corpus, or beyond."""
    reference = SignatureReference(np.zeros(15), np.eye(15), (1.0, 2.0, 3.0))
    assert [reference.category(d) for d in (0.5, 1.5, 2.5, 9.0)] == [0, 1, 2, 3]


def test_a_reference_survives_the_manifest() -> None:
    """to_dict and from_dict are inverse."""
    reference = SignatureReference(np.arange(15.0), np.eye(15) * 2, (1.0, 2.0, 3.0), 200, 50.0, 7)
    again = SignatureReference.from_dict(reference.to_dict())
    np.testing.assert_array_equal(again.mean, reference.mean)
    np.testing.assert_array_equal(again.precision, reference.precision)
    assert (again.quantiles, again.steps, again.step_ms, again.samples) == (
        (1.0, 2.0, 3.0), 200, 50.0, 7,
    )  # fmt: skip


def test_a_reference_with_a_nan_is_refused() -> None:
    """A damaged manifest must not let every phrase through."""
    with pytest.raises(ValueError, match="finite"):
        SignatureReference(np.full(15, np.nan), np.eye(15), (1.0, 2.0, 3.0))


def test_window_holds_the_onsets_from_its_start_to_before_its_end() -> None:
    """Half-open, as everything that is cut in time."""
    piece = notes_of([(0, 1, 60), (4, 1, 61), (8, 1, 62)])
    window = notes_in_window(piece, 4 * STEP_MS, 4 * STEP_MS)
    assert window["pitch"].tolist() == [61]


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 9))
@settings(deadline=None)
def test_figure_codes_are_equal_exactly_when_the_figures_are(symbols: list[int], n: int) -> None:
    """Against tuples compared one by one."""
    codes = figure_codes(np.array(symbols, dtype=np.int64), n)
    figures = [tuple(symbols[i : i + n]) for i in range(len(symbols) - n + 1)]
    assert len(codes) == len(figures)
    numbers: dict[tuple[int, ...], int] = {}
    for figure, code in zip(figures, codes.tolist(), strict=True):
        assert numbers.setdefault(figure, code) == code
    assert len(set(numbers.values())) == len(numbers)


@given(st.lists(st.integers(0, 3), max_size=50), st.integers(1, 6))
@settings(deadline=None)
def test_previous_equal_finds_the_nearest_that_is_far_enough(codes: list[int], least: int) -> None:
    """Against a search one by one."""
    expected = [
        max((j for j in range(i - least + 1) if codes[j] == codes[i]), default=-1)
        for i in range(len(codes))
    ]
    assert previous_equal(np.array(codes, dtype=np.int64), least).tolist() == expected


def test_a_figure_that_comes_back_in_time_counts_and_a_late_one_does_not() -> None:
    """Eight notes, a pause, the same eight notes: one of nine figures returns, if soon enough."""
    figure = [60, 62, 64, 65, 67, 69, 71, 72]
    piece = notes_of([(float(i), 1.0, p) for i, p in enumerate([*figure, *figure])])
    assert figure_return_share(piece) == pytest.approx(1 / 9)
    late = piece.copy()
    late["onset_ms"][8:] += 301_000.0
    assert figure_return_share(late) == 0.0


def test_a_trill_does_not_count_as_its_own_return_by_overlap() -> None:
    """A figure overlapping itself is one figure, not two."""
    piece = notes_of([(float(i), 1.0, 60 + i % 2) for i in range(15)])
    assert figure_return_share(piece) == 0.0


def test_a_piece_too_short_for_a_figure_has_no_share() -> None:
    """NaN, which the bootstrap leaves out, and not 0, which would be a claim."""
    assert np.isnan(figure_return_share(notes_of([(0, 1, 60)])))


@given(st.lists(st.integers(0, 2), max_size=40), st.booleans())
@settings(deadline=None)
def test_longest_repeat_is_the_longest(symbols: list[int], overlap: bool) -> None:
    """Against all pairs of places."""
    n = len(symbols)
    best = 0
    for i in range(n):
        for j in range(i + 1, n):
            k = 0
            while j + k < n and symbols[i + k] == symbols[j + k] and (overlap or i + k + 1 <= j):
                k += 1
            best = max(best, k)
    assert longest_repeat(np.array(symbols, dtype=np.int64), overlap) == best


@pytest.mark.parametrize(
    ("symbols", "period"),
    [([1] * 10, 1), ([1, 2, 3] * 6, 3), (list(range(20)), 0), ([], 0)],
)
def test_loop_period(symbols: list[int], period: int) -> None:
    """A loop is named by its shortest period; what does not loop has none."""
    assert loop_period(np.array(symbols), 8) == period
