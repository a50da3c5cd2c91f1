"""Ties into a bar that does not know the one before it, and the sureness that candidates share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from export.families.windows.statistics import tie_thresholds, tied_share
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.generator import WindowGenerator
from streamer.families.windows.path import Places
from streamer.families.windows.section import cell_entropies, step_entropies
from streamer.families.windows.ties import Sounding, tie_evidence, with_ties
from streamer.generators.sections import WindowSettings, step_angle
from streamer.generators.sectionspec import WindowSpec
from streamer.music.notes import Phrase
from streamer.settings.controls import Controls, LiveControls
from tests.scores import scores
from training.families.windows.sections import bars

CODEC = RollCodec("bars", 4, 16, 60, 67, onsets=True)
NONE = np.zeros(CODEC.shape, dtype=bool)


def shown(held: float, struck: float, *, key: int = 60, steps: int = 6) -> np.ndarray:
    values = np.full(CODEC.shape, 0.01)
    values[:steps, key - 60, 0], values[0, key - 60, 1] = held, struck
    return values


def tied(values: np.ndarray, sounding: Iterable[int] = (60,), at: float = 0.2) -> np.ndarray:
    cells = np.stack([values[..., 0] > 0.5, values[..., 1] > 0.5], axis=-1)
    keys = frozenset(sounding)
    return with_ties(cells, values, 60, Sounding(keys, keys), [at] * 8, 0.5)


def test_a_sounding_key_goes_on_where_the_network_holds_it_without_a_strike() -> None:
    out = tied(shown(0.4, 0.1))
    assert out[:, 0, 0].tolist() == [True] * 6 + [False] * 10
    assert not out[..., 1].any()


def test_no_tie_where_nothing_sounds_or_the_network_does_not_hold_the_key() -> None:
    assert not tied(shown(0.4, 0.1), sounding=()).any()
    assert not tied(shown(0.1, 0.0)).any()
    assert not tied(shown(0.4, 0.1), sounding=(61,)).any()


def test_a_key_that_does_not_sound_is_struck_or_silent_but_not_held_over() -> None:
    values = shown(0.9, 0.1)
    values[9, 0, :] = 0.9
    assert tied(values, sounding=())[:, 0, 0].tolist() == [step == 9 for step in range(16)]
    assert tied(shown(0.9, 0.9), sounding=())[0, 0].tolist() == [True, True]


def test_what_the_network_would_rather_strike_is_struck() -> None:
    out = tied(shown(0.9, 0.8), at=0.5)
    assert out[0, 0].tolist() == [True, True]


def test_a_tie_ends_where_its_key_is_struck_again() -> None:
    values = shown(0.4, 0.1)
    values[3, 0, 1] = 0.9
    out = tied(values)
    assert out[:4, 0, 1].tolist() == [False, False, False, True]
    assert out[:, 0, 0].sum() == 3


class Turns:
    """A path of given probabilities, one section after the other."""

    def __init__(self, *sections: np.ndarray) -> None:
        self.sections, self.at = sections, 0

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        cells = self.sections[min(self.at, len(self.sections) - 1)].astype(np.float32)
        return Places(np.zeros((count, 4)), np.repeat(cells[None], count, axis=0))

    def take(self, places: Places, chosen: int) -> None:
        self.at += 1


def stream(*sections: np.ndarray, tie: list[float]) -> list[list[tuple[int, int, int]]]:
    spec = WindowSpec(latent=4, longest_steps=32, tie=tie)
    made = WindowGenerator(
        Turns(*sections), CODEC, spec, WindowSettings(candidates=2),
        np.random.default_rng(0), LiveControls(Controls()), (),
    )  # fmt: skip
    ms = made.beat_ms / 4

    def rows(phrase: Phrase) -> list[tuple[int, int, int]]:
        return [(n.pitch, round((n.onset_ms - phrase.start_ms) / ms), round(n.duration_ms / ms))
                for n in phrase.notes]  # fmt: skip

    return [rows(made.next_phrase()) for _ in range(3)]


def test_the_stream_ties_what_sounds_and_only_that() -> None:
    first = np.full(CODEC.shape, 0.01)
    first[12:, 0, 0], first[12, 0, 1] = 0.9, 0.9
    after = np.full(CODEC.shape, 0.01)
    after[:5, :2, 0] = 0.4
    silence = np.full(CODEC.shape, 0.01)
    assert stream(first, after, silence, tie=[0.2] * 8) == [[(60, 12, 9)], [], []]
    assert stream(first, after, silence, tie=[]) == [[(60, 12, 4)], [], []]


def test_a_note_that_fills_the_bar_after_its_own_is_struck_in_the_third() -> None:
    first = np.full(CODEC.shape, 0.01)
    first[12:, 0, 0], first[12, 0, 1] = 0.9, 0.9
    whole = np.full(CODEC.shape, 0.01)
    whole[:, 0, 0] = 0.9
    heard = stream(first, whole, whole, whole, tie=[0.2] * 8)
    assert heard == [[(60, 12, 20)], [], [(60, 0, 32)]]


def pitches(keys: np.ndarray) -> frozenset[int]:
    return frozenset((np.flatnonzero(keys) + 60).tolist())


def test_ties_are_as_frequent_as_in_the_corpus() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 400, *CODEC.shape))
    # Low keys seldom sound; the same evidence says more of them.
    before[:, -1, :4] *= 0.6
    thresholds = tie_thresholds((before, after), 0.5, 0.9, 0.3)
    sounding = (before[:, -1, :, 0] > 0.5) | (before[:, -1, :, 1] > 0.9)
    ties = [
        with_ties(NONE, one, 60, Sounding(keys, keys), thresholds.tolist(), 0.9)[0, :, 0]
        for one, keys in zip(after, map(pitches, sounding), strict=True)
    ]
    assert np.sum(ties) / sounding.sum() == pytest.approx(0.3, abs=0.02)
    assert thresholds[:4].max() < thresholds[4:].min()
    assert tie_evidence(after).shape == (400, 8)


def test_the_share_of_ties_is_counted_in_bars_that_follow_each_other() -> None:
    piece = [(3.0, 2.0, 60), (3.5, 0.5, 64), (4.0, 4.0, 64), (7.0, 1.0, 60), (8.0, 1.0, 60)]
    every = bars(scores(piece, piece), [0, 1], CODEC)
    # Into bar 2: 60 is tied, 64 struck; into bar 3: 60 struck, 64 released.
    assert tied_share(every) == pytest.approx(1 / 4)


def test_while_nobody_moves_the_control_a_walk_goes_as_far_as_the_corpus() -> None:
    near, far = step_angle(Controls(), 0.6)
    assert near == pytest.approx(np.cos(0.6 * np.pi / 2))
    assert near**2 + far**2 == pytest.approx(1.0)
    assert step_angle(Controls(walk=0.0), 0.6)[0] == pytest.approx(1.0)
    assert step_angle(Controls(walk=1.0), 0.6)[0] == pytest.approx(0.0)
    assert step_angle(Controls(), None)[0] == pytest.approx(np.cos(0.35 * np.pi / 2))


def test_a_fuller_bar_is_not_less_sure() -> None:
    def entropy(voices: int) -> float:
        values = np.full((8, 30, 1), 1e-6)
        values[:, :voices] = 0.8
        return float(step_entropies(values, cell_entropies(values)).mean())

    assert entropy(6) == pytest.approx(entropy(2), rel=0.01)
