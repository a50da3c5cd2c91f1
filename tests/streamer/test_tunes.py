"""The classes of tunes, exactly, and that what is decoded is encoded back to the same class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.tunes.codec import END, TUNE_ARGUMENTS, TUNE_DTYPE, TuneCodec, to_tune

CODEC = TuneCodec(octave_low=3, octaves=4, lengths=(6, 12, 18, 24, 48))

ROWS = st.lists(
    st.tuples(*(st.integers(0, size - 1) for size in CODEC.sizes[:2]), st.integers(0, 4)),
    max_size=40,
)


def test_sizes_count_pitch_classes_octaves_and_lengths_with_end_behind() -> None:
    assert CODEC.sizes == (12, 4, 6)
    assert CODEC.offsets == (0, 12, 16, 22)
    assert CODEC.end_class == 5
    assert len(CODEC.sizes) == len(TUNE_ARGUMENTS)


def test_middle_c_is_pitch_class_0_of_octave_5() -> None:
    classes = CODEC.encode(to_tune(np.array([60, 71, 36]), np.array([12, 6, END])))
    assert classes.tolist() == [[0, 2, 1], [11, 2, 0], [0, 0, 5]]
    assert classes.dtype == np.uint8


def test_a_length_takes_the_nearest_of_the_table_and_of_two_the_longer() -> None:
    lengths = np.array([1, 8, 9, 14, 15, 35, 36, 60000])
    classes = CODEC.encode(to_tune(np.full(8, 60), lengths))
    assert [CODEC.lengths[c] for c in classes[:, 2]] == [6, 6, 12, 12, 18, 24, 48, 48]


@given(ROWS, st.booleans())
def test_what_is_decoded_is_encoded_to_the_same_classes(
    rows: list[tuple[int, int, int]], ends: bool
) -> None:
    classes = np.array(rows, dtype=np.uint8).reshape(-1, 3)
    if ends and len(classes):
        classes[-1, 2] = CODEC.end_class
    tune = CODEC.decode(classes)
    assert tune.dtype == TUNE_DTYPE
    assert CODEC.encode(tune).tolist() == classes.tolist()


@pytest.mark.parametrize("pitch", [35, 84])
def test_a_pitch_outside_the_octaves_is_refused(pitch: int) -> None:
    with pytest.raises(ValueError, match=r"pitch must be in range 36\.\.83"):
        CODEC.encode(to_tune(np.array([pitch]), np.array([12])))


def test_end_before_the_last_note_is_refused() -> None:
    with pytest.raises(ValueError, match="only the last note"):
        CODEC.encode(to_tune(np.array([60, 62]), np.array([END, 12])))


@pytest.mark.parametrize("row", [(12, 0, 0), (0, 4, 0), (0, 0, 6), (-1, 0, 0)])
def test_a_class_out_of_range_is_refused(row: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="classes must be below"):
        CODEC.decode(np.array([row]))


def test_plain_data_gives_the_same_codec_back() -> None:
    again = TuneCodec.from_dict(CODEC.to_dict())
    assert again == CODEC
    assert again.fingerprint == CODEC.fingerprint
    assert CODEC.to_dict()["name"] == "tune"


def test_another_table_has_another_fingerprint() -> None:
    assert TuneCodec(3, 4, (6, 12)).fingerprint != CODEC.fingerprint
    assert TuneCodec(2, 4, CODEC.lengths).fingerprint != CODEC.fingerprint


@pytest.mark.parametrize(
    ("octave_low", "octaves", "lengths", "text"),
    [
        (-1, 4, (12,), "octave_low must be 0 or more"),
        (3, 0, (12,), "octaves 1 or more"),
        (6, 5, (12,), "last octave must be at most 9, not 10"),
        (3, 4, (), r"1\.\.255 lengths, not 0"),
        (3, 4, (12, 12), "lengths must ascend"),
        (3, 4, (0, 12), r"range 1\.\.65535"),
    ],
)
def test_impossible_tables_are_refused(
    octave_low: int, octaves: int, lengths: tuple[int, ...], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        TuneCodec(octave_low, octaves, lengths)


def test_another_codecs_data_is_refused() -> None:
    with pytest.raises(ValueError, match="codec must be tune, not weber-fitted"):
        TuneCodec.from_dict({"name": "weber-fitted"})
