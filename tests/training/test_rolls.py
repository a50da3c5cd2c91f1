"""Sections cut from whole rolls are those that are cut from notes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamer.families.windows.codec import RollCodec
from tests.scores import scores
from training.families.windows.rolls import PieceRolls
from training.families.windows.sections import chunks

CPU = torch.device("cpu")


def music(seed: int, notes: int) -> list[tuple[float, float, int]]:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.integers(0, 4, notes)) / 4
    pitch, length = rng.integers(0, 128, notes), rng.integers(1, 12, notes) / 4
    return list(zip(at.tolist(), length.tolist(), pitch.tolist(), strict=True))


@pytest.mark.parametrize("low", [0, 40])
def test_sections_from_rolls_are_those_from_notes(low: int) -> None:
    corpus = scores(music(1, 90), music(2, 60), music(3, 5))
    codec, indices = RollCodec("roll", 4, 24, low, 127 - low), [0, 1, 2]
    shift, keys = np.array([0, -3, 2]), np.array([-11, 4, 0])
    wanted = chunks(corpus, indices, codec, hop_beats=3, shift_beats=shift, transpose=keys)
    rolls = PieceRolls(corpus, indices, codec, CPU)
    starts, owners = rolls.places(12, shift * 4)
    found = rolls.cut(starts, keys[owners]).numpy()
    assert len(found) == len(wanted) > 10
    assert owners.tolist() == wanted.piece.tolist()
    np.testing.assert_array_equal(found, wanted.cells(slice(None))[..., 0])


def test_a_section_at_the_end_of_a_piece_is_silent_beyond_it() -> None:
    codec = RollCodec("roll", 4, 16)
    rolls = PieceRolls(scores(music(1, 40), music(2, 40)), [0, 1], codec, CPU)
    last = rolls.firsts + rolls.lengths - 4
    cells = rolls.cut(last, np.zeros(2, dtype=np.int64))
    assert not cells[:, 4:].any()
    assert cells[:, :4].any()


def test_onsets_are_no_rolls() -> None:
    with pytest.raises(ValueError, match="no onsets"):
        PieceRolls(scores(music(1, 8)), [0], RollCodec("bars", 4, 16, onsets=True), CPU)
