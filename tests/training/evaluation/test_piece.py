"""Figures of single pieces: against outside packages, by hand, and for the dullest music."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.music.notes import NOTE_DTYPE, NoteArray, sort_notes
from tests.training.evaluation.pieces import tune
from training.evaluation.distributions import (
    ASPECTS,
    count_aspects,
    distance_interval,
    jensen_shannon,
    keys_down,
)
from training.evaluation.drift import corpus_stretches, measure_drift, stretches
from training.evaluation.piece import (
    mean_polyphony,
    measure_piece,
    pitch_class_entropy,
    scale_consistency,
)

NOTES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(0, 127), st.integers(1, 127)),
    min_size=1,
    max_size=60,
)


def piece_of(rows: list[tuple[int, int, int, int]]) -> NoteArray:
    array = np.zeros(len(rows), dtype=NOTE_DTYPE)
    for i, (onset, length, pitch, velocity) in enumerate(rows):
        array[i] = (onset * 50.0, length * 50.0, pitch, velocity, False, 0)
    return sort_notes(array)


@pytest.mark.parametrize("seed", range(4))
def test_pitch_measures_are_those_of_muspy(seed: int) -> None:
    muspy = pytest.importorskip("muspy")
    piece = tune(seed)
    notes = [
        muspy.Note(round(n["onset_ms"]), int(n["pitch"]), max(round(n["duration_ms"]), 1), 64)
        for n in piece
    ]
    music = muspy.Music(resolution=500, tracks=[muspy.Track(notes=notes)])
    assert pitch_class_entropy(piece) == pytest.approx(muspy.pitch_class_entropy(music))
    assert scale_consistency(piece) == pytest.approx(muspy.scale_consistency(music))
    # muspy counts a key that is struck while it is held once; here it counts twice.
    assert mean_polyphony(piece) == pytest.approx(muspy.polyphony(music), rel=0.05)


def test_polyphony_is_the_mean_over_the_time_that_sounds() -> None:
    piece = piece_of([(0, 4, 60, 64), (2, 2, 64, 64), (10, 2, 67, 64)])
    assert mean_polyphony(piece) == pytest.approx(8 / 6)
    assert keys_down(piece).tolist() == [1, 2, 1]


@given(NOTES)
@settings(deadline=None)
def test_keys_down_are_those_counted_one_by_one(rows: list[tuple[int, int, int, int]]) -> None:
    piece = piece_of(rows)
    end = piece["onset_ms"] + piece["duration_ms"]
    expected = [int(((piece["onset_ms"] <= t) & (end > t)).sum()) for t in piece["onset_ms"]]
    assert keys_down(piece).tolist() == expected


@given(NOTES)
@settings(deadline=None)
def test_every_note_is_counted_once_in_every_aspect(rows: list[tuple[int, int, int, int]]) -> None:
    piece = piece_of(rows)
    counts = count_aspects(piece)
    between = {"interval", "shift"}
    for name in ASPECTS:
        assert counts[name].sum() == len(piece) - (name in between)


def test_distributions_that_are_equal_lie_at_0_and_those_apart_at_1() -> None:
    p = np.array([1.0, 2.0, 0.0, 0.0])
    assert jensen_shannon(p, 3 * p) == pytest.approx(0.0)
    assert jensen_shannon(p, p[::-1]) == pytest.approx(1.0)
    assert math.isnan(jensen_shannon(p, np.zeros(4)))


def test_the_interval_of_a_distance_between_equal_sets_reaches_down_to_0() -> None:
    rng = np.random.default_rng(0)
    pieces = [rng.multinomial(50, np.full(12, 1 / 12)) for _ in range(40)]
    found = distance_interval(pieces[:20], pieces[20:], rng)
    assert found.low < 0.02
    assert found.value < 0.1


@given(NOTES)
@settings(deadline=None, max_examples=40)
def test_any_piece_can_be_measured(rows: list[tuple[int, int, int, int]]) -> None:
    found = measure_piece(piece_of(rows))
    assert all(not math.isinf(v) for v in found.figures.values())
    assert np.isfinite(found.signatures).all()


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (np.zeros(0, dtype=NOTE_DTYPE), "at least 1 note"),
        (np.array([(np.nan, 1.0, 60, 64, False, 0)], dtype=NOTE_DTYPE), "finite"),
    ],
)
def test_a_piece_that_cannot_be_measured_says_why(piece: NoteArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure_piece(piece)


def test_a_steady_stream_stays_in_the_spread_and_a_fading_one_leaves_it() -> None:
    corpus = corpus_stretches([tune(i, 2400) for i in range(12)])
    steady = tune(50, 4000)
    fading = steady.copy()
    fading["velocity"] = np.linspace(70, 10, len(fading)).astype(int)
    good, bad = measure_drift(steady, corpus), measure_drift(fading, corpus)
    assert good is not None
    assert bad is not None
    assert good.inside["velocity_mean"] > 0.8 > bad.inside["velocity_mean"]
    assert abs(good.change["velocity_mean"]) < 1.0
    assert bad.change["velocity_mean"] < -3.0


def test_a_short_piece_has_no_drift() -> None:
    piece = tune(0, 200)
    assert measure_drift(piece, corpus_stretches([tune(1, 2400)])) is None
    assert stretches(piece, 1e6).shape == (0, 9)
