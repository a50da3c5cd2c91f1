"""A classifier finds what differs, and nothing where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from streamer.errors import DataError
from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests.training.evaluation.pieces import tunes
from training.evaluation.excerpts import GROUPS, describe, excerpts
from training.evaluation.two_sample import (
    Described,
    auc,
    describe_pieces,
    shuffled,
    two_sample_test,
)


def described(pieces: list[NoteArray], name: str) -> Described:
    return describe_pieces(pieces, [f"{name} {i}" for i in range(len(pieces))])


def test_real_against_real_cannot_be_told_apart() -> None:
    found = two_sample_test(
        described(tunes(24), "a"), described(tunes(24, 100), "b"), np.random.default_rng(0)
    )
    for group, area in found.items():
        assert area.low <= 0.5 <= area.high, f"{group}: {area}"


def test_real_against_its_own_notes_shuffled_is_told_at_once() -> None:
    rng = np.random.default_rng(1)
    real = tunes(16)
    mixed = [shuffled(p, rng) for p in real]
    found = two_sample_test(described(mixed, "real"), described(real, "real"), rng)
    assert found["all"].value > 0.95
    assert found["all"].low > 0.9


def test_what_differs_in_velocity_alone_shows_in_velocity_alone() -> None:
    rng = np.random.default_rng(2)
    flat = tunes(16)
    for piece in flat:
        piece["velocity"] = np.clip(rng.normal(64, 12, len(piece)), 1, 127).astype(int)
    found = two_sample_test(described(flat, "a"), described(tunes(16, 100), "b"), rng)
    assert found["velocity"].value > 0.95
    assert found["pitch"].value < 0.7


def test_performances_of_one_work_do_not_help_to_tell_it_apart() -> None:
    """Ten performances each of two handfuls of works: only held-out works count."""
    works = [(f"{side} {w}", tunes(1, 10 * w + side_seed)[0])
             for side, side_seed in (("a", 0), ("b", 5)) for w in range(8)]  # fmt: skip
    sets = {
        side: Described(
            [describe(excerpts(piece)) for name, piece in works if name[0] == side] * 5,
            [name for name, _ in works if name[0] == side] * 5,
        )
        for side in "ab"
    }
    found = two_sample_test(sets["a"], sets["b"], np.random.default_rng(3))
    assert found["all"].value < 0.85


def test_too_few_works_are_named() -> None:
    with pytest.raises(DataError, match="needs 5 generated works of 128 notes or more, not 3"):
        two_sample_test(
            described(tunes(3), "a"), described(tunes(8, 100), "b"), np.random.default_rng(0)
        )


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=50))
@settings(deadline=None)
def test_area_under_the_curve_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([float(s) for s, _ in rows])
    labels = np.array([b for _, b in rows])
    if labels.all() or not labels.any():
        assert np.isnan(auc(scores, labels))
    else:
        assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))


def test_shuffling_keeps_every_note_and_the_time_to_the_one_before() -> None:
    piece = tunes(1)[0]
    mixed = shuffled(piece, np.random.default_rng(4))
    assert sorted(mixed["pitch"].tolist()) == sorted(piece["pitch"].tolist())
    shift = np.diff(piece["onset_ms"], prepend=piece["onset_ms"][0])
    again = np.diff(mixed["onset_ms"], prepend=0.0)
    np.testing.assert_allclose(np.sort(again), np.sort(shift), atol=1e-6)


@pytest.mark.parametrize("group", list(GROUPS))
def test_features_are_finite_for_the_dullest_excerpt(group: str) -> None:
    """One key, one velocity, all at once: no spread anywhere."""
    dull = np.zeros(128, dtype=NOTE_DTYPE)
    dull["pitch"], dull["velocity"], dull["duration_ms"] = 60, 64, 1.0
    assert np.isfinite(GROUPS[group](dull)).all()


def test_excerpts_are_spread_over_the_piece() -> None:
    piece = tunes(1, notes=1300)[0]
    cut = excerpts(piece, 128, 3)
    assert [float(c["onset_ms"][0]) for c in cut] == [
        float(piece["onset_ms"][i]) for i in (0, 4 * 128, 9 * 128)
    ]
