"""Sections of a band: states from probabilities, in a key, and joined without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.families.bands.codec import DRUMS, HOLD, PITCHES, SILENCE, STATES, TRACKS, BandCodec
from streamer.families.bands.key import Keys, best_shift, in_key, nearest_octaves
from streamer.families.bands.section import (
    BandSection,
    StateNoise,
    draw_states,
    entropies_of,
    is_held,
    nothing,
    section_after,
    strikes_of,
)
from streamer.settings.controls import Controls

STEPS, LONGEST = 8, 16
BASS, STRINGS = TRACKS.index("bass"), TRACKS.index("strings")
CODEC = BandCodec(4, STEPS)
H, S = HOLD, SILENCE


def states_of(track: int, *column: int) -> np.ndarray:
    """Return a section in which one track plays."""
    states = np.full((len(column), len(TRACKS)), SILENCE, np.uint8)
    states[:, track] = column
    return states


def read(track: int, column: list[int], before: BandSection | None = None) -> BandSection:
    states = states_of(track, *column)
    entropies = np.zeros(states.shape, np.float32)
    return section_after(states, entropies, CODEC, before or nothing(STEPS), LONGEST)


def rows(section: BandSection, after: BandSection) -> list[tuple[int, int, int]]:
    """Return onset, whole length and pitch of what a section strikes."""
    joined = strikes_of(section, after, LONGEST)
    found = zip(joined.notes.tolist(), joined.more.tolist(), strict=True)
    return [(onset, length + more, pitch) for (_, onset, length, pitch, _), more in found]


def test_what_is_held_over_the_line_is_one_note() -> None:
    first = read(STRINGS, [60, H, H, H, 64, H, H, H])
    second = read(STRINGS, [H, H, S, 67, H, H, H, H], first)
    assert rows(first, second) == [(0, 4, 60), (4, 6, 64)]
    assert rows(second, nothing(STEPS)) == [(3, 5, 67)]


def test_a_window_that_writes_a_held_note_as_a_strike_is_heard_without_it() -> None:
    first = read(STRINGS, [60, H, H, H, 64, H, H, H])
    second = read(STRINGS, [64, H, S, S, S, S, S, S], first)
    assert rows(first, second) == [(0, 4, 60), (4, 6, 64)]
    assert rows(second, nothing(STEPS)) == []


def test_drums_and_a_bass_in_even_notes_are_struck_again_at_the_line() -> None:
    kick = read(DRUMS, [36, H, 36, H, 36, H, 36, H])
    again = read(DRUMS, [36, H, 36, H, 36, H, 36, H], kick)
    assert rows(kick, again)[-1] == (6, 2, 36)
    assert rows(again, nothing(STEPS))[0] == (0, 2, 36)
    eighths = read(BASS, [40, H, 40, H, 40, H, 40, H])
    assert rows(read(BASS, [40, H, 41, H, 40, H, 40, H], eighths), nothing(STEPS))[0] == (0, 2, 40)
    tied = read(BASS, [40, H, H, H, 40, H, H, H])
    assert rows(tied, read(BASS, [40, H, S, S, S, S, S, S], tied))[-1] == (4, 6, 40)


@pytest.mark.parametrize(
    ("track", "since", "left", "held"),
    [
        ("drums", 32, 32, False),
        ("strings", 1, 1, True),
        ("bass", 2, 2, False),
        ("bass", 1, 8, False),
        ("bass", 4, 2, True),
        ("harmony", 4, 4, False),
        ("harmony", 32, 32, True),
    ],
)
def test_whether_one_pitch_is_one_note(track: str, since: int, left: int, held: bool) -> None:
    assert is_held(TRACKS.index(track), since, left) is held


def test_hold_with_nothing_before_it_is_silence() -> None:
    section = read(STRINGS, [H, H, 60, H, S, S, S, S])
    assert rows(section, nothing(STEPS)) == [(2, 2, 60)]


def test_a_note_that_fills_a_section_is_struck_again_in_the_third() -> None:
    first = read(STRINGS, [S, S, 60, H, H, H, H, H])
    second = read(STRINGS, [H] * STEPS, first)
    third = read(STRINGS, [H, H, H, S, S, S, S, S], second)
    assert rows(first, second) == [(2, 14, 60)]
    assert rows(second, third) == []
    assert rows(third, nothing(STEPS)) == [(0, 3, 60)]


columns = st.lists(
    st.one_of(st.just(HOLD), st.just(HOLD), st.just(SILENCE), st.integers(58, 62)),
    min_size=STEPS,
    max_size=STEPS,
)


@given(st.sampled_from(range(len(TRACKS))), st.lists(columns, min_size=1, max_size=6))
def test_joined_sections_strike_no_key_that_sounds_and_hold_none_too_long(
    track: int, several: list[list[int]]
) -> None:
    before, found = nothing(STEPS), []
    sections = []
    for column in several:
        before = read(track, column, before)
        sections.append(before)
    for place, (section, after) in enumerate(
        zip(sections, [*sections[1:], nothing(STEPS)], strict=True)
    ):
        found += [(place * STEPS + at, long, pitch) for at, long, pitch in rows(section, after)]
    assert all(long <= LONGEST for _, long, _ in found)
    assert all(a + long <= b for (a, long, _), (b, _, _) in zip(found, found[1:], strict=False))
    strikes = sum(state < PITCHES for column in several for state in column)
    assert len(found) <= strikes + len(several)


def sure(*column: int) -> np.ndarray:
    """Return probabilities that are sure of a column in every track."""
    p = np.full((len(column), len(TRACKS), STATES), 1e-4, np.float32)
    for step, state in enumerate(column):
        p[step, :, state] = 1.0 - 1e-4 * (STATES - 1)
    return p


def no_doubt() -> StateNoise:
    return StateNoise(np.zeros((4, len(TRACKS), 3)), np.zeros((1, len(TRACKS), PITCHES)))


def test_what_the_network_is_sure_of_is_played_at_any_temperature() -> None:
    doubt = StateNoise.draw(np.random.default_rng(0), 4)
    for temperature in (0.1, 1.0):
        states = draw_states(sure(60, H, S, 62, H, H, S, S), doubt, temperature)
        assert states[:, 2].tolist() == [60, H, S, 62, H, H, S, S]


def test_a_strike_of_doubtful_pitch_is_not_lost_to_hold() -> None:
    p = np.zeros((4, len(TRACKS), STATES), np.float32)
    p[..., HOLD], p[..., 60], p[..., 62], p[..., 64] = 0.4, 0.2, 0.21, 0.19
    assert draw_states(p, no_doubt(), 1.0)[:, 2].tolist() == [62] * 4


def test_rhythm_in_doubt_is_one_in_all_bars_and_a_pitch_in_doubt_one_for_half_a_bar() -> None:
    p = np.zeros((16, len(TRACKS), STATES), np.float32)
    p[..., HOLD], p[..., SILENCE], p[..., 60], p[..., 62] = 0.2, 0.2, 0.3, 0.3
    pitches = set()
    for seed in range(8):
        states = draw_states(p, StateNoise.draw(np.random.default_rng(seed), 4, 4), 1.0)
        kinds = np.where(states < PITCHES, 0, states)
        assert (kinds[:4] == kinds[4:8]).all()
        assert (kinds[:4] == kinds[12:]).all()
        for half in range(0, 16, 2):
            for track in range(len(TRACKS)):
                found = {*states[half : half + 2, track].tolist()} - {HOLD, SILENCE}
                assert len(found) <= 1
                pitches |= {(seed, track, pitch) for pitch in found}
    assert len(pitches) > 8 * len(TRACKS), "other halves have other pitches"


def test_each_state_is_drawn_from_the_networks_own_distribution() -> None:
    p = np.zeros((1, len(TRACKS), STATES), np.float32)
    p[..., HOLD], p[..., SILENCE], p[..., 60], p[..., 62] = 0.4, 0.1, 0.2, 0.3
    rng = np.random.default_rng(1)
    drawn = [draw_states(p, StateNoise.draw(rng, 1), 1.0) for _ in range(3000)]
    shares = {state: np.mean(np.stack(drawn) == state) for state in (HOLD, SILENCE, 60, 62)}
    # Three deviations of 12,000 draws are 0.013.
    assert shares == pytest.approx({HOLD: 0.4, SILENCE: 0.1, 60: 0.2, 62: 0.3}, abs=0.02)


def test_density_moves_the_number_of_strikes_and_nothing_else_does() -> None:
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.full(STATES, 0.1), (64, len(TRACKS))).astype(np.float32)
    doubt = StateNoise.draw(rng, 16)
    counts = [(draw_states(p, doubt, 0.5, d) < PITCHES).sum() for d in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_entropy_is_that_of_the_distribution() -> None:
    p = np.zeros((1, len(TRACKS), STATES), np.float32)
    p[..., :4] = 0.25
    assert entropies_of(p) == pytest.approx(np.log(4.0), abs=1e-5)


def triad(root: int) -> np.ndarray:
    """Return a section in which drums play 36, and the others a triad."""
    states = np.full((STEPS, len(TRACKS)), HOLD, np.uint8)
    states[0] = (36, 36 + root, 64 + root, 67 + root)
    return states


def test_a_section_is_moved_to_the_key_of_what_was_heard_but_its_drums_are_not() -> None:
    keys = Keys()
    keys.hear(triad(0), 0.0, np.random.default_rng(0))
    for root in range(-5, 6):
        assert keys.move(triad(root), Controls())[0].tolist() == [36, 36, 64, 67]
    assert keys.move(triad(6), Controls())[0].tolist() == [36, 36, 64, 67], "in their octaves"
    assert (Keys(related=False).move(triad(3), Controls()) == triad(3)).all()
    assert (Keys().move(triad(3), Controls()) == triad(3)).all(), "the first section stays"


def test_each_line_goes_on_in_its_octave_at_most_one_from_where_it_was_written() -> None:
    states = np.full((4, 4), HOLD, np.uint8)
    states[0] = 36, 36, 64, 67
    states[2, 1], states[3, 2] = 43, SILENCE
    silent = np.full(4, SILENCE)
    assert (nearest_octaves(states, silent) == states).all(), "nothing was played before"
    last = np.array([60, 47, 40, 76])
    moved = nearest_octaves(states, last)
    assert moved[0].tolist() == [36, 48, 52, 67], "drums and what is near stay"
    assert moved[2, 1] == 55
    assert ((moved < PITCHES) == (states < PITCHES)).all()
    states[2, 1] = 120
    assert nearest_octaves(states, last)[0, 1] == 36, "no line leaves the keyboard"


def test_a_line_is_followed_over_a_section_in_which_it_rests() -> None:
    keys, rng = Keys(), np.random.default_rng(0)
    keys.hear(triad(0), 0.0, rng)
    resting = triad(0)
    resting[:, 3] = SILENCE
    keys.hear(resting, 0.0, rng)
    high = triad(0)
    high[high == 67] = 79
    assert keys.move(high, Controls())[0, 3] == 67


def test_pitches_foreign_to_the_key_of_a_section_become_less_likely_and_nothing_else_does() -> None:
    shown = np.full((8, 4, STATES), 1e-4, np.float32)
    shown[..., HOLD], shown[..., SILENCE] = 0.3, 0.2
    for track, pitch in enumerate((37, 48, 64, 67)):  # C major; the drum is no C sharp
        shown[:, track, pitch] = 0.4
    shown[:, 2, 63] = 0.3  # E flat
    shown /= shown.sum(-1, keepdims=True)
    found = in_key(shown, 2.0)
    assert (found[:, DRUMS] == shown[:, DRUMS]).all()
    assert found.sum(-1) == pytest.approx(shown.sum(-1), abs=1e-5)
    assert found[..., PITCHES:] == pytest.approx(shown[..., PITCHES:])
    before, after = (one[0, 2, 63] / one[0, 2, 64] for one in (shown, found))
    assert after == pytest.approx(before * np.exp(-2.0), rel=1e-4)
    assert found[0, 3, 69] / found[0, 3, 67] == pytest.approx(shown[0, 3, 69] / shown[0, 3, 67])
    assert in_key(shown, 0.0) == pytest.approx(shown, abs=1e-6)


def test_a_section_without_pitches_has_no_key_and_stays() -> None:
    shown = np.zeros((8, 4, STATES), np.float32)
    shown[..., SILENCE] = 1.0
    assert (in_key(shown) == shown).all()


def test_a_shift_is_the_nearest_of_those_that_fit() -> None:
    even = np.ones(12)
    assert best_shift(even, even) == 0
    assert best_shift(np.zeros(12), even) == 0


@given(
    st.sampled_from(["major", "minor", "pentatonic", "blues", "octatonic"]),
    st.integers(0, 11),
    st.integers(-24, 24),
    st.integers(0, 100),
)
def test_a_scale_holds_for_all_tracks_but_the_drums(
    scale: str, root: int, transposed: int, seed: int
) -> None:
    from streamer.music.scales import SCALE_STEPS

    states = np.random.default_rng(seed).integers(0, STATES, (16, len(TRACKS))).astype(np.uint8)
    controls = Controls(scale=scale, root=root, transpose=transposed)  # type: ignore[arg-type]
    moved = Keys().move(states, controls)
    assert (moved[:, DRUMS] == states[:, DRUMS]).all()
    pitches = moved[:, 1:][moved[:, 1:] < PITCHES].astype(int)
    inside = (pitches > 2) & (pitches < 125)
    classes = (pitches[inside] + transposed - root) % 12
    assert set(classes.tolist()) <= set(SCALE_STEPS[scale])  # type: ignore[index]
    assert ((moved >= PITCHES) == (states >= PITCHES)).all()
