"""A small made-up corpus of tunes that have some order, in two styles: no files, no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END
from tests.bundles import tiny_tune_codec
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet

STYLES = ("bach", "jazz")
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def orderly_track(seed: int, notes: int, style: str) -> NDArray[Any]:
    """Return a line that walks up and down a scale in a rhythm that comes again, with variety."""
    rng = np.random.default_rng((seed, len(style)))
    place = np.cumsum(rng.choice([-1, 1, 1, 2, -2], notes) * (1 if style == "bach" else 2))
    folded = np.abs((place + 7) % 28 - 14)
    rhythm = np.array([12, 12, 6, 6, 24] if style == "bach" else [8, 4, 8, 4, 12, 24])
    track = np.zeros(notes, TRACK_DTYPE)
    track["pitch"] = 55 + 12 * (folded // 7) + SCALE[folded % 7]
    track["length"] = np.resize(rhythm, notes)
    track["length"][-1] = END
    track["velocity"], track["articulation"] = 80, 0.9
    return track


def orderly_tunes(works: int = 30, notes: int = 100) -> TuneSet:
    """Return a corpus of ``works`` works of each style, three fifths of them for training."""
    tracks, infos = [], []
    for style in STYLES:
        for i in range(works):
            split = ("train", "train", "train", "valid", "test")[i % 5]
            tracks.append(orderly_track(i, notes, style))
            infos.append(
                TuneInfo(f"{style}{i}.mid", style, f"{style} {i}", "CC0-1.0", split, style, 0,
                         1.0, 100.0, 4.0, "1")
            )  # fmt: skip
    return TuneSet.from_tracks(tracks, infos, tiny_tune_codec())
