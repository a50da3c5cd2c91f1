"""Keys, returns, memory and the line of a tune: the parts of the tune generator by themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.noise import FORBID, FORCE
from streamer.families.tunes.codec import END, TuneArray, TuneCodec, to_tune
from streamer.families.tunes.key import Key, Modulation, find_key
from streamer.families.tunes.line import Tune, inside
from streamer.families.tunes.memory import TuneMemory
from streamer.families.tunes.noise import control_bias, end_bias, octave_shift, tonal_bias
from streamer.families.tunes.returns import AFTER_PHRASES, Returns, came_back, push_phrase
from streamer.families.tunes.style import TuneManner
from streamer.music.notes import Note
from streamer.settings.controls import Controls

CODEC = TuneCodec(4, 4, (4, 6, 8, 12, 18, 24, 36, 48))
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def tune_of(pitches: list[int], lengths: list[int] | int = 12) -> TuneArray:
    each = [lengths] * len(pitches) if isinstance(lengths, int) else lengths
    return to_tune(np.array(pitches), np.array(each))


def fresh(bar_beats: float = 4.0, unit_beats: float = 1.0, rest_bars: int = 1, **more) -> Tune:
    """A tune at 120 quarters a minute of which nothing is written yet."""
    manner = TuneManner(0, 120.0, unit_beats, bar_beats, 32)
    weights, latent = np.ones(1, np.float32), np.zeros(2, np.float32)
    known = {"modulation": None, "start_ms": 1000.0, "rest_bars": rest_bars, **more}
    return Tune(1, manner, weights, latent, weights=weights, **known)


@given(st.integers(0, 11), st.booleans())
def test_key_of_a_plain_melody_is_found_wherever_it_lies(tonic: int, minor: bool) -> None:
    scale = MINOR if minor else MAJOR
    steps = [0, 2, 4, 2, 0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]
    melody = tune_of([60 + tonic + scale[step % 7] for step in steps])
    assert Key(tonic, minor) == find_key(melody)


def test_key_of_a_single_note_is_found_without_a_fault() -> None:
    assert 0 <= find_key(tune_of([61], [END])).tonic < 12


@given(st.integers(0, 11), st.booleans(), st.integers(0, 11), st.booleans(), st.integers(0, 2))
def test_next_key_is_near_whatever_it_was_written_in(
    before: int, before_minor: bool, tonic: int, minor: bool, step: int
) -> None:
    """A transposition of at most half an octave that leads to the same, relative or fifth key."""
    key = Key(tonic, minor)
    semitones = Modulation(Key(before, before_minor), step, 0).transposition(key)
    assert -6 <= semitones <= 5
    away = (key.moved(semitones).tonic - before) % 12
    relative = 0 if minor == before_minor else (9 if minor else 3)
    assert (relative + (0, 7, 5)[step]) % 12 == away


def test_first_key_is_the_one_that_was_drawn() -> None:
    assert 7 == Key(4).moved(Modulation(None, 1, 7).transposition(Key(4))).tonic


def test_keys_have_their_names() -> None:
    assert ("C# minor", "E flat major") == (str(Key(1, True)), str(Key(3)))


@pytest.mark.parametrize(
    ("onset", "bar_beats", "release", "after"),
    [(3.0, 4.0, 4.0, 8.0), (3.5, 4.0, 8.0, 12.0), (0.0, 4.0, 4.0, 8.0), (2.5, 3.0, 6.0, 9.0),
     (0.0, 1.5, 1.5, 3.0), (3.0, 1.5, 4.5, 6.0), (4.5, 1.5, 6.0, 8.0)],
)  # fmt: skip
def test_closing_note_is_held_to_a_bar_line_and_the_rest_ends_on_a_quarter(
    onset: float, bar_beats: float, release: float, after: float
) -> None:
    """A quarter at least; in bars that are no whole quarters the rest is rounded up."""
    tune = fresh(bar_beats)
    tune.place = onset * 12
    onsets, released, following = tune.places(tune_of([60], [END]))
    assert (onset * 12, release * 12, after * 12) == (onsets[0], released, following)


def test_long_notes_end_on_the_grid_and_move_what_follows() -> None:
    tune = fresh()
    ends = tune.ends(tune_of([60, 62, 64, 65], [12, 43, 12, 12]))
    assert [12.0, 54.0, 66.0, 78.0] == ends.tolist()
    assert tune.closes_bar(tune_of([60, 62], [12, 34]))


def test_short_notes_are_left_where_they_are() -> None:
    ends = fresh().ends(tune_of([60, 62, 64], [4, 5, 17]))
    assert [4.0, 9.0, 26.0] == ends.tolist()


def test_places_are_counted_in_the_unit_of_the_tune() -> None:
    """Half a quarter a unit at 120: a unit lasts a quarter of a second."""
    tune = fresh(unit_beats=0.5)
    line = tune.line(tune_of([60, 62, 64], [12, 24, 12]), Key(0), 2)
    assert [0.0, 0.5, 1.5] == line.onset.tolist()
    assert [0.5, 1.0, 0.5] == line.length.tolist()
    assert [62, 64, 66] == line.pitch.tolist()
    assert 1500.0 == tune.ms(24.0)


def test_phrases_come_back_only_after_some_others() -> None:
    """And what is only just said is no return."""
    rng, returns = np.random.default_rng(0), Returns()
    phrase = np.zeros((8, 3), np.int64)
    for _ in range(AFTER_PHRASES):
        assert returns.draw(rng, 1.0, 8) is None
        returns.add(phrase, tune_of([60] * 8), True)
    found = next(filter(None, (returns.draw(rng, 1.0, 8) for _ in range(50))))
    assert 0 == found[0]


def test_what_once_followed_a_phrase_often_follows_its_return() -> None:
    rng, counts = np.random.default_rng(0), Counter()
    for _ in range(400):
        returns = Returns()
        for i in range(4):
            returns.add(np.full((8, 3), i), tune_of([60 + i] * 8), True)
        returns.came(0)
        returns.add(np.full((8, 3), 0), tune_of([60] * 8), True)
        found = returns.draw(rng, 0.0, 8)
        counts[None if found is None else found[0]] += 1
    assert {None, 1} == {*counts}
    assert 0.3 < counts[1] / 400 < 0.5


def test_phrases_that_begin_within_a_bar_do_not_come_back() -> None:
    rng, returns = np.random.default_rng(0), Returns()
    for _ in range(5):
        returns.add(np.zeros((8, 3), np.int64), tune_of([60] * 8), False)
    assert all(returns.draw(rng, 1.0, 8) is None for _ in range(50))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_as_much_of_a_tune_returns_as_is_asked_for(share: float) -> None:
    """Phrases of random notes; what is offered comes back as it was."""
    rng, phrases, shares = np.random.default_rng(3), {}, []
    for _ in range(40):
        returns = Returns()
        for i in range(16):
            found = returns.draw(rng, share, 12)
            if found is not None:
                returns.came(found[0])
                phrases[i] = phrases[found[0]]
            else:
                phrases[i] = tune_of(rng.integers(60, 72, 12).tolist())
            returns.add(np.zeros((12, 3), np.int64), phrases[i], True)
        shares.append(returns.share)
    assert np.mean(shares) == pytest.approx(share, abs=0.06)


def test_randomness_is_drawn_alike_whether_a_phrase_returns_or_not() -> None:
    """A moved knob changes what it moves, and not the whole stream."""
    states = []
    for share in (0.0, 1.0):
        rng, returns = np.random.default_rng(1), Returns()
        for _ in range(6):
            returns.draw(rng, share, 8)
            returns.add(np.zeros((8, 3), np.int64), tune_of([60] * 8), True)
        states.append(rng.random())
    assert states[0] == states[1]


def test_push_names_every_argument_but_never_an_end() -> None:
    noise = np.zeros((4, CODEC.offsets[-1]), np.float32)
    push_phrase(noise, np.array([[3, 1, 2], [5, 0, CODEC.end_class]]), CODEC, 6.0)
    rows = [(0, 3), (0, 13), (0, 18), (1, 5), (1, 12)]
    assert rows == [tuple(map(int, at)) for at in np.argwhere(noise)]


def test_phrase_came_back_when_its_first_half_did() -> None:
    phrase = np.arange(24).reshape(8, 3)
    changed = phrase.copy()
    changed[5:] += 1
    assert came_back(phrase, changed)
    changed[0] += 1
    assert not came_back(phrase, changed)
    assert not came_back(None, phrase)


def heard(memory: TuneMemory, tune: TuneArray, fresh_notes: int) -> float:
    return memory.heard(tune, fresh_notes, len(tune) - fresh_notes)


def melody(seed: int, notes: int = 40) -> TuneArray:
    rng = np.random.default_rng(seed)
    return tune_of(rng.integers(60, 80, notes).tolist(), rng.choice([6, 12, 24], notes).tolist())


def test_tune_that_was_played_is_known_in_any_key_and_another_is_not() -> None:
    memory, tune = TuneMemory(60_000.0), melody(0)
    memory.add(tune, True, 1000.0)
    moved = tune.copy()
    moved["pitch"] += 5
    assert (1.0, 0.0) == (heard(memory, moved[16:], 24), heard(memory, melody(1), 24))


def test_tune_that_is_being_written_is_no_other_tune() -> None:
    memory, tune = TuneMemory(60_000.0), melody(0)
    memory.add(tune, False, 1000.0)
    assert 0.0 == heard(memory, tune, 24)


def test_opening_is_known_long_after_figures_are_forgotten() -> None:
    memory, tune = TuneMemory(60_000.0), melody(0)
    memory.add(tune, True, 1000.0)
    for i in range(1, 30):
        memory.add(melody(i), True, 10_000.0 * i)
    assert len(memory) < 8 * 33
    assert (1.0, 0.0) == (memory.heard(tune[:20], 12, 8), heard(memory, tune[20:], 20))


def test_scale_and_range_are_written_into_the_noise() -> None:
    controls = Controls(scale="major", root=2, low=60, high=83)
    bias = control_bias(controls, CODEC, 1)
    allowed = {(p + 1 - 2) % 12 for p in np.flatnonzero(bias[:12] == 0)}
    assert {*MAJOR} == allowed
    assert [0, 0, 0, FORBID] == bias[12:16].tolist()
    assert not control_bias(Controls(), CODEC, 3).any()


def test_density_tilts_lengths_and_leaves_the_end_alone() -> None:
    bias = control_bias(Controls(density=2.0), CODEC, 0)[16:]
    assert (np.diff(bias[:-1]) < 0).all()
    assert 0.0 == bias[-1]


def test_end_is_forbidden_then_likelier_then_forced() -> None:
    tune = fresh()
    tune.count, tune.key = 20, Key(4)
    bias = end_bias(tune, 30, CODEC, 8, 192)
    end = bias[:, CODEC.offsets[2] + CODEC.end_class]
    forbidden, forced = int((end == FORBID).sum()), int((end == FORCE).sum())
    between = end[forbidden : len(end) - forced]
    assert (2, 3) == (forbidden, forced)
    assert (np.diff(between) > 0).all()
    assert [4, 8, 11] == sorted(np.flatnonzero(bias[-1, :12]).tolist())
    assert 4 == int(bias[-1, :12].argmax())


@given(low=st.integers(0, 110), transpose=st.integers(-24, 24))
def test_octaves_bring_a_tune_as_far_into_the_range_as_can_be(low: int, transpose: int) -> None:
    controls = Controls(low=low, high=min(low + 40, 127) if low < 87 else 127, transpose=transpose)
    shift = octave_shift(controls, 55, 79)
    assert shift % 12 == 0

    def outside(s: int) -> int:
        moved = s + transpose
        return max(controls.low - 55 - moved, 0) + max(79 + moved - controls.high, 0)

    assert all(outside(shift) <= outside(s) for s in range(-60, 61, 12))


def test_range_of_a_whole_keyboard_moves_nothing() -> None:
    assert 0 == octave_shift(Controls(), 50, 84)


def test_tune_of_few_notes_goes_on_with_them_and_a_chromatic_one_as_it_likes() -> None:
    white = tonal_bias(tune_of([60 + MAJOR[i % 7] for i in range(70)]))
    assert all(white[i] > -0.2 for i in MAJOR)
    assert all(white[i] < -1.0 for i in range(12) if i not in MAJOR)
    assert not tonal_bias(tune_of([60 + i % 12 for i in range(96)])).any()
    assert not tonal_bias(tune_of([])).any()


def test_notes_are_held_within_their_phrase_and_in_order() -> None:
    wild = (Note(60, 500.0, 9000.0, 64), Note(62, 90.0, 10.0, 64), Note(64, 2000.0, 5.0, 64))
    found = inside(wild, 100.0, 1500.0)
    assert [100.0, 500.0, 1499.0] == [note.onset_ms for note in found]
    assert all(note.end_ms <= 1500.0 for note in found)
