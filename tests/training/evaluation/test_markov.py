"""Baselines: distributions that sum to one, learn what is there, and draw what they learned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.markov import (
    CHAINED,
    ORDER_3,
    UNIGRAM,
    MarkovModel,
    NGram,
    baseline_losses,
)

SIZES = (6, 5, 4, 3, 2)


def walk(seed: int, notes: int = 400) -> np.ndarray:
    """Classes in which each argument goes round, with a slip now and then."""
    rng = np.random.default_rng(seed)
    classes = np.stack([(np.arange(notes) + rng.integers(s)) % s for s in SIZES], axis=1)
    slips = rng.random(classes.shape) < 0.1
    classes[slips] = rng.integers(2, size=int(slips.sum()))
    return classes.astype(np.uint8)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80))
@settings(deadline=None)
def test_probabilities_sum_to_one_in_every_context(rows: list[tuple[int, int]]) -> None:
    contexts = np.array([[a] for a, _ in rows], dtype=np.int64)
    targets = np.array([b for _, b in rows], dtype=np.int64)
    gram = NGram(contexts, targets, [4], 4)
    for context in range(4):
        repeated = np.full((4, 1), context, dtype=np.int64)
        p = gram.probabilities(repeated, np.arange(4))
        assert p.sum() == pytest.approx(1.0)
        assert (p > 0).all()


@pytest.mark.parametrize("sources", [UNIGRAM, ORDER_3, CHAINED])
def test_every_source_gives_a_proper_distribution(sources: tuple) -> None:  # type: ignore[type-arg]
    model = MarkovModel([walk(i) for i in range(12)], SIZES, sources)
    piece = walk(99, 50)
    for argument, size in enumerate(SIZES):
        total = np.zeros(len(piece))
        gram = model._grams[argument]
        contexts = model._contexts(piece, argument)
        for value in range(size):
            total += gram.probabilities(contexts, np.full(len(piece), value))
        np.testing.assert_allclose(total, 1.0)


def test_order_three_beats_unigram_where_there_is_order() -> None:
    losses = baseline_losses([walk(i) for i in range(12)], [walk(50), walk(51)], SIZES)
    assert losses["order_3"]["total"] < 0.7 * losses["unigram"]["total"]
    parts = [
        losses["unigram"][name] for name in ("pitch", "shift", "duration", "velocity", "pedal")
    ]
    assert sum(parts) == pytest.approx(losses["unigram"]["total"])


def test_unigram_is_the_entropy_of_the_frequencies() -> None:
    pieces = [walk(i) for i in range(12)]
    model = MarkovModel(pieces, SIZES, UNIGRAM)
    joined = np.concatenate(pieces)
    expected = 0.0
    for argument, size in enumerate(SIZES):
        p = np.bincount(joined[:, argument], minlength=size) / len(joined)
        expected -= float((p[p > 0] * np.log(p[p > 0])).sum())
    actual = np.concatenate([model.negative_log_likelihood(p) for p in pieces]).sum(axis=1).mean()
    assert actual == pytest.approx(expected, abs=0.01)


def test_samples_are_as_likely_as_what_was_learned() -> None:
    pieces = [walk(i) for i in range(12)]
    model = MarkovModel(pieces, SIZES)
    drawn = model.sample(600, np.random.default_rng(0))
    own = model.negative_log_likelihood(pieces[0]).sum(axis=1).mean()
    assert drawn.shape == (600, 5)
    assert model.negative_log_likelihood(drawn).sum(axis=1).mean() == pytest.approx(own, rel=0.25)


def test_the_same_seed_draws_the_same_piece() -> None:
    model = MarkovModel([walk(i) for i in range(6)], SIZES)
    first, second = (model.sample(50, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_piece_shorter_than_the_order_is_scored() -> None:
    model = MarkovModel([walk(i) for i in range(6)], SIZES)
    assert np.isfinite(model.negative_log_likelihood(walk(9, 2))).all()
    assert model.negative_log_likelihood(walk(9, 0)).shape == (0, 5)


@pytest.mark.parametrize(
    ("train", "works", "message"),
    [([], None, "at least 1 training piece"), ([walk(0)], ["a", "b"], "one a piece")],
)
def test_what_cannot_be_learned_from_is_refused(
    train: list[np.ndarray], works: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MarkovModel(train, SIZES, ORDER_3, works)
