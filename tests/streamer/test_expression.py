"""How lines and chords are played: flat when asked, in order always, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import BundleError
from streamer.expression.expression import (
    PLAIN_SHARE,
    Expression,
    Place,
    breaths,
    metre_classes,
    timing_classes,
    velocity_features,
)
from streamer.expression.tables import (
    BEAT_TICKS,
    DEFAULT,
    LENGTH_EDGES,
    LEVELS,
    VELOCITY_FEATURES,
    VERSION,
    StyleTable,
    mix,
    read_tables,
)

BEAT_MS = 500.0


def table(**changes: Any) -> StyleTable:
    """A style that plays plainly but for what is changed."""
    size = len(BEAT_TICKS) + 1
    known: dict[str, Any] = {
        "velocity_mean": 70.0,
        "velocity_effects": np.zeros(len(VELOCITY_FEATURES)),
        "velocity_offset": 0.0,
        "velocity_sd": 0.0,
        "velocity_rho": 0.3,
        "articulation": np.full((len(LENGTH_EDGES) + 1, len(LEVELS)), PLAIN_SHARE),
        "articulation_rho": 0.3,
        "timing_level": np.zeros(size),
        "timing_slope": np.zeros(size),
        "timing_sd": 0.0,
        "timing_rho": 0.3,
    }
    return StyleTable(**{**known, **changes})


def effects(**changes: float) -> np.ndarray:
    return np.array([changes.get(name, 0.0) for name in VELOCITY_FEATURES])


LIVELY = table(
    velocity_effects=effects(bar=8.0, pitch=10.0, to0=-6.0, since0=4.0),
    velocity_sd=12.0,
    articulation=np.tile(np.linspace(0.2, 1.1, len(LEVELS)), (len(LENGTH_EDGES) + 1, 1)),
    timing_level=np.array([0.0, 0.05, 0.02, 0.12, -0.05, 0.1, 0.0]),
    timing_sd=25.0,
)


def line(notes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    length = rng.choice([0.25, 0.5, 0.5, 1.0, 2.0], notes)
    onset = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    return rng.integers(55, 80, notes), onset, length


def play(player: Expression, notes: int = 200, seed: int = 0, **options: Any) -> list[Any]:
    pitch, onset, length = line(notes, seed)
    return list(
        player.line(pitch, onset, length, bar_beats=4.0, beat_ms=BEAT_MS, start_ms=10.0, **options)
    )


def player(shape: StyleTable = LIVELY, seed: int = 1, amount: float = 1.0) -> Expression:
    return Expression({DEFAULT: shape}, np.random.default_rng(seed), amount)


def test_amount_0_is_flat_on_the_grid_and_plain() -> None:
    _, onset, length = line(200)
    notes = play(player(amount=0.0))
    assert {note.velocity for note in notes} == {70}
    assert [note.onset_ms for note in notes] == pytest.approx((10.0 + BEAT_MS * onset).tolist())
    held = [note.duration_ms for note in notes]
    assert held == pytest.approx((PLAIN_SHARE * BEAT_MS * length).tolist())


def test_the_same_seed_plays_the_same_and_another_does_not() -> None:
    assert play(player(seed=3)) == play(player(seed=3))
    assert play(player(seed=3)) != play(player(seed=4))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0, 2),
    st.floats(100, 2000),
    st.lists(st.sampled_from([1 / 12, 1 / 4, 1 / 3, 0.5, 1.0, 7.0]), min_size=1, max_size=60),
)
def test_order_never_changes_and_every_note_comes_out(
    seed: int, amount: float, beat_ms: float, lengths: list[float]
) -> None:
    length = np.array(lengths)
    onset = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    pitch = np.random.default_rng(seed).integers(58, 62, len(length))
    wild = replace(LIVELY, timing_sd=400.0, timing_level=LIVELY.timing_level * 5)
    expression = player(wild, seed, amount)
    half = len(lengths) // 2
    notes: list[Any] = []
    for part in (slice(0, half), slice(half, None)):
        notes += expression.line(
            pitch[part], onset[part], length[part], bar_beats=4.0, beat_ms=beat_ms, start_ms=1000.0
        )
    assert [note.pitch for note in notes] == pitch.tolist()
    onsets = np.array([note.onset_ms for note in notes])
    assert (np.diff(onsets) > 0).all()
    assert np.abs(onsets - 1000.0 - onset * beat_ms).max() <= 0.45 * beat_ms * 7.0
    assert all(1 <= note.velocity <= 127 and note.duration_ms >= 1.0 for note in notes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 2))
def test_no_key_is_down_when_it_is_struck_again(seed: int, amount: float) -> None:
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.choice(np.arange(0, 16, 0.25), 30))
    pitch = rng.integers(60, 64, 30)
    keep = np.unique(np.stack([onset * 1000, pitch]), axis=1, return_index=True)[1]
    keep = np.sort(keep)
    onset, pitch = onset[keep], pitch[keep]
    length = rng.choice([0.25, 1.0, 4.0], len(keep))
    notes = player(seed=seed, amount=amount).roll(
        pitch, onset, length, bar_beats=4.0, beat_ms=BEAT_MS
    )
    assert len(notes) == len(keep)
    for key in set(pitch.tolist()):
        mine = sorted((n for n in notes if n.pitch == key), key=lambda n: n.onset_ms)
        assert all(a.end_ms <= b.onset_ms + 1e-6 for a, b in zip(mine, mine[1:], strict=False))


def test_notes_of_a_chord_stay_together_and_the_highest_is_loudest() -> None:
    onset = np.repeat(np.arange(8.0), 3)
    pitch = np.tile([60, 64, 67], 8)
    notes = player().roll(pitch, onset, np.full(24, 1.0), bar_beats=4.0, beat_ms=BEAT_MS)
    for low, middle, top in zip(notes[::3], notes[1::3], notes[2::3], strict=True):
        assert low.onset_ms == middle.onset_ms == top.onset_ms
        assert top.velocity > low.velocity == middle.velocity


def test_what_the_table_says_is_what_is_played() -> None:
    pitch = np.full(16, 60)
    onset = np.arange(16) / 2
    accents = table(velocity_effects=effects(bar=10.0, offbeat=-5.0))
    notes = player(accents).line(pitch, onset, np.full(16, 0.5), bar_beats=4.0, beat_ms=BEAT_MS)
    assert [note.velocity for note in notes[:9]] == [80, 65, 70, 65, 70, 65, 70, 65, 80]
    swung = table(timing_level=np.array([0, 0, 0, 0.1, 0, 0, 0.0]))
    notes = player(swung).line(pitch, onset, np.full(16, 0.5), bar_beats=4.0, beat_ms=BEAT_MS)
    late = [note.onset_ms - 250.0 * i for i, note in enumerate(notes)]
    assert late == pytest.approx([0.0, 50.0] * 8)


def test_a_drift_has_the_spread_and_the_memory_of_its_table() -> None:
    drifting = table(velocity_sd=8.0, velocity_rho=0.6, timing_sd=10.0, timing_rho=0.5)
    pitch = np.full(4000, 60)
    onset = np.arange(4000.0)
    notes = player(drifting).line(pitch, onset, np.ones(4000), bar_beats=4.0, beat_ms=BEAT_MS)
    velocity = np.array([note.velocity for note in notes], dtype=float)
    late = np.array([note.onset_ms for note in notes]) - onset * BEAT_MS
    for values, spread, memory in ((velocity, 8.0, 0.6), (late[1:], 10.0, 0.5)):
        assert values.std() == pytest.approx(spread, rel=0.1)
        assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(memory, abs=0.06)


def test_two_styles_are_mixed_by_their_weights() -> None:
    soft, loud = table(velocity_mean=50.0), table(velocity_mean=90.0)
    assert mix([soft, loud], [1.0, 3.0]).velocity_mean == 80.0
    expression = Expression({DEFAULT: table(), "a": soft, "b": loud}, np.random.default_rng(0))
    velocities = [
        play(expression, 1, style=style)[0].velocity
        for style in ({"a": 1.0}, {"a": 0.5, "b": 0.5}, {"b": 1.0, "a": 0.0}, {"c": 1.0}, None)
    ]
    assert velocities == [50, 70, 90, 70, 70]
    with pytest.raises(ValueError, match="sum to more than 0"):
        mix([soft, loud], [0.0, 0.0])


def test_a_tune_closes_with_a_note_that_is_held() -> None:
    short = table(articulation=np.full((len(LENGTH_EDGES) + 1, len(LEVELS)), 0.3))
    notes = play(player(short), 8, closes=True)
    lengths = BEAT_MS * line(8)[2]
    assert notes[-1].duration_ms == pytest.approx(PLAIN_SHARE * lengths[-1])
    assert notes[0].duration_ms == pytest.approx(0.3 * lengths[0])


def test_no_notes_are_no_notes() -> None:
    nothing = np.zeros(0)
    expression = player()
    assert expression.line(nothing.astype(int), nothing, nothing, bar_beats=4, beat_ms=500) == ()
    assert expression.roll(nothing.astype(int), nothing, nothing, bar_beats=4, beat_ms=500) == ()


# Features


@pytest.mark.parametrize(
    ("bar", "onsets", "classes"),
    [
        (4.0, [0, 1, 2, 3, 3.5, 3.75, 4], [0, 2, 1, 2, 3, 4, 0]),
        (3.0, [0, 1, 1.5, 2, 3], [0, 2, 3, 2, 0]),
        (2.0, [0, 1, 2], [0, 1, 0]),
    ],
)
def test_places_in_the_bar(bar: float, onsets: list[float], classes: list[int]) -> None:
    assert metre_classes(np.array(onsets, dtype=float), bar).tolist() == classes


def test_a_breath_comes_after_long_notes() -> None:
    assert breaths(np.array([0.5, 0.5, 2.0, 0.5, 1.0])).tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_places_in_the_beat_hold_through_rounding() -> None:
    onset = np.array([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1 / 6, 2.9999999])
    assert timing_classes(onset).tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


def test_phrases_go_on_from_call_to_call() -> None:
    pitch, onset = np.full(6, 60.0), np.arange(6) * 0.5
    length = np.array([0.5, 0.5, 0.5, 2.0, 0.5, 0.5])
    place = Place()
    place.add(pitch, onset, length)
    after = velocity_features(pitch, onset + 6.0, length, 4.0, place)
    names = list(VELOCITY_FEATURES)
    # The breath before was at the fourth note; the phrase began with the fifth, at 2.0 quarters.
    assert after[0, names.index("since4")] == 1.0
    assert after[3, names.index("to0")] == 1.0
    assert after[4, names.index("since0")] == 1.0
    assert after[5, names.index("to4")] == 1.0


# Tables


def manifest(**changes: Any) -> dict[str, Any]:
    data = {"version": VERSION, "styles": {DEFAULT: LIVELY.to_dict()}}
    return {**data, **changes}


def test_tables_survive_the_manifest() -> None:
    found = read_tables(manifest(), "x")[DEFAULT]
    assert found.to_dict() == LIVELY.to_dict()
    assert read_tables({}, "x") == {}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (manifest(version=9), "version 9, this perpetuo reads 1"),
        (manifest(styles={}), "the style default is missing"),
        (manifest(styles={DEFAULT: {}}), "velocity_mean is missing"),
        (manifest(styles={DEFAULT: {**LIVELY.to_dict(), "velocity_rho": 2}}), "velocity_rho"),
        (manifest(styles={DEFAULT: {**LIVELY.to_dict(), "articulation": [1]}}), "articulation"),
        (manifest(styles={DEFAULT: {**LIVELY.to_dict(), "timing_sd": "a"}}), "cannot be used"),
        (manifest(styles=[]), "cannot be used"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_one_line(data: Any, text: str) -> None:
    with pytest.raises(BundleError, match=text) as caught:
        read_tables(data, "x")
    assert "\n" not in str(caught.value)


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"amount must be in range 0\.\.2"):
        player(amount=3.0)
    with pytest.raises(ValueError, match="one named default"):
        Expression({}, np.random.default_rng(0))
