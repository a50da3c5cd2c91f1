"""A made corpus of scores, a few kilobytes: to try training and export without any file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.midi.beatfile import BEAT_DTYPE
from training.families.windows.scoreset import ScoreInfo, ScoreSet

_SPLITS = ("train", "train", "train", "train", "valid", "test")
_BARS = 16
_CHORD = (0, 4, 7, 12)
_ROOTS = (0, 5, 7, 0)


def tiny_scores() -> ScoreSet:
    """Return six pieces of broken chords in 4/4, four of them to train on; always the same."""
    infos = [
        ScoreInfo(
            file=f"{i}.mid",
            corpus="made",
            work_key=f"work {i}",
            licence="CC0-1.0",
            split=split,
            metres=((0.0, 4, 4),),
            bpm=100.0 + 5 * i,
            labels={},
        )
        for i, split in enumerate(_SPLITS)
    ]
    return ScoreSet.from_pieces([_piece(i) for i in range(len(infos))], infos)


def _piece(seed: int) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    eighths = 8 * _BARS
    place = np.arange(eighths)
    notes = np.zeros(eighths, BEAT_DTYPE)
    notes["onset"] = place / 2
    notes["length"] = rng.choice([0.5, 0.5, 1.0], eighths)
    root = np.array(_ROOTS)[place // 8 % len(_ROOTS)]
    notes["pitch"] = 52 + seed + root + np.array(_CHORD)[rng.integers(0, len(_CHORD), eighths)]
    notes["velocity"] = 70
    return notes
