"""Hard filters: each drops what it is for and nothing else, with its reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.music.notes import Note, Phrase
from streamer.selection.filters import (
    FILTERS,
    RELAX_ORDER,
    Context,
    Limits,
    all_reasons,
    density,
    dynamics,
    empty,
    first_reason,
    loop,
    pitch_range,
    polyphony,
    relax,
    stuck,
)

SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83, 84, 86)


def phrase(
    pitches: tuple[int, ...] = SCALE,
    step_ms: float = 200.0,
    duration_ms: float = 150.0,
    velocity: int = 64,
    start_ms: float = 0.0,
) -> Phrase:
    """Notes of equal length, one after the other."""
    notes = tuple(
        Note(pitch, start_ms + step_ms * (i + 1), duration_ms, velocity)
        for i, pitch in enumerate(pitches)
    )
    end_ms = notes[-1].onset_ms if notes else start_ms
    return Phrase(notes, np.zeros((len(notes), 5), np.float32), start_ms, end_ms)


def test_plain_phrase_passes_every_filter() -> None:
    """A scale at five notes a second is music."""
    assert first_reason(phrase(), Context(), FILTERS) is None


@pytest.mark.parametrize(
    ("check", "bad", "reason"),
    [
        (empty, phrase(()), "empty"),
        (empty, phrase(step_ms=0.0), "empty"),
        (empty, phrase(step_ms=6001.0), "empty"),
        (pitch_range, phrase((20, *SCALE)), "range"),
        (pitch_range, phrase((*SCALE, 109)), "range"),
        (pitch_range, phrase((30,) * 8), "range"),
        (density, phrase(step_ms=2500.0), "density"),
        (density, phrase(step_ms=15.0), "density"),
        (stuck, phrase((60,) * 8), "stuck"),
        (stuck, phrase((*SCALE, *(60,) * 13)), "stuck"),
        (polyphony, phrase(duration_ms=10000.0), "polyphony"),
        (dynamics, phrase(velocity=19), "dynamics"),
        (dynamics, phrase(velocity=121), "dynamics"),
        (loop, phrase((60, 64, 67) * 16), "loop"),
    ],
)
def test_filter_drops_what_it_is_for(check: object, bad: Phrase, reason: str) -> None:
    """The reason is a short stable word."""
    assert reason == check(bad, Context())  # type: ignore[operator]


@pytest.mark.parametrize("check", FILTERS)
def test_no_filter_drops_the_plain_phrase(check: object) -> None:
    """Each by itself."""
    assert check(phrase(), Context()) is None  # type: ignore[operator]


def test_rest_is_counted_from_the_note_before_the_phrase() -> None:
    """A phrase that begins late has a hole in front of it."""
    late = Phrase((Note(60, 9000.0, 100.0, 64),), np.zeros((1, 5), np.float32), 0.0, 9000.0)
    assert empty(late, Context()) == "empty"


def test_keys_in_a_row_are_counted_across_the_seam() -> None:
    """Ten repetitions in the past and three in the phrase are thirteen."""
    recent = phrase((60,) * 10).notes
    context = Context(recent=recent)
    assert stuck(phrase((60, 60, 60, *SCALE[1:])), context) == "stuck"
    assert stuck(phrase((60, 60, *SCALE[1:])), context) is None


def test_loop_is_found_across_the_seam() -> None:
    """Neither part is long enough to be one by itself."""
    figure = (60, 64, 67, 72)
    assert loop(phrase(figure * 4), Context()) is None
    assert loop(phrase(figure * 4), Context(recent=phrase(figure * 12).notes)) == "loop"


def test_phrase_that_only_repeats_the_last_minutes_is_a_loop() -> None:
    """What came back is counted by the memory and bounded here."""
    assert loop(phrase(), Context(returned=lambda _: 0.8)) == "loop"
    assert loop(phrase(), Context(returned=lambda _: 0.5)) is None


def test_density_control_moves_the_bounds_on_density() -> None:
    """Who asks for half the notes does not lose them to the filter."""
    slow = phrase(step_ms=2500.0)
    assert density(slow, Context()) == "density"
    assert density(slow, Context(density_scale=0.5)) is None


def test_all_reasons_of_a_phrase_are_told_when_asked() -> None:
    """The first is counted; all are needed to relax."""
    bad = phrase((60,) * 20, velocity=125)
    assert first_reason(bad, Context(), FILTERS) == "stuck"
    assert frozenset({"stuck", "dynamics"}) == all_reasons(bad, Context(), FILTERS)


def test_relaxing_gives_up_taste_before_broken_music() -> None:
    """The candidate that is only too loud goes before the one that is stuck."""
    kept, given_up = relax([frozenset({"stuck"}), frozenset({"dynamics"}), frozenset({"empty"})])
    assert [1] == kept
    assert ("dynamics",) == given_up


def test_relaxing_gives_up_every_reason_up_to_the_one_that_is_needed() -> None:
    """The order is stated and nothing is skipped."""
    kept, given_up = relax([frozenset({"loop", "dynamics"})])
    assert [0] == kept
    assert ("dynamics", "density", "polyphony", "loop") == given_up


def test_relaxing_gives_up_unknown_reasons_first() -> None:
    """A filter of somebody's own must not starve the stream, and is named when it is given up."""
    assert relax([frozenset({"own"}), frozenset({"density"})]) == ([0], ("own",))
    both = [frozenset({"own"}), frozenset({"dynamics"}), frozenset({"density"})]
    assert relax(both) == ([0, 1], ("dynamics",))


def test_relaxing_nothing_is_refused() -> None:
    """There is always a candidate; its absence is a defect of the caller."""
    with pytest.raises(ValueError, match="1 candidate or more"):
        relax([])


@given(st.lists(st.frozensets(st.sampled_from(RELAX_ORDER)), min_size=1, max_size=8))
def test_relaxing_always_lets_some_candidate_pass(reasons: list[frozenset[str]]) -> None:
    """The stream is never starved, and who passes has no reason left."""
    kept, given_up = relax(reasons)
    assert kept
    assert all(reasons[k] <= {*given_up} for k in kept)
    assert given_up == RELAX_ORDER[: len(given_up)]


def test_bounds_come_from_the_limits() -> None:
    """A bundle with other music brings other bounds."""
    context = Context(Limits(velocity=(10.0, 15.0), polyphony=30))
    assert dynamics(phrase(velocity=12), context) is None
    assert polyphony(phrase(duration_ms=10000.0), context) is None
