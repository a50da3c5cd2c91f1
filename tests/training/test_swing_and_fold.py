"""The rhythm behind played onsets, and lengths folded to eleven."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.corpora.fold import LONGEST_BEATS, fold, shorten_rests
from training.corpora.swing import swing_of, written_onsets

SHAKE = 0.02
"""Standard deviation of a careful player, beats."""


def ticks(onset: np.ndarray) -> list[int]:
    return [int(t) for t in np.round(written_onsets(onset) * 12)]


def test_swung_eighths_are_written_as_eighths() -> None:
    rng = np.random.default_rng(1)
    onset = np.sort(np.concatenate([np.arange(20.0), np.arange(20) + 0.64]))
    played = onset + rng.normal(0, SHAKE, 40)
    assert swing_of(played) == pytest.approx(0.64, abs=0.02)
    assert ticks(played) == [6 * i for i in range(40)]


def test_straight_eighths_sixteenths_and_triplets_are_written_as_they_are() -> None:
    rng = np.random.default_rng(2)
    written = [*range(0, 96, 6), *range(96, 144, 3), *range(144, 192, 4), *range(192, 288, 12)]
    played = np.sort(np.array(written) / 12 + rng.normal(0, SHAKE, len(written)))
    found = ticks(played)
    right = np.mean([a == b for a, b in zip(found, written, strict=True)])
    assert right > 0.95  # 1.0 is measured


def test_a_note_just_before_a_beat_is_that_beats() -> None:
    assert ticks(np.array([0.0, 0.96, 2.0, 2.97])) == [0, 12, 24, 36]


@settings(max_examples=60)
@given(st.lists(st.floats(0, 8), min_size=1, max_size=60))
def test_written_onsets_ascend_on_twelfths_whatever_was_played(times: list[float]) -> None:
    found = written_onsets(np.sort(np.array(times)))
    assert len(found) == len(times)
    assert (np.diff(found) > 0).all()
    assert np.allclose(found * 12, np.round(found * 12))


def test_long_rests_lose_whole_bars() -> None:
    delays, count = shorten_rests(np.array([1.0, 8.0, 8.5, 21.0]), 4.0)
    assert delays.tolist() == [1.0, 8.0, 4.5, 5.0]
    assert count == 2


def test_of_bars_longer_than_the_limit_beats_are_taken() -> None:
    delays, _ = shorten_rests(np.array([20.5]), 12.0)
    assert delays.tolist() == [LONGEST_BEATS - 0.5]


def test_few_lengths_stay_as_they_are() -> None:
    lengths = np.array([6, 12, 24])
    folded, changed = fold(lengths)
    assert folded.tolist() == [6, 12, 24]
    assert changed == 0


def test_rare_lengths_become_the_nearest_common_one() -> None:
    lengths = np.array([12] * 50 + [24] * 30 + [48] * 10 + [11, 25, 50])
    folded, changed = fold(lengths, most=3)
    assert sorted(set(folded.tolist())) == [12, 24, 48]
    assert folded[-3:].tolist() == [12, 24, 48]
    assert changed == pytest.approx(3 / 93)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 12), min_size=4, max_size=40), st.integers(1, 3))
def test_folding_costs_no_more_than_any_other_choice(lengths: list[int], most: int) -> None:
    array = np.array(lengths)
    folded, _ = fold(array, most)
    assert len(set(folded.tolist())) <= most
    values = sorted(set(lengths))

    def cost(choice: tuple[int, ...]) -> float:
        moved = np.abs(np.log2(array[:, None] / np.array(choice)[None, :]))
        return float((moved + 0.5 * (moved > 0)).min(axis=1).sum())

    best = min(cost(choice) for choice in combinations(values, min(most, len(values))))
    assert cost(tuple(sorted(set(folded.tolist())))) == pytest.approx(best)
