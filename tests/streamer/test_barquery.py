"""Bars of what is played: each onset in the bar whose sixteenth is nearest, ties over the line."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.windows.barquery import BarCollector
from streamer.families.windows.codec import RollCodec

CODEC = RollCodec("bars", 4, 16, 48, 71, onsets=True)
LONGEST = 32
CLOSE_BEATS = 1 / 8


def collector() -> BarCollector:
    return BarCollector(CODEC, LONGEST)


def notes(bar: np.ndarray) -> list[tuple[int, int, int, bool]]:
    """Return (pitch, onset, steps, held before) of each note."""
    return [
        (int(n["pitch"]), int(n["onset"]), int(n["length"]), bool(n["held"]))
        for n in CODEC.decode(bar)
    ]


def test_a_key_is_a_note_on_the_nearest_sixteenth() -> None:
    bars = collector()
    bars.strike(60, 0.1)
    bars.release(60, 1.05)
    bars.strike(64, 1.63)
    bars.release(64, 1.64)
    assert notes(bars.close(4.0)) == [(60, 0, 4, False), (64, 7, 1, False)]


def test_half_a_sixteenth_before_the_line_belongs_to_the_next_bar() -> None:
    bars = collector()
    bars.strike(60, 4 - CLOSE_BEATS - 1e-6)
    bars.release(60, 4 - CLOSE_BEATS - 1e-7)
    bars.strike(62, 4 - CLOSE_BEATS)
    assert notes(bars.close(4.0)) == [(60, 15, 1, False)]
    bars.release(62, 4.5)
    assert notes(bars.close(8.0)) == [(62, 0, 2, False)]


def test_a_key_held_over_the_line_is_a_tie_without_an_onset() -> None:
    bars = collector()
    bars.strike(60, 3.0)
    first = bars.close(4.0)
    bars.release(60, 5.0)
    second = bars.close(8.0)
    assert notes(first) == [(60, 12, 4, False)]
    assert notes(second) == [(60, 0, 4, True)]
    assert not second[0, :, 1].any()
    assert not bars.close(12.0).any()


def test_a_key_released_just_before_the_line_is_no_tie() -> None:
    bars = collector()
    bars.strike(60, 3.0)
    bars.release(60, 3.99)
    assert notes(bars.close(4.0)) == [(60, 12, 4, False)]
    assert not bars.close(8.0).any()


def test_what_comes_after_its_bar_was_closed_is_the_next_bars_first() -> None:
    bars = collector()
    bars.close(4.0)
    bars.strike(60, 3.5)
    bars.release(60, 3.6)
    assert notes(bars.close(8.0)) == [(60, 0, 1, False)]


def test_a_key_that_is_stuck_is_let_go() -> None:
    bars = collector()
    bars.strike(60, 0.0)
    held = [bool(bars.close(line).any()) for line in (4.0, 8.0, 12.0, 16.0)]
    assert held == [True, True, False, False]
    bars.release(60, 17.0)
    bars.strike(60, 18.0)
    bars.release(60, 18.5)
    assert notes(bars.close(20.0)) == [(60, 8, 2, False)]


def test_a_key_struck_again_without_a_release_is_two_notes() -> None:
    bars = collector()
    bars.strike(60, 0.0)
    bars.strike(60, 1.0)
    bars.release(60, 2.0)
    assert notes(bars.close(4.0)) == [(60, 0, 4, False), (60, 4, 4, False)]


def test_pitches_that_the_model_does_not_know_are_left_out() -> None:
    bars = collector()
    assert [bars.strike(pitch, 0.0) for pitch in (0, 47, 48, 71, 72, 127)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    bars.release(47, 1.0)
    bars.release_all(1.0)
    assert notes(bars.close(4.0)) == [(48, 0, 4, False), (71, 0, 4, False)]


def test_a_chord_of_forty_and_a_flood_take_no_more_room() -> None:
    bars = collector()
    for _ in range(200):
        for pitch in range(40, 80):
            bars.strike(pitch, 0.0)
    bar = bars.close(4.0)
    assert bar.shape == CODEC.shape
    assert bar[0].all()


def test_bars_that_nobody_closed_are_forgotten() -> None:
    bars = collector()
    bars.strike(60, 0.0)
    bars.release(60, 1.0)
    bars.strike(62, 40.5)
    bars.release(62, 41.0)
    assert notes(bars.close(44.0)) == [(62, 2, 2, False)]
    bars.strike(64, 45.0)
    assert not bars.close(400.0)[..., 1].any()


def test_a_line_that_lies_back_begins_anew() -> None:
    bars = collector()
    bars.strike(60, 9.0)
    bars.close(12.0)
    assert notes(bars.close(4.0)) == []


PLAYED = st.lists(
    st.tuples(st.integers(48, 71), st.floats(0, 24, width=32), st.floats(0.0078125, 3, width=32)),
    max_size=60,
)


@given(PLAYED)
def test_every_onset_is_in_one_bar_at_the_nearest_sixteenth(
    played: list[tuple[int, float, float]],
) -> None:
    bars, found = collector(), set()
    events = [(onset, 0, pitch) for pitch, onset, _ in played]
    events += [(onset + length, 1, pitch) for pitch, onset, length in played]
    lines = [4.0 * bar for bar in range(1, 9)]
    events += [(line - CLOSE_BEATS, -1, int(line)) for line in lines]
    for beat, what, value in sorted(events):
        if what < 0:
            bar = bars.close(float(value))
            for step, key in np.argwhere(bar[..., 1]).tolist():
                found.add((key + CODEC.low, step + value * 4 - 16))
            # An onset is a held key too, and nothing outlasts what a key can be down.
            assert (bar[..., 0] >= bar[..., 1]).all()
        elif what:
            bars.release(value, beat)
        else:
            bars.strike(value, beat)
    wanted = {(pitch, math.floor(onset * 4 + 0.5)) for pitch, onset, _ in played}
    assert found == wanted


@given(PLAYED)
def test_bars_joined_again_sound_when_keys_were_down(
    played: list[tuple[int, float, float]],
) -> None:
    bars = collector()
    down: dict[int, set[int]] = {}
    free: dict[int, float] = {}
    events = []
    for pitch, onset, length in sorted(played, key=lambda note: note[1]):
        # One hand a key: it is struck again only after it came up.
        if onset >= free.get(pitch, -1.0):
            free[pitch] = onset + length + 1e-3
            events += [(onset, pitch, True), (onset + length, pitch, False)]
            first, last = (math.floor(at * 4 + 0.5) for at in (onset, onset + length))
            down.setdefault(pitch, set()).update(range(first, max(last, first + 1)))
    sounding: dict[int, set[int]] = {}
    events += [(4.0 * bar - CLOSE_BEATS, -bar, False) for bar in range(1, 9)]
    for beat, pitch, on in sorted(events):
        if pitch < 0:
            bar = bars.close(-4.0 * pitch)
            for step, key in np.argwhere(bar[..., 0]).tolist():
                sounding.setdefault(key + 48, set()).add(step - 16 * (pitch + 1))
        elif on:
            bars.strike(pitch, beat)
        else:
            bars.release(pitch, beat)
    assert sounding == down
