"""Cells and notes: what goes in comes out, and nothing is struck twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.windows.codec import RollCodec

ROLL = RollCodec("roll", 8, 104)
BARS = RollCodec("bars", 4, 16, 24, 101, onsets=True)
SMALL = RollCodec("bars", 4, 8, 60, 63, onsets=True)

CELLS = st.lists(st.booleans(), min_size=SMALL.cells, max_size=SMALL.cells)


def rows(*notes: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(column) for column in zip(*notes, strict=True))


def found(codec: RollCodec, cells: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(x) for x in note) for note in codec.decode(cells)]


def test_notes_come_back_as_they_went_in() -> None:
    cells = BARS.encode(*rows((0, 4, 60), (4, 4, 60), (2, 14, 67)))
    assert found(BARS, cells) == [(0, 4, 60, 0), (2, 14, 67, 0), (4, 4, 60, 0)]


def test_without_onsets_repeated_notes_are_one_long_note() -> None:
    cells = ROLL.encode(*rows((0, 4, 60), (4, 4, 60)))
    assert found(ROLL, cells) == [(0, 8, 60, 0)]


def test_a_note_from_before_the_section_is_held_and_not_struck() -> None:
    cells = BARS.encode(*rows((-3, 5, 60), (0, 2, 64)))
    assert found(BARS, cells) == [(0, 2, 60, 1), (0, 2, 64, 0)]


def test_what_lies_outside_is_left_out_and_what_reaches_beyond_is_cut() -> None:
    cells = BARS.encode(*rows((14, 9, 60), (16, 2, 61), (-4, 4, 62), (0, 4, 23), (0, 4, 102)))
    assert found(BARS, cells) == [(14, 2, 60, 0)]


@given(CELLS)
def test_decoding_is_the_inverse_of_encoding_for_any_cells(flat: list[bool]) -> None:
    cells = np.array(flat).reshape(SMALL.shape)
    notes = SMALL.decode(cells)
    struck = notes[~notes["held"]]
    assert len(np.unique(struck[["onset", "pitch"]])) == len(struck)
    again = SMALL.encode(
        notes["onset"] - notes["held"], notes["length"] + notes["held"], notes["pitch"]
    )
    assert np.array_equal(again[..., 0], cells.any(-1))
    assert np.array_equal(SMALL.decode(again), notes)


@given(st.floats(0, 1e4), st.floats(0, 100))
def test_times_go_to_the_nearest_step_and_no_note_vanishes(onset: float, length: float) -> None:
    start, steps = ROLL.grid(np.array([onset]), np.array([length]))
    assert abs(start[0] / 8 - onset) <= 1 / 16 + 1e-9
    assert steps[0] >= 1
    assert abs(steps[0] / 8 - length) <= max(1 / 8, 0) + 1e-6


def test_the_plain_form_is_read_back_and_the_fingerprint_tells_codecs_apart() -> None:
    assert RollCodec.from_dict(BARS.to_dict()) == BARS
    assert BARS.fingerprint == RollCodec.from_dict(BARS.to_dict()).fingerprint
    assert len({BARS.fingerprint, ROLL.fingerprint, SMALL.fingerprint}) == 3


@pytest.mark.parametrize(
    "wrong", [{"steps_per_beat": 0}, {"steps": 5000}, {"low": 70, "high": 60}, {"high": 128}]
)
def test_impossible_grids_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="whole number in range"):
        RollCodec(**wrong)
