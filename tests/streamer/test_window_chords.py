"""Notes of a section that are moved to its chords: each to a key of its own, where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.windows.chords import SectionHarmony, fitted
from streamer.families.windows.codec import RollCodec
from streamer.music.harmony import Harmony
from streamer.music.progressions import read_progression

CODEC = RollCodec("bars", 4, 16, 48, 84, onsets=True)
ROLL = RollCodec("roll", 4, 16, 48, 84)
A_MINOR = {9, 0, 4}


def moved(
    codec: RollCodec, *notes: tuple[int, int, int], strength: float = 1.0
) -> list[tuple[int, int, int]]:
    """Fit notes (onset and length in steps, pitch) to A minor; nothing is likelier than another."""
    chords = SectionHarmony.of(Harmony(read_progression("Am")[1], None, strength), codec, 0.0, 4.0)
    assert chords is not None
    cells = codec.encode(*(np.array(column) for column in zip(*notes, strict=True)))
    found, _ = fitted(cells, np.full(codec.shape, 0.5), codec, chords)
    return [(int(n["onset"]), int(n["length"]), int(n["pitch"])) for n in codec.decode(found)]


@pytest.mark.parametrize("codec", [CODEC, ROLL])
@pytest.mark.parametrize("strength", [0.7, 1.0])
@pytest.mark.parametrize("keys", [(68, 70), (69, 70), (70, 69), (68, 69, 70), (71, 73)])
def test_notes_that_would_meet_on_a_key_go_to_keys_of_their_own(codec, strength, keys):
    notes = moved(codec, *((0, 4, key) for key in keys), strength=strength)
    assert len(keys) == len(notes)
    assert {pitch % 12 for _, _, pitch in notes} <= A_MINOR
    assert all(min(abs(pitch - key) for key in keys) <= 5 for _, _, pitch in notes)


def test_what_fits_stays_whatever_is_moved():
    assert (0, 4, 69) in moved(CODEC, (0, 4, 68), (0, 4, 69), (0, 4, 70))


def test_a_note_that_sounds_on_keeps_its_key_to_itself():
    assert [(0, 16, 69), (8, 4, 72)] == moved(CODEC, (0, 16, 69), (8, 4, 70))


def test_where_no_key_is_free_they_are_one_note():
    notes = moved(CODEC, *((0, 4, key) for key in range(60, 73)))
    assert {pitch % 12 for _, _, pitch in notes} <= A_MINOR
    assert {60, 64, 69, 72} <= {pitch for _, _, pitch in notes}


@given(
    st.lists(
        st.tuples(st.integers(0, 15), st.integers(1, 8), st.integers(48, 84)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_moved_fits_and_no_note_is_made(notes):
    found = moved(CODEC, *notes)
    assert 1 <= len(found) <= len(notes)
    assert all(pitch % 12 in A_MINOR for onset, _, pitch in found if onset % 8 == 0)
