"""Bands: notes to states and back, chords, repeats, windows; and the flower of their prior."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.bands.codec import (
    HOLD,
    SILENCE,
    TRACKS,
    BandCodec,
    merge_repeats,
    song_states,
    sounding_pitches,
    transpose,
)
from streamer.families.bands.flower import OTHER_SD, RADIAL_SD, Flower

CODEC = BandCodec(4, 16)
NOTHING = (np.zeros(0, int), np.zeros(0, int), np.zeros(0, int))


def band(track: int, *notes: tuple[int, int, int], steps: int = 16) -> np.ndarray:
    """Return states of a song in which one track plays (onset, length, pitch)."""
    columns = tuple(np.array(c) for c in zip(*notes, strict=True))
    tracks = [NOTHING] * 4
    tracks[track] = columns
    return song_states(tracks, steps)


def shown(states: np.ndarray, track: int) -> list[int]:
    return states[:, track].tolist()


@st.composite
def lines(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Notes of one track, one after another, within sixteen steps."""
    notes, at = [], 0
    while at < 16:
        at += draw(st.integers(0, 3))
        length = draw(st.integers(1, 6))
        if at + length > 16:
            break
        notes.append((at, length, draw(st.integers(0, 127))))
        at += length
    return notes


@given(st.lists(lines(), min_size=4, max_size=4))
def test_what_four_tracks_play_comes_back(tracks: list[list[tuple[int, int, int]]]) -> None:
    columns = [tuple(np.array(c) for c in zip(*n, strict=True)) if n else NOTHING for n in tracks]
    notes = CODEC.decode(song_states(columns, 16))
    for track in range(4):
        mine = notes[notes["track"] == track]
        found = [(int(n["onset"]), int(n["length"]), int(n["pitch"])) for n in mine]
        assert found == tracks[track]
    assert not notes["held"].any()


def test_of_a_chord_the_lowest_note_is_heard_and_another_when_that_ends() -> None:
    states = band(2, (0, 4, 64), (0, 2, 60), (0, 4, 67))
    assert shown(states, 2)[:5] == [60, HOLD, 64, HOLD, SILENCE]
    assert shown(states, 0) == [SILENCE] * 16


def test_a_lower_note_takes_over_and_the_upper_comes_back() -> None:
    assert shown(band(1, (0, 6, 50), (2, 2, 40)), 1)[:7] == [50, HOLD, 40, HOLD, 50, HOLD, SILENCE]


def test_a_repeated_note_is_an_onset_and_in_the_release_it_is_held() -> None:
    states = band(1, (0, 2, 40), (2, 2, 40), (6, 1, 40))
    kept = BandCodec(4, 8).window(states, 0)
    assert shown(kept, 1) == [40, HOLD, 40, HOLD, SILENCE, SILENCE, 40, SILENCE]
    merged = BandCodec(4, 8, "release").window(states, 0)
    assert shown(merged, 1) == [40, HOLD, HOLD, HOLD, SILENCE, SILENCE, 40, SILENCE]
    assert np.array_equal(merge_repeats(merged), merged)


def test_a_window_begins_with_what_still_sounds() -> None:
    states = band(3, (2, 8, 70), (12, 2, 72))
    window = BandCodec(4, 8).window(states, 4)
    assert shown(window, 3) == [70, *[HOLD] * 5, SILENCE, SILENCE]
    beyond = BandCodec(4, 8).window(states, 12)
    assert shown(beyond, 3) == [72, HOLD, *[SILENCE] * 6]
    assert (BandCodec(4, 8).window(states, 99) == SILENCE).all()


def test_a_hold_at_the_start_goes_on_with_what_sounded_before() -> None:
    states = np.full((4, 4), SILENCE, np.uint8)
    states[0, 1] = HOLD
    assert len(BandCodec(4, 4).decode(states)) == 0
    (note,) = BandCodec(4, 4).decode(states, [None, 40, 50, None]).tolist()
    assert note == (1, 0, 1, 40, True)


def test_transposing_leaves_drums_holds_and_rests_and_stays_within_midi() -> None:
    states = np.array([[36, 40, 126, 3], [HOLD, SILENCE, HOLD, HOLD]], np.uint8)
    assert transpose(states, 5).tolist() == [[36, 45, 119, 8], [HOLD, SILENCE, HOLD, HOLD]]
    assert transpose(states, -5).tolist()[0] == [36, 35, 121, 10]
    both = transpose(np.stack([states, states]), np.array([0, 2]))
    assert both[:, 0, 1].tolist() == [40, 42]


def test_what_sounds_is_known_in_every_step() -> None:
    states = band(0, (1, 3, 36), (6, 1, 38))
    assert sounding_pitches(states)[:8, 0].tolist() == [
        SILENCE, 36, 36, 36, SILENCE, SILENCE, 38, SILENCE,
    ]  # fmt: skip


def test_what_is_out_of_range_is_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match=r"steps must be a whole number in range 1\.\.1024"):
        BandCodec(4, 0)
    with pytest.raises(ValueError, match="hold must be one of onsets, release"):
        BandCodec(hold="midi")
    with pytest.raises(ValueError, match="tracks must be drums"):
        BandCodec.from_dict({**CODEC.to_dict(), "tracks": ["tuba"]})


def test_codecs_that_mean_something_else_have_another_fingerprint() -> None:
    codecs = [CODEC, BandCodec(4, 32), BandCodec(2, 16), BandCodec(4, 16, "release")]
    assert len({codec.fingerprint for codec in codecs}) == 4
    assert CODEC.sizes == (130,) * len(TRACKS)


def test_petals_are_long_along_the_radius_and_narrow_elsewhere() -> None:
    flower = Flower(8, 32)
    rng = np.random.default_rng(0)
    petal = np.full(20_000, 8)
    z = flower.sample(petal, rng)
    # Petal 8 of 32 points along the second axis.
    assert z.mean(0)[:2] == pytest.approx([0, 1], abs=0.01)
    assert z.std(0) == pytest.approx([OTHER_SD, RADIAL_SD, *[OTHER_SD] * 6], rel=0.03)
    assert (flower.nearest(z) == 8).mean() > 0.6
    centre = flower.sample(np.full(20_000, flower.untagged), rng)
    assert centre.std(0)[:2] == pytest.approx([RADIAL_SD] * 2, rel=0.03)


def test_folding_is_the_inverse_of_unfolding() -> None:
    flower, rng = Flower(5, 7), np.random.default_rng(1)
    standard = rng.standard_normal((8, 5))
    petal = np.arange(8)
    assert np.allclose(flower.fold(flower.unfold(standard, petal), petal), standard, atol=1e-5)


def test_few_genres_are_spread_over_the_circle() -> None:
    assert Flower(4, 32).place(4) == [0, 8, 16, 24]
    with pytest.raises(ValueError, match="33 genres for 32 petals"):
        Flower(4, 32).place(33)
