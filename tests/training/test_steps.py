"""How far a corpus goes from one section to the next, and the step of a walk that goes as far."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.windows.codec import RollCodec
from tests.scores import scores
from training.families.windows.steps import corpus_likeness, following, likeness, usual_step


def rolls(*keys: int) -> np.ndarray:
    cells = np.zeros((1, 4, 24), dtype=bool)
    cells[:, :, list(keys)] = True
    return cells


def test_octaves_are_alike_other_notes_are_not_and_silence_is_not_asked() -> None:
    assert likeness(rolls(0, 4), rolls(12, 4), 60) == pytest.approx(1.0)
    assert likeness(rolls(0), rolls(1), 60) == pytest.approx(0.0)
    both = np.concatenate([rolls(0), rolls(0)])
    assert likeness(both, np.concatenate([rolls(12), rolls()]), 60) == pytest.approx(1.0)
    assert likeness(rolls(), rolls(), 60) == 0.0


def test_sections_are_compared_within_their_piece() -> None:
    def piece(key: int) -> list[tuple[float, float, int]]:
        return [(float(i), 1.0, key) for i in range(16)]

    codec = RollCodec("roll", 4, 16)
    found = following(scores(piece(60), piece(61)), [0, 1], codec, 16)
    assert len(found) == 8
    assert corpus_likeness(found) == pytest.approx(1.0)


@pytest.mark.parametrize("wanted", [0.3, 0.5, 0.8])
def test_the_step_is_the_one_at_which_sections_are_as_alike_as_asked(wanted: float) -> None:
    def redraw(step: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        here = rng.integers(0, 12, 4000)
        there = np.where(rng.random(4000) < step, (here + 1) % 12, here)
        return np.eye(12)[here][:, None], np.eye(12)[there][:, None]

    assert usual_step(redraw, wanted, 0) == pytest.approx(1 - wanted, abs=0.03)
    assert usual_step(redraw, 1.0, 0) <= 0.06
    assert usual_step(redraw, -1.0, 0) == 0.99
