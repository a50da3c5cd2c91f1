"""Small score sets for tests of the window families."""

from __future__ import annotations

import numpy as np

from streamer.midi.beatfile import BEAT_DTYPE
from training.families.windows.scoreset import ScoreInfo, ScoreSet


def scores(*pieces: list[tuple[float, float, int]], metre: tuple[int, int] = (4, 4)) -> ScoreSet:
    """Return pieces of (onset, length, pitch), all for training, in one metre."""
    infos = [
        ScoreInfo(f"{i}.mid", "c", f"w{i}", "", "train", ((0.0, *metre),), 120.0, {})
        for i in range(len(pieces))
    ]
    arrays = []
    for piece in pieces:
        rows = np.zeros(len(piece), BEAT_DTYPE)
        rows["onset"], rows["length"], rows["pitch"] = zip(*piece, strict=True)
        arrays.append(rows)
    return ScoreSet.from_pieces(arrays, infos)
