"""Judges keep what is like the corpus and drop what is not, and cost little."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.measures.note_entropy import (
    WHOLE_FEATURES,
    WINDOW_FEATURES,
    entropy_bits,
    note_entropies,
    window_entropies,
)
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import Context
from streamer.selection.judges import (
    JUDGE_NAMES,
    JUDGED_NOTES,
    Judge,
    JudgeReference,
    describe,
    make_judges,
)

JUDGE_LIMIT_US = 1500.0
"""A generous bound on one judgement; measured 0.06 to 0.12 ms on a busy two-core machine."""


def music(rng: np.random.Generator, notes: int, spread: float = 5.0) -> tuple[Note, ...]:
    """A wandering line: not music, but alike from one call to the next."""
    pitch = np.clip(60 + np.cumsum(rng.normal(0, 2, notes)) % 24 - 12, 21, 108).astype(int)
    onset = np.cumsum(rng.gamma(4.0, 50.0, notes))
    length = rng.gamma(4.0, 40.0 * spread, notes) + 1.0
    return tuple(
        Note(int(p), float(t), float(d), 64) for p, t, d in zip(pitch, onset, length, strict=True)
    )


def phrase_of(notes: tuple[Note, ...]) -> Phrase:
    entropies = np.zeros((len(notes), 5), dtype=np.float32)
    return Phrase(notes, entropies, notes[0].onset_ms, notes[-1].onset_ms)


def reference_for(name: str) -> JudgeReference:
    from streamer.music.notes import to_array

    rng = np.random.default_rng(0)
    rows = np.stack([describe(name, to_array(music(rng, JUDGED_NOTES))) for _ in range(400)])
    covariance = np.cov(rows.T) + 1e-4 * np.eye(rows.shape[1])
    reference = JudgeReference(rows.mean(axis=0), np.linalg.inv(covariance), 1.0)
    limit = float(np.quantile([reference.distance(r) for r in rows], 0.95))
    return JudgeReference(reference.mean, reference.precision, limit)


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_a_judge_keeps_most_of_what_is_alike(name: str) -> None:
    judge = Judge(name, reference_for(name))
    rng = np.random.default_rng(1)
    reasons = [judge(phrase_of(music(rng, JUDGED_NOTES)), Context()) for _ in range(100)]
    assert reasons.count(None) >= 85


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_a_judge_drops_a_stuck_phrase_and_names_itself(name: str) -> None:
    judge = Judge(name, reference_for(name))
    notes = tuple(Note(60, i * 50.0, 10_000.0, 64) for i in range(JUDGED_NOTES))
    assert judge(phrase_of(notes), Context()) == name


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_what_was_played_before_completes_a_short_phrase(name: str) -> None:
    judge = Judge(name, reference_for(name))
    notes = music(np.random.default_rng(2), JUDGED_NOTES + 10)
    whole = judge.distance(notes, ())
    assert judge.distance(notes[-20:], notes[:-20]) == pytest.approx(whole)


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_everything_is_kept_before_there_are_enough_notes(name: str) -> None:
    judge = Judge(name, reference_for(name))
    notes = tuple(Note(60, i * 50.0, 10_000.0, 64) for i in range(JUDGED_NOTES - 1))
    assert judge(phrase_of(notes), Context()) is None


def test_a_judge_forgets_what_was_played_before_when_it_changes() -> None:
    judge = Judge("signature", reference_for("signature"))
    rng = np.random.default_rng(3)
    phrase, first, second = music(rng, 32), music(rng, 32), music(rng, 32)
    fresh = Judge("signature", reference_for("signature"))
    judge.distance(phrase, first)
    assert judge.distance(phrase, second) == fresh.distance(phrase, second)


def test_references_survive_json() -> None:
    references = {name: reference_for(name).to_dict() for name in JUDGE_NAMES}
    judges = make_judges("both", json.loads(json.dumps(references)))
    assert [judge.name for judge in judges] == ["signature", "entropy"]  # type: ignore[attr-defined]
    assert make_judges("none", references) == ()
    assert len(make_judges("entropy", references)) == 1


@pytest.mark.parametrize(
    ("which", "references", "message"),
    [
        ("taste", {}, "judge must be one of none, both, signature, entropy"),
        ("signature", {}, "no reference for the judge signature"),
        ("entropy", {"entropy": {"mean": [0.0], "precision": [[1.0]], "limit": 1, "notes": 64}},
         "needs 6 figures"),
        ("entropy", {"entropy": {"mean": [math.nan] * 6, "precision": np.eye(6).tolist(),
                                 "limit": 1, "notes": 64}}, "finite"),
        ("entropy", {"entropy": {"mean": [0.0] * 6, "precision": np.eye(6).tolist(),
                                 "limit": 0, "notes": 64}}, "limit must be above 0"),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_made_says_why(
    which: str, references: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_judges(which, references)


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_a_judgement_costs_a_fraction_of_a_millisecond(name: str) -> None:
    judge = Judge(name, reference_for(name))
    rng = np.random.default_rng(4)
    phrase, context = phrase_of(music(rng, 32)), Context(recent=music(rng, 64))
    judge(phrase, context)
    took = []
    for _ in range(50):
        began = time.perf_counter()
        judge(phrase, context)
        took.append(time.perf_counter() - began)
    assert min(took) * 1e6 < JUDGE_LIMIT_US


def test_entropy_of_known_frequencies() -> None:
    assert entropy_bits(np.array([0, 1, 2, 3])) == pytest.approx(2.0)
    assert entropy_bits(np.array([5, 5, 5])) == 0.0
    assert entropy_bits(np.zeros(0, dtype=np.int64)) == 0.0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 50))
@settings(deadline=None)
def test_window_entropies_are_those_of_each_window(symbols: list[int], window: int) -> None:
    values = np.array(symbols, dtype=np.int64)
    width = min(window, len(values))
    expected = [entropy_bits(values[i : i + width]) for i in range(len(values) - width + 1)]
    np.testing.assert_allclose(window_entropies(values, window), expected, atol=1e-9)


def test_the_sixteen_figures_are_finite_for_any_piece() -> None:
    from streamer.music.notes import NOTE_DTYPE, to_array

    for piece in (
        np.zeros(0, dtype=NOTE_DTYPE),
        to_array(music(np.random.default_rng(5), 1)),
        to_array(music(np.random.default_rng(6), 300)),
    ):
        figures = note_entropies(piece)
        assert figures.shape == (len(WHOLE_FEATURES) + len(WINDOW_FEATURES),)
        assert np.isfinite(figures).all()
