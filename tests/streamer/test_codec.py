"""The class tables, exactly, and that what is decoded is encoded back to the same class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.families.chain.codec import (
    DURATION_CLASSES,
    DURATION_JND_MS,
    SHIFT_CLASSES,
    SHIFT_JND_MS,
    ChainCodec,
    ClassTable,
    fit_table,
    fitted_codec,
    normalised_entropy,
    published_codec,
)
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray, to_array

CODEC = published_codec()
TABLES = {"shift": CODEC.shift, "duration": CODEC.duration, "velocity": CODEC.velocity}

LARGEST_BELOW_ONE = np.nextafter(1.0, 0.0)
DAY_MS = 86_400_000.0


class ConstantRng:
    """Stands in for a generator: every number drawn is the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.full(shape, self.value)


def performance(seed: int, notes: int = 4000) -> NoteArray:
    """A made-up piece with the spread of shifts and durations that a pianist has."""
    rng = np.random.default_rng(seed)
    piece = np.zeros(notes, dtype=NOTE_DTYPE)
    chord = rng.random(notes) < 0.4
    shift = np.where(chord, rng.integers(0, 15, notes), np.exp(rng.normal(5.0, 0.8, notes)))
    piece["onset_ms"] = np.cumsum(np.round(shift))
    piece["duration_ms"] = np.round(np.exp(rng.normal(5.5, 1.0, notes))) + 1
    piece["pitch"] = rng.integers(21, 109, notes)
    piece["velocity"] = rng.integers(30, 100, notes)
    return piece


def test_published_sizes_are_those_of_the_paper() -> None:
    assert CODEC.sizes == (88, 105, 120, 47, 2)
    assert CODEC.offsets == (0, 88, 193, 313, 360, 362)


def test_published_shift_edges_are_powers_of_two_halved_three_times() -> None:
    fine = [*range(16), *range(16, 32, 2), *range(32, 64, 4), *range(64, 128, 8)]
    coarse = [start + k * start // 8 for start in (128 << i for i in range(8)) for k in range(8)]
    assert CODEC.shift.edges == (*fine, *coarse, 32768, 35000)


def test_published_duration_edges_are_the_ranges_with_their_ceiled_middles() -> None:
    assert CODEC.duration.edges[:26] == (
        0, 20, 30, 33, 35, 38, 40, 43, 45, 48, 50, 53, 55,
        58, 60, 63, 65, 68, 70, 73, 75, 78, 80, 83, 85, 88,
    )  # fmt: skip
    assert CODEC.duration.edges[26:52] == (
        90, 95, 100, 105, 110, 115, 120, 125, 130, 138, 145, 153, 160,
        168, 175, 185, 195, 205, 215, 225, 235, 245, 255, 265, 275, 290,
    )  # fmt: skip
    assert CODEC.duration.edges[52:78] == (
        305, 320, 335, 350, 365, 380, 395, 410, 425, 440, 455, 470, 485,
        508, 530, 553, 575, 598, 620, 643, 665, 700, 735, 770, 805, 840,
    )  # fmt: skip
    assert CODEC.duration.edges[78:] == (
        875, 910, 945, 980, 1015, 1075, 1135, 1195, 1255, 1315, 1375, 1435, 1495, 1595,
        1695, 1795, 1895, 1995, 2095, 2270, 2445, 2620, 2795, 3195, 3595, 3995, 4395, 4895,
        5395, 5895, 6395, 6895, 7395, 7895, 8395, 8895, 9395, 9895, 10395, 15395, 20395,
        30395, 40395,
    )  # fmt: skip


def test_published_velocity_edges_are_fine_in_the_middle_and_coarse_outside() -> None:
    below = (-94, -74, -54, -34, -30, -26, -22, -20, -18, -16, -14)
    above = (12, 14, 16, 18, 20, 22, 26, 30, 34, 54, 74, 94, 110)
    assert CODEC.velocity.edges == (*below, *range(-12, 12), *above)


def test_class_23_of_velocity_is_no_change() -> None:
    assert CODEC.velocity.encode(np.array([-1, 0, 1])).tolist() == [22, 23, 24]


def test_fingerprint_of_the_published_tables_never_changes() -> None:
    # Bundles and tensor files in the world carry it: a change here makes them unreadable.
    assert CODEC.fingerprint == "2bfdb9cf466823820cb8380756b14e6186bdc6f37d0e3166040961cbfa4e147d"


def test_classes_are_half_open() -> None:
    assert CODEC.shift.encode(np.array([0, 0.999, 1, 15.9, 16, 17.9, 18])).tolist() == [
        0, 0, 1, 15, 16, 16, 17,
    ]  # fmt: skip


def test_values_beyond_the_ends_fall_into_the_outer_classes() -> None:
    assert CODEC.shift.encode(np.array([-5.0, 1e9])).tolist() == [0, 104]
    assert CODEC.velocity.encode(np.array([-127, 127])).tolist() == [0, 46]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("uniform", [0.0, 0.5, 0.9999999, LARGEST_BELOW_ONE])
def test_every_class_is_encoded_back_from_anywhere_inside_it(name: str, uniform: float) -> None:
    table = TABLES[name]
    classes = np.arange(table.classes)
    values = table.decode(classes, np.full(table.classes, uniform))
    assert table.encode(values).tolist() == classes.tolist()
    assert table.encode(np.round(values, 3)).tolist() == classes.tolist()


def test_decoding_fills_the_whole_width_of_a_class() -> None:
    table = ClassTable((0, 10, 30))
    values = table.decode(np.ones(1001, dtype=int), np.linspace(0, LARGEST_BELOW_ONE, 1001))
    assert values.min() == 10.0
    assert 29.9 < values.max() < 30.0


def sequences() -> st.SearchStrategy[np.ndarray]:
    """Sequences of classes whose velocities stay inside 1..127 and so are never clipped."""
    columns = [arrays(np.int64, 12, elements=st.integers(0, size - 1)) for size in (88, 105, 120)]
    small = arrays(np.int64, 12, elements=st.integers(19, 27))
    pedal = arrays(np.int64, 12, elements=st.integers(0, 1))
    return st.tuples(*columns, small, pedal).map(lambda c: np.stack(c, axis=1))


@given(classes=sequences(), seed=st.integers(0, 2**32), start_ms=st.sampled_from([0.0, DAY_MS]))
def test_a_sequence_is_encoded_back_to_its_classes(
    classes: np.ndarray, seed: int, start_ms: float
) -> None:
    # From silence the first change is the velocity itself: begin at 60 with a note to stand on.
    rng = np.random.default_rng(seed)
    notes = CODEC.decode(classes, rng, start_ms, velocity_before=60, low=1, high=127)
    first = to_array([Note(60, start_ms, 100.0, 60)])
    encoded = CODEC.encode(np.concatenate([first, notes]))[1:]
    assert encoded.tolist() == classes.tolist()


@pytest.mark.parametrize("uniform", [0.0, LARGEST_BELOW_ONE])
def test_a_sequence_is_encoded_back_at_the_edges_of_its_classes(uniform: float) -> None:
    columns = np.arange(120)
    classes = np.stack(
        (columns % 88, columns % 105, columns, np.full(120, 23), columns % 2), axis=1
    )
    notes = CODEC.decode(classes, ConstantRng(uniform), DAY_MS, velocity_before=60)
    first = to_array([Note(60, DAY_MS, 100.0, 60)])
    assert CODEC.encode(np.concatenate([first, notes]))[1:].tolist() == classes.tolist()


@given(classes=arrays(np.int64, (20, 5), elements=st.integers(0, 1)), seed=st.integers(0, 99))
def test_velocity_is_clipped_to_the_range_asked_for(classes: np.ndarray, seed: int) -> None:
    notes = CODEC.decode(classes, np.random.default_rng(seed), low=33, high=44)
    assert notes["velocity"].min() >= 33
    assert notes["velocity"].max() <= 44


def test_decoding_is_repeated_by_the_same_seed() -> None:
    classes = CODEC.encode(performance(1, 200))
    one = CODEC.decode(classes, np.random.default_rng(7))
    two = CODEC.decode(classes, np.random.default_rng(7))
    assert one.tobytes() == two.tobytes()


def test_the_first_note_has_no_shift_and_its_whole_velocity_as_change() -> None:
    classes = CODEC.encode(to_array([Note(21, 5000.0, 100.0, 64, pedal=True)]))
    assert classes.tolist() == [[0, 0, 28, 44, 1]]


def test_an_empty_piece_has_no_classes() -> None:
    assert CODEC.encode(np.empty(0, NOTE_DTYPE)).shape == (0, 5)


@pytest.mark.parametrize("pitch", [20, 109])
def test_a_pitch_off_the_piano_is_refused(pitch: int) -> None:
    with pytest.raises(ValueError, match=r"21\.\.108"):
        CODEC.encode(to_array([Note(pitch, 0.0, 100.0, 64)]))


@pytest.mark.parametrize("edges", [(1,), (0, 2, 2), (3, 1)])
def test_edges_that_do_not_ascend_are_refused(edges: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        ClassTable(edges)


def test_plain_data_gives_back_the_same_codec() -> None:
    again = ChainCodec.from_dict(CODEC.to_dict())
    assert again == CODEC
    assert again.fingerprint == CODEC.fingerprint


def test_another_lowest_pitch_is_refused() -> None:
    with pytest.raises(ValueError, match="pitch_low must be 21"):
        ChainCodec.from_dict({**CODEC.to_dict(), "pitch_low": 20})


def test_a_moved_edge_changes_the_fingerprint() -> None:
    data = CODEC.to_dict()
    data["shift_edges_ms"][-1] += 1
    assert ChainCodec.from_dict(data).fingerprint != CODEC.fingerprint


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), notes=st.integers(2, 3000))
def test_fitted_tables_have_exactly_the_classes_asked_for(seed: int, notes: int) -> None:
    codec = fitted_codec([performance(seed, notes)])
    assert codec.sizes == (88, 105, 120, 47, 2)
    assert codec.shift.edges[0] == codec.duration.edges[0] == 0
    assert codec.shift.edges[-1] == 35000
    assert codec.duration.edges[-1] == 40395
    assert codec.name == "weber-fitted"


@pytest.mark.parametrize(
    ("jnd", "classes", "last"),
    [(SHIFT_JND_MS, SHIFT_CLASSES, 35000), (DURATION_JND_MS, DURATION_CLASSES, 40395)],
)
def test_no_fitted_class_is_finer_than_can_be_heard(jnd: int, classes: int, last: int) -> None:
    values = np.diff(performance(3)["onset_ms"])
    table = fit_table(values, classes, jnd, last)
    left = np.asarray(table.edges[:-1])
    # The last atom is cut off at `last` and may be narrower.
    assert (table.widths[:-1] >= np.maximum(jnd, np.ceil(0.02 * left[:-1]))).all()


def test_fitted_classes_of_a_spread_corpus_keep_to_webers_law() -> None:
    # A corpus without stretches of silence: nothing has to be merged beyond the first ratio's
    # growth, measured at most 0.15 * 1.25 ** 2 = 0.234 of the left edge.
    values = np.exp(np.random.default_rng(0).uniform(0, np.log(35000), 50_000))
    table = fit_table(values, SHIFT_CLASSES, SHIFT_JND_MS, 35000)
    left = np.asarray(table.edges[:-1], dtype=float)
    assert (table.widths <= np.maximum(2 * SHIFT_JND_MS, 0.235 * left)).all()


def test_fitting_is_deterministic_and_does_not_ask_for_the_order_of_pieces() -> None:
    pieces = [performance(seed, 500) for seed in range(4)]
    assert fitted_codec(pieces).fingerprint == fitted_codec(pieces[::-1]).fingerprint


def test_fitted_classes_are_more_balanced_than_the_published_ones() -> None:
    piece = performance(5, 20_000)
    fitted = fitted_codec([piece])
    for argument in (1, 2):
        size = CODEC.sizes[argument]
        before = normalised_entropy(CODEC.encode(piece)[:, argument], size)
        after = normalised_entropy(fitted.encode(piece)[:, argument], size)
        assert after > before


def test_too_few_atoms_for_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="classes wanted"):
        fit_table(np.arange(10), classes=105, jnd=1, last=50)


def test_equally_frequent_classes_have_a_normalised_entropy_of_one() -> None:
    assert normalised_entropy(np.arange(47), 47) == pytest.approx(1.0)
    assert normalised_entropy(np.zeros(10, dtype=int), 47) == 0.0
