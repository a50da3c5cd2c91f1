"""Fitting a reference: real held-out music is nearest, then other music, then chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from streamer.errors import DataError
from streamer.measures.signature import signature
from streamer.selection.judges import JUDGE_NAMES
from tests.training.evaluation.pieces import tune, tunes
from training.evaluation.judges import fit_judges
from training.evaluation.signature import (
    cross_fitted_distances,
    fit_reference,
    random_roll,
    window_signatures,
    windows,
)


def test_held_out_is_nearest_then_another_style_then_random_then_full_random() -> None:
    rng = np.random.default_rng(0)
    reference = fit_reference(window_signatures(tunes(40))[0])
    other = tunes(10, 200)
    for piece in other:
        piece["pitch"] = np.clip(piece["pitch"].astype(int) + 9, 21, 108)
        piece["duration_ms"] *= 1.7
    medians = [
        float(np.median(reference.distance(vectors)))
        for vectors in (
            window_signatures(tunes(10, 100))[0],
            window_signatures(other)[0],
            np.stack([signature(random_roll(rng, 20, 100)) for _ in range(30)]),
            np.stack([signature(random_roll(rng, 0, 127)) for _ in range(30)]),
        )
    ]
    assert medians == sorted(medians)
    assert 2.0 < medians[0] < 4.5


def test_distance_is_that_of_scikit_learn_on_standardised_figures() -> None:
    vectors = window_signatures(tunes(20))[0]
    reference = fit_reference(vectors)
    scale = np.maximum(vectors.std(axis=0), 1e-3)
    fitted = LedoitWolf().fit((vectors - vectors.mean(axis=0)) / scale)
    x = window_signatures(tunes(3, 50))[0]
    expected = np.sqrt(fitted.mahalanobis((x - vectors.mean(axis=0)) / scale))
    np.testing.assert_allclose(reference.distance(x), expected, rtol=1e-6)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    vectors = window_signatures(tunes(20))[0]
    vectors[:, 3] = 0.5
    reference = fit_reference(vectors)
    assert np.isfinite(reference.distance(vectors)).all()


def test_quantiles_are_those_of_samples_that_were_not_fitted_on() -> None:
    vectors, groups = window_signatures(tunes(20))
    reference = fit_reference(vectors, groups)
    own = cross_fitted_distances(vectors, groups)
    np.testing.assert_allclose(reference.quantiles, np.quantile(own, (0.5, 0.9, 0.99)))
    assert reference.quantiles[0] > np.median(reference.distance(vectors))


def test_a_reference_smaller_than_the_figures_is_refused_in_one_line() -> None:
    vectors = window_signatures(tunes(20))[0][:15]
    with pytest.raises(DataError, match=r"15 samples .* needs at least 16"):
        fit_reference(vectors)


def test_a_reference_with_a_nan_is_refused_in_one_line() -> None:
    vectors = window_signatures(tunes(20))[0]
    vectors[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        fit_reference(vectors)


def test_windows_are_of_equal_length_and_leave_out_the_rest() -> None:
    piece = tune(0)
    seconds = (piece["onset_ms"][-1] + piece["duration_ms"][-1] - piece["onset_ms"][0]) / 1000
    cut = windows(piece)
    assert len(cut) == int(seconds / 18.75)
    assert all(w["onset_ms"][-1] - w["onset_ms"][0] < 18_750 for w in cut)


def test_random_music_has_the_cells_of_the_paper() -> None:
    rng = np.random.default_rng(1)
    cells = [int(random_roll(rng, 20, 100).length.sum()) for _ in range(40)]
    assert np.mean(cells) == pytest.approx(450, abs=15)


def test_judges_keep_the_share_of_the_corpus_that_was_asked_for() -> None:
    judges = fit_judges(tunes(20), kept=0.9)
    assert set(judges) == set(JUDGE_NAMES)
    strict, loose = fit_judges(tunes(20), kept=0.5), judges
    for name in JUDGE_NAMES:
        assert strict[name]["limit"] < loose[name]["limit"]


def test_judges_need_excerpts() -> None:
    with pytest.raises(DataError, match="no piece has 64 notes"):
        fit_judges(tunes(3, notes=40))
