"""The fingerprint never misses a copy, in any key, and seldom takes new music for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.families.tunes.codec import to_tune
from streamer.families.tunes.fingerprint import (
    RUN_NOTES,
    Fingerprint,
    bit_places,
    known_in,
    make_bits,
    run_hashes,
)

SCALE_HASH = 4224409340608609745
"""Of a major scale in equal notes: a bundle's bits mean the same for ever."""

FALSE_SHARE = 0.005
"""Of unknown runs that may be taken for known; sixteen bits and five hashes give 0.0014."""


def line(rng: np.random.Generator, notes: int):
    return to_tune(rng.integers(50, 80, notes), rng.choice([3, 6, 12, 18, 24, 36], notes))


def fingerprint_of(tunes) -> Fingerprint:
    table = make_bits(tunes)
    return Fingerprint(known_in(table), 8 * len(table))


@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.integers(-12, 12))
@settings(max_examples=40, deadline=None)
def test_a_copy_in_any_key_is_found_in_full(seed, notes, semitones):
    rng = np.random.default_rng(seed)
    corpus = [line(rng, 100) for _ in range(3)]
    copy = corpus[1][20 : 20 + notes].copy()
    copy["pitch"] = copy["pitch"].astype(int) + semitones
    mine = np.concatenate([line(rng, 16), copy, line(rng, 16)])
    assert fingerprint_of(corpus).longest_runs([mine])[0] >= notes


def test_new_music_is_seldom_taken_for_known():
    rng = np.random.default_rng(0)
    corpus = [line(rng, 500) for _ in range(20)]
    table = make_bits(corpus)
    hashes = run_hashes(line(rng, 5000))
    assert known_in(table)(bit_places(hashes, 8 * len(table))).mean() < FALSE_SHARE
    assert known_in(table)(bit_places(run_hashes(corpus[3]), 8 * len(table))).all()


def test_other_lengths_make_another_run():
    tune = to_tune([60, 62, 64, 65, 67, 69, 71, 72], [12] * 8)
    slow = to_tune(tune["pitch"], [12, 12, 24, 12, 12, 12, 12, 12])
    found = fingerprint_of([tune])
    assert found.longest_runs([tune, slow]).tolist() == [8, 0]


def test_the_length_of_the_last_note_of_a_run_does_not_count():
    tune = to_tune([60, 62, 64, 65, 67, 69, 71, 72], [12] * 8)
    ended = to_tune(tune["pitch"], [12] * 7 + [0])
    assert fingerprint_of([tune]).longest_runs([ended]).tolist() == [RUN_NOTES]


def test_only_runs_that_reach_into_the_fresh_notes_count():
    rng = np.random.default_rng(1)
    corpus = [line(rng, 60)]
    mine = np.concatenate([corpus[0][:20], line(rng, 16)])
    found = fingerprint_of(corpus)
    assert found.longest_runs([mine])[0] >= 20
    assert found.longest_runs([mine], [16])[0] < RUN_NOTES + 2
    assert found.longest_runs([mine], [17])[0] >= 20


def test_tunes_shorter_than_a_run_have_none():
    found = fingerprint_of([line(np.random.default_rng(0), 60)])
    assert found.longest_runs([to_tune([60] * 7, [12] * 7), to_tune([], [])]).tolist() == [0, 0]
    assert found.longest_runs([]).tolist() == []


def test_a_run_of_one_note_is_refused():
    with pytest.raises(ValueError, match="2 or more, not 1"):
        run_hashes(to_tune([60], [12]), 1)


def test_hashes_are_the_same_in_every_process():
    tune = to_tune([60, 62, 64, 65, 67, 69, 71, 72], [12] * 8)
    assert run_hashes(tune).tolist() == [SCALE_HASH]
