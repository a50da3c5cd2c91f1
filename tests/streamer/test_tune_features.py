"""Features of tunes: the spec's sixteen entropies, the same one by one and many at once."""

from __future__ import annotations

import math
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.families.tunes.codec import to_tune
from streamer.families.tunes.features import TUNE_FEATURES, feature_names, tune_features
from streamer.measures.note_entropy import WINDOWS, window_entropies

TUNES_A_SECOND = 2000
"""A generous bound; measured 14,000 a second for tunes of 64 notes on a busy core."""


def bits(symbols) -> float:
    counts = Counter(symbols).values()
    total = sum(counts)
    return -sum(c / total * math.log2(c / total) for c in counts)


notes = st.lists(
    st.tuples(st.integers(36, 96), st.sampled_from([0, 3, 6, 12, 24, 192])), min_size=2, max_size=80
)


def tune_of(rows):
    return to_tune(*zip(*rows, strict=True))


@given(notes)
@settings(max_examples=60)
def test_the_six_entropies_are_those_of_the_frequencies(rows):
    pitch, length = (list(column) for column in zip(*rows, strict=True))
    step = [b - a for a, b in zip(pitch, pitch[1:], strict=False)]
    change = [b - a for a, b in zip(length, length[1:], strict=False)]
    wanted = [
        bits(p % 12 for p in pitch), bits(s % 12 for s in step), bits(length), bits(change),
        bits(pitch), bits(step),
    ]  # fmt: skip
    assert tune_features([tune_of(rows)])[0, :6] == pytest.approx(wanted, abs=1e-9)


@given(notes)
@settings(max_examples=60)
def test_window_entropies_are_those_of_every_window_and_of_the_whole_when_it_is_shorter(rows):
    tune = tune_of(rows)
    found = tune_features([tune])[0, 6:]
    each = [window_entropies(tune["pitch"], w) for w in WINDOWS]
    wanted = [w.min() for w in each] + [w.mean() for w in each]
    assert found == pytest.approx(wanted, abs=1e-9)


@given(st.lists(notes, min_size=1, max_size=12))
@settings(max_examples=30)
def test_many_tunes_at_once_give_what_each_gives_alone(many):
    tunes = [tune_of(rows) for rows in many]
    alone = np.concatenate([tune_features([tune]) for tune in tunes])
    assert tune_features(tunes) == pytest.approx(alone, abs=1e-12)


@given(notes, st.integers(-20, 20))
@settings(max_examples=30)
def test_the_key_does_not_matter(rows, semitones):
    tune = tune_of(rows)
    moved = tune.copy()
    moved["pitch"] = tune["pitch"].astype(int) + semitones
    assert tune_features([moved]) == pytest.approx(tune_features([tune]), abs=1e-12)


def test_one_note_again_and_again_has_no_entropy():
    assert not tune_features([to_tune([60] * 40, [12] * 40)]).any()


def test_a_tune_of_one_note_is_refused():
    with pytest.raises(ValueError, match="2 notes or more, not 1"):
        tune_features([to_tune([60], [12])])


def test_no_tunes_give_no_rows():
    assert tune_features([]).shape == (0, 16)


def test_there_are_sixteen_names_and_the_latent_ones_after_them():
    assert len(TUNE_FEATURES) == 16
    assert feature_names(2) == (*TUNE_FEATURES, "z_0", "z_1")


def test_thousands_of_tunes_a_second():
    rng = np.random.default_rng(0)
    tunes = [to_tune(rng.integers(55, 80, 64), rng.choice([6, 12, 24], 64)) for _ in range(512)]
    began = time.perf_counter()
    tune_features(tunes)
    assert len(tunes) / (time.perf_counter() - began) > TUNES_A_SECOND
