"""Echoes: the last notes, offered again to some candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.families.chain import echo as echoes
from streamer.families.chain.codec import published_codec
from streamer.families.chain.echo import Echo, draw_echo
from streamer.families.chain.generator import StepGenerator
from streamer.music.notes import PIANO_LOW, Note
from tests.bundles import write_tiny_bundle
from tests.streamer.test_ear import ear_of, make

CODEC = published_codec()
FREE = np.ones(88, dtype=np.bool_)
PAST = [(100.0 + i, Note(60 + i, 100.0 * i, 90.0, 64)) for i in range(12)]
"""Ever higher, ever slower."""


def drawn(
    monkeypatch: pytest.MonkeyPatch, period: int, move: int, allowed: np.ndarray = FREE
) -> Echo | None:
    """An echo of a phrase of 16 notes, of the given period and move."""
    monkeypatch.setattr(echoes, "PERIODS", (period,))
    monkeypatch.setattr(echoes, "MOVES", (move,))
    return draw_echo(np.random.default_rng(1), PAST, 16, allowed, CODEC)


def test_an_echo_is_the_last_notes_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of the phrase is the one a whole number of periods before it."""
    echo = drawn(monkeypatch, 4, 0)
    assert echo is not None
    pitches = [71 - 3 + (step % 4) for step in range(echo.step, echo.step + len(echo.classes))]
    assert (echo.classes + PIANO_LOW).tolist() == pitches
    shifts = np.array([108.0 + (p - 68) for p in pitches])
    assert echo.shifts.tolist() == CODEC.shift.encode(shifts).tolist()


def test_an_echo_may_be_higher_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, higher = drawn(monkeypatch, 4, 0), drawn(monkeypatch, 4, 7)
    assert plain is not None
    assert higher is not None
    assert (higher.classes - plain.classes).tolist() == [7] * len(plain.classes)
    assert higher.shifts.tolist() == plain.shifts.tolist()


def test_there_is_none_of_what_was_not_played_or_may_not_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert drawn(monkeypatch, 40, 0) is None
    assert drawn(monkeypatch, 4, -60) is None
    assert drawn(monkeypatch, 4, 0, FREE & (np.arange(88) < 40)) is None


def test_an_echo_pushes_pitch_and_half_as_much_its_rhythm() -> None:
    noise = np.zeros((8, CODEC.offsets[-1]), np.float32)
    Echo(2, np.array([5, 6]), np.array([7, 8])).push(noise, 4.0, CODEC)
    at = CODEC.offsets[1]
    assert noise[2, 5] == noise[3, 6] == 4.0
    assert noise[2, at + 7] == noise[3, at + 8] == 2.0
    assert noise.sum() == 12.0


def test_strong_echoes_bring_intervals_back(tmp_path: Path) -> None:
    """In a stream whose ear takes any: more pairs of intervals return with echoes than without.

    The bundle has no law of hands: its wild notes would hold most keys down.
    """
    bundle = write_tiny_bundle(tmp_path)

    def returned(share: float) -> float:
        ear = ear_of(lambda notes: np.zeros(notes.shape[1]))
        generator: StepGenerator = make(bundle, ear)
        settings = generator._settings
        recall = replace(settings.recall, echo_share=share, echo_strength=40.0)
        generator._settings = replace(settings, recall=recall)
        pitches = [n.pitch for _ in range(8) for n in generator.next_phrase().notes]
        steps = np.diff(pitches)
        pairs = list(zip(steps, steps[1:], strict=False))
        return sum(pair in pairs[max(0, i - 64) : i] for i, pair in enumerate(pairs)) / len(pairs)

    assert returned(1.0) > 0.3 > 0.15 > returned(0.0)
