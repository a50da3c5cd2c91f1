"""A bass of the tune's own chords, a drone, and who plays a tune with both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.expression.expression import Expression
from streamer.expression.tables import DEFAULT
from streamer.families.tunes.key import Key
from streamer.families.tunes.line import Line
from streamer.families.tunes.secondvoice import BASS_HIGH, BASS_LOW, SecondVoice
from streamer.families.tunes.voice import ExpressiveVoice
from streamer.families.windows.player import ExpressivePlayer, WrittenBars
from streamer.music.notes import Note
from tests.streamer.test_expression import LIVELY

BEAT_MS = 500.0


def under(voice: SecondVoice, pitches: list[int], lengths: list[float], **options: Any) -> Any:
    length = np.array(lengths)
    onset = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    known: dict[str, Any] = {"tonic": 0, "minor": False, "bar_beats": 4.0, "beat_ms": BEAT_MS}
    return voice.play(np.array(pitches), onset, length, **{**known, **options})


def places(notes: tuple[Note, ...]) -> list[tuple[int, float]]:
    return [(note.pitch % 12, note.onset_ms / BEAT_MS) for note in notes]


def test_the_bass_has_the_roots_of_the_bars_and_the_fifth_in_their_middle() -> None:
    pitches = [72, 76, 79, 76, 77, 81, 84, 81, 74, 79, 83, 79, 72]
    notes = under(SecondVoice("bass"), pitches, [1.0] * 12 + [4.0], closes=True)
    assert places(notes) == [(0, 0), (7, 2), (5, 4), (0, 6), (7, 8), (2, 10), (0, 12)]
    assert all(BASS_LOW <= note.pitch <= BASS_HIGH for note in notes)


def test_bars_of_three_have_one_bass_note() -> None:
    notes = under(SecondVoice("bass"), [72, 76, 79, 79, 83, 86], [1.0] * 6, bar_beats=3.0)
    assert places(notes) == [(0, 0), (7, 3)]


def test_a_minor_key_has_its_own_chords() -> None:
    notes = under(SecondVoice("bass"), [69, 72, 76, 72], [1.0] * 4, tonic=9, minor=True)
    assert places(notes)[0] == (9, 0)


def test_the_drone_holds_tonic_and_fifth_below_the_tune() -> None:
    notes = under(SecondVoice("drone"), [72, 74, 76, 77], [1.0] * 4, tonic=2)
    assert [note.pitch for note in notes] == [38, 45]
    assert notes[0].duration_ms == pytest.approx(0.92 * 4 * BEAT_MS)


def test_a_phrase_that_begins_within_a_bar_has_no_bass_before_the_bar_line() -> None:
    length = np.ones(4)
    notes = SecondVoice("bass").play(
        np.array([72, 72, 76, 79]), np.array([3.0, 4.0, 5.0, 6.0]), length, tonic=0, minor=False,
        bar_beats=4.0, beat_ms=BEAT_MS,
    )  # fmt: skip
    assert [at for _, at in places(notes)] == [4.0, 6.0]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["bass", "drone"]),
    st.lists(st.tuples(st.integers(40, 90), st.sampled_from([0.25, 0.5, 1 / 3, 3.0])), min_size=1),
    st.floats(0, 12),
    st.sampled_from([2.0, 3.0, 4.0, 1.5, 4.5]),
    st.integers(0, 11),
    st.booleans(),
)
def test_whatever_is_above_the_second_voice_keeps_its_bounds(
    kind: Any, notes: list[tuple[int, float]], start: float, bar: float, tonic: int, minor: bool
) -> None:
    length = np.array([n for _, n in notes])
    onset = start + np.concatenate([[0.0], np.cumsum(length)[:-1]])
    found = SecondVoice(kind, channel=1).play(
        np.array([p for p, _ in notes]), onset, length, tonic=tonic, minor=minor, bar_beats=bar,
        beat_ms=BEAT_MS, fresh=True, closes=True,
    )  # fmt: skip
    assert [n.onset_ms for n in found] == sorted(n.onset_ms for n in found)
    end_ms = float(onset[-1] + length[-1]) * BEAT_MS
    for note in found:
        assert note.channel == 1
        assert note.pitch >= 21
        assert start * BEAT_MS - 1e-6 <= note.onset_ms < note.end_ms <= end_ms + 1e-6


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="bass or drone"):
        SecondVoice("off")
    with pytest.raises(ValueError, match=r"channel in 0\.\.15"):
        SecondVoice("bass", channel=16)


# Behind the generators' protocols


def tune_line(index: int = 0) -> Line:
    length = np.full(16, 0.5)
    return Line(
        np.arange(60, 76), 8.0 * (index > 0) + np.arange(16) * 0.5, length, 4.0, BEAT_MS, 2000.0,
        index, 64, False, Key(0), np.array([0.25, 0.75], dtype=np.float32),
    )  # fmt: skip


def test_a_tune_is_played_with_its_second_voice_in_order() -> None:
    expression = Expression({DEFAULT: LIVELY}, np.random.default_rng(0))
    voice = ExpressiveVoice(expression, SecondVoice("bass", channel=1), ("a", "b"))
    notes = [*voice.play(tune_line()), *voice.play(tune_line(16))]
    assert sum(note.channel == 0 for note in notes) == 32
    assert sum(note.channel == 1 for note in notes) == 8
    assert [n.onset_ms for n in notes[:20]] == sorted(n.onset_ms for n in notes[:20])
    assert len({note.velocity for note in notes}) > 10


def test_without_tables_a_second_voice_still_plays_under_plain_notes() -> None:
    notes = ExpressiveVoice(None, SecondVoice("drone"), ("a", "b")).play(tune_line())
    assert len(notes) == 16 + 4


def test_sections_of_several_voices_are_played_too() -> None:
    expression = Expression({DEFAULT: LIVELY}, np.random.default_rng(0))
    onset = np.repeat(np.arange(4.0), 2)
    bars = WrittenBars(np.tile([60, 67], 4), onset, np.ones(8), 16.0, 4.0, BEAT_MS)
    notes = ExpressivePlayer(expression).play_bars(bars)
    assert [note.pitch for note in notes] == [60, 67] * 4
    assert min(note.onset_ms for note in notes) >= 16 * BEAT_MS - 0.45 * BEAT_MS
