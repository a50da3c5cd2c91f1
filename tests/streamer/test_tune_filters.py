"""Rules for tunes: each drops what it is for and nothing else, with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.tunes.codec import END, to_tune
from streamer.families.tunes.context import TuneContext, TuneRules
from streamer.families.tunes.filters import (
    TUNE_FILTERS,
    TUNE_RELAX_ORDER,
    close,
    heard_before,
    leap,
    off_beat,
    repeated,
    tune_density,
    tune_empty,
    tune_loop,
    tune_range,
)
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import Context, Limits, first_reason, relax

SCALE = (60, 62, 64, 65, 67, 65, 69, 67, 71, 72, 71, 67, 64, 65, 62, 60)


def seen(
    pitches: tuple[int, ...] = SCALE,
    lengths: tuple[int, ...] | int = 12,
    before: tuple[int, ...] = (),
    **more: Any,
) -> tuple[Phrase, TuneContext]:
    """A candidate of quarters at 120 a minute, and what a filter may look at."""
    each = (lengths,) * len(pitches) if isinstance(lengths, int) else lengths
    tune = to_tune(np.array([*before, *pitches]), np.array([*(12,) * len(before), *each]))
    onsets = np.concatenate([[0], np.cumsum(each)])[: len(pitches)] / 12 * 500.0
    notes = tuple(Note(p, float(t), 100.0, 64) for p, t in zip(pitches, onsets, strict=True))
    end = float(onsets[-1]) + 500.0 if len(pitches) else 0.0
    phrase = Phrase(notes, np.zeros((len(notes), 3), np.float32), 0.0, end)
    beats = 12.0 * onsets / 500.0 + more.pop("start", 0.0)
    return phrase, TuneContext(tune=tune, fresh=len(pitches), onsets=beats, **more)


def test_plain_tune_passes_every_rule() -> None:
    assert first_reason(*seen(), TUNE_FILTERS) is None


@pytest.mark.parametrize(
    ("check", "bad", "reason"),
    [
        (tune_empty, seen(()), "empty"),
        (tune_empty, seen(lengths=(*(12,) * 15, 97)), "empty"),
        (tune_empty, seen(lengths=48, limits=Limits(longest_rest_ms=1999.0)), "empty"),
        (tune_range, seen((40, *SCALE[1:])), "range"),
        (tune_range, seen(limits=Limits(pitch_high=70)), "range"),
        (tune_range, seen(transpose=60), "range"),
        (leap, seen((60, 77, 60)), "leap"),
        (leap, seen((60, 62), before=(80,)), "leap"),
        (repeated, seen((60,) * 7), "repeated"),
        (repeated, seen((60,), before=(60,) * 6), "repeated"),
        (repeated, seen((60, 62) * 4 + (60,)), "repeated"),
        (off_beat, seen(start=2.0), "off-beat"),
        (off_beat, seen(lengths=(2, *(12,) * 15)), "off-beat"),
        (tune_density, seen(lengths=1), "density"),
        (tune_density, seen(lengths=60), "density"),
        (tune_density, seen(limits=Limits(density=(3.0, 60.0))), "density"),
        (tune_loop, seen((60, 64, 67) * 8), "loop"),
        (tune_loop, seen((60, 64, 67) * 2, before=(60, 64, 67) * 6), "loop"),
        (heard_before, seen(heard=0.4), "heard"),
        (close, seen((*SCALE[:-1], 62), (*(12,) * 15, END), closing=(0, 4, 7)), "close"),
    ],
)
def test_rule_drops_what_it_is_for(check: Any, bad: Any, reason: str) -> None:
    assert reason == check(*bad)


@pytest.mark.parametrize("check", TUNE_FILTERS)
def test_no_rule_drops_the_plain_tune_or_music_of_other_families(check: Any) -> None:
    assert check(*seen()) is None
    assert check(seen()[0], Context()) is None


def test_bounds_are_those_of_the_rules() -> None:
    strict = TuneRules(leap=3, same_pitch_run=1, longest_beats=0.5)
    assert leap(*seen(rules=strict)) == "leap"
    assert tune_empty(*seen(rules=strict)) == "empty"
    assert leap(*seen((60, 77, 60), rules=replace(strict, leap=17))) is None


def test_density_control_moves_the_bounds_on_density() -> None:
    assert tune_density(*seen(lengths=60)) == "density"
    assert tune_density(*seen(lengths=60, density_scale=0.5)) is None


def test_tune_may_close_on_its_triad_and_go_on_from_anywhere() -> None:
    ending = (*(12,) * 15, END)
    assert close(*seen(lengths=ending, closing=(0, 4, 7))) is None
    assert close(*seen((*SCALE[:-1], 62), closing=(0, 4, 7))) is None
    assert close(*seen((*SCALE[:-1], 62), ending)) is None


def test_every_reason_has_its_place_in_the_order_in_which_they_are_given_up() -> None:
    """Those of the panels too."""
    reasons = {"empty", "range", "leap", "repeated", "off-beat", "density", "loop", "heard",
               "close", "classifier", "plagiarism"}  # fmt: skip
    assert reasons == {*TUNE_RELAX_ORDER}


@given(st.lists(st.sets(st.sampled_from(TUNE_RELAX_ORDER)), min_size=1, max_size=8))
def test_relaxing_keeps_what_needs_the_fewest_rules_given_up(found: list[set[str]]) -> None:
    kept, given_up = relax([frozenset(reasons) for reasons in found], TUNE_RELAX_ORDER)
    assert kept
    for k, reasons in enumerate(found):
        assert (k in kept) == (reasons <= {*given_up}) or len(given_up) == 0
