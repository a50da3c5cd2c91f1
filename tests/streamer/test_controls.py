"""Live controls: ranges, snapshots, and what they add to the noise."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.noise import FORBID
from streamer.families.chain.codec import published_codec
from streamer.families.chain.steering import allowed_pitches, noise_bias
from streamer.generators.performer import Performer
from streamer.live.sendtime import SendTime
from streamer.music.notes import Note, Phrase
from streamer.music.scales import SCALE_STEPS, fold
from streamer.settings.controls import Controls, LiveControls, control_specs

CODEC = published_codec()
PITCH = slice(0, CODEC.offsets[1])
SHIFT = slice(CODEC.offsets[1], CODEC.offsets[2])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"temperature": 0.05}, "temperature must be in range 0.1..3.0 x, not 0.05"),
        ({"temperature": float("nan")}, "temperature must be in range"),
        ({"density": True}, "density must be a number"),
        ({"transpose": 1.5}, "transpose must be a whole number"),
        ({"scale": "majr"}, "scale must be one of off, major"),
        ({"pause": 1}, "pause must be true or false"),
        ({"low": 60, "high": 70}, "high must be 11 or more above low, not 60..70"),
        ({"tempo": 2.0}, "no control is called 'tempo'; did you mean tempo_scale?"),
    ],
)
def test_illegal_change_is_refused_with_the_legal_range(
    change: dict[str, object], line: str
) -> None:
    """And the snapshot stays as it was."""
    live = LiveControls()
    before = live.snapshot()
    with pytest.raises(ValueError, match=line.replace(".", r"\.").replace("?", r"\?")):
        live.update(**change)
    assert live.snapshot() is before


def test_all_mistakes_of_a_change_are_named_at_once() -> None:
    """Two wrong values give two parts of one line."""
    with pytest.raises(ValueError, match=r"density must be.*; root must be"):
        Controls(density=9.0, root=12)


def test_update_changes_several_controls_in_one_snapshot() -> None:
    """Who took the old snapshot keeps it."""
    live = LiveControls()
    before = live.snapshot()
    after = live.update(density=2, pause=True)
    assert (2.0, True) == (after.density, after.pause)
    assert (1.0, False) == (before.density, before.pause)


def test_updates_from_many_threads_are_all_kept() -> None:
    """No writer overwrites what another wrote to another control."""
    live = LiveControls()
    changes: list[dict[str, float]] = [
        {"temperature": 2.0}, {"density": 3.0}, {"velocity_scale": 0.5}, {"tempo_scale": 2.0},
    ]  # fmt: skip
    threads = [threading.Thread(target=live.update, kwargs=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    merged = {name: value for change in changes for name, value in change.items()}
    assert Controls(**merged) == live.snapshot()  # type: ignore[arg-type]


def test_every_scale_that_can_be_named_has_its_steps() -> None:
    """The names of the controls and of the steering are the same."""
    assert {*SCALE_STEPS} == {*control_specs()["scale"].choices}


def test_default_controls_leave_the_noise_alone() -> None:
    """No bias at all."""
    assert not noise_bias(Controls(), CODEC).any()


def test_range_forbids_what_sounds_outside_once_transposed() -> None:
    """Low 60 with a transposition of 12 leaves the model 48 and above."""
    bias = noise_bias(Controls(low=60, high=83, transpose=12), CODEC)[PITCH]
    assert [*range(48, 72)] == (np.flatnonzero(bias == 0) + 21).tolist()
    assert {0.0, FORBID} == {*bias.tolist()}


def test_range_that_would_leave_the_model_less_than_an_octave_is_left_to_folding() -> None:
    """Nothing is forbidden; the performer puts the notes in."""
    assert allowed_pitches(Controls(low=116, high=127)).all()


def test_scale_lock_forbids_notes_off_the_scale() -> None:
    """G major from G: the sounding pitch counts."""
    bias = noise_bias(Controls(scale="major", root=7, transpose=1), CODEC)[PITCH]
    allowed = {(pitch + 21 + 1) % 12 for pitch in np.flatnonzero(bias == 0)}
    assert {7, 9, 11, 0, 2, 4, 6} == allowed


def test_soft_scale_lock_only_discourages() -> None:
    """Half a lock is four nats."""
    bias = noise_bias(Controls(scale="major", scale_lock=0.5), CODEC)[PITCH]
    assert {0.0, -4.0} == {*bias.tolist()}
    assert not noise_bias(Controls(scale="major", scale_lock=0.0), CODEC).any()


@given(
    st.integers(0, 116), st.integers(11, 127), st.integers(-24, 24), st.sampled_from([*SCALE_STEPS])
)
def test_some_pitch_is_always_left(low: int, span: int, transpose: int, scale: str) -> None:
    """No setting of range, transposition and scale silences the model."""
    controls = Controls(low=low, high=min(low + span, 127), transpose=transpose, scale=scale)  # type: ignore[arg-type]
    assert (noise_bias(controls, CODEC)[PITCH] == 0).any()


@given(st.floats(0.25, 4.0))
def test_density_tilts_the_time_shifts_one_way(density: float) -> None:
    """More notes a second: longer shifts are the less likely, and the other way round."""
    tilt = np.diff(noise_bias(Controls(density=density), CODEC)[SHIFT])
    assert (tilt <= 0).all() if density >= 1 else (tilt >= 0).all()


@given(st.integers(0, 127), st.integers(0, 116), st.integers(11, 127))
def test_folding_moves_by_octaves_into_the_range(pitch: int, low: int, span: int) -> None:
    """The pitch class stays."""
    high = low + span
    folded = fold(pitch, low, high)
    assert low <= folded <= high
    assert (folded - pitch) % 12 == 0
    if low <= pitch <= high:
        assert folded == pitch


def _phrase(start_ms: float, *onsets_ms: float) -> Phrase:
    notes = tuple(Note(60, onset_ms, 100.0, 60) for onset_ms in onsets_ms)
    return Phrase(notes, np.zeros((len(notes), 5), np.float32), start_ms, onsets_ms[-1])


def test_performer_starts_at_zero_wherever_the_model_stands() -> None:
    """A stream that continues a file begins with its own first note."""
    first = Performer().perform(_phrase(5000.0, 5000.0, 5100.0))
    assert [0.0, 100.0] == [note.onset_ms for note in first.notes]


def test_phrases_follow_each_other_and_can_be_laid_again_from_a_mark() -> None:
    """What was forgotten leaves no gap."""
    performer = Performer()
    performer.perform(_phrase(0.0, 100.0, 200.0))
    mark = performer.mark()
    second = performer.perform(_phrase(200.0, 300.0, 400.0))
    performer.go_back(mark)
    again = performer.perform(_phrase(900.0, 1000.0, 1100.0))
    assert [300.0, 400.0] == [note.onset_ms for note in second.notes]
    assert [300.0, 400.0] == [note.onset_ms for note in again.notes]
    assert (200.0, 400.0) == (second.start_ms, second.end_ms)


def _sent(note: Note, **controls: Any) -> Note:
    return SendTime.of(Controls(**controls)).note(note)


def test_velocity_and_transposition_change_what_leaves() -> None:
    """Velocity stays within 1..127 and pitch within the range."""
    note = _sent(Note(60, 0.0, 100.0, 60), velocity_scale=2.0, transpose=24, high=80)
    assert (120, 72) == (note.velocity, note.pitch)
    assert 6 == _sent(Note(60, 0.0, 100.0, 60), velocity_scale=0.1).velocity


def test_drums_are_louder_or_softer_but_never_moved() -> None:
    """A pitch of theirs names an instrument."""
    drum = Note(38, 0.0, 100.0, 60, channel=9, unpitched=True)
    sent = _sent(drum, velocity_scale=0.5, transpose=7, low=60, scale="major")
    assert (38, 30) == (sent.pitch, sent.velocity)


@given(
    st.integers(0, 127), st.integers(-24, 24), st.integers(0, 11), st.sampled_from([*SCALE_STEPS])
)
def test_a_scale_that_forbids_quantises_what_leaves(
    pitch: int, transpose: int, root: int, scale: str
) -> None:
    """Every note is on the scale, at most two semitones away; a note on it stays."""
    sent = _sent(
        Note(pitch, 0.0, 100.0, 60), transpose=transpose, root=root, scale=scale, low=0, high=127
    ).pitch
    wanted = pitch + transpose
    assert (sent - root) % 12 in SCALE_STEPS[scale]  # type: ignore[index]
    assert min(abs((sent - wanted) % 12), 12 - abs((sent - wanted) % 12)) <= 2
    if (wanted - root) % 12 in SCALE_STEPS[scale]:  # type: ignore[index]
        assert (sent - wanted) % 12 == 0


def test_a_soft_scale_lock_leaves_what_is_drawn() -> None:
    """Discouraging is a matter of drawing."""
    assert 61 == _sent(Note(61, 0.0, 100.0, 60), scale="major", scale_lock=0.9).pitch
