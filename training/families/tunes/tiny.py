"""A made corpus of tunes, a few kilobytes: to try training and export without any file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, UNIT_PARTS
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet

_SPLITS = ("train", "train", "train", "valid", "test")
_NOTES = 60
_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
_RHYTHMS = {"round": (12, 12, 6, 6, 24), "swing": (8, 4, 8, 4, 12, 24)}
_METRE = 4.0


def tiny_tunes() -> TuneSet:
    """Return five tunes of each of two styles, three of them to train on; always the same."""
    tracks, infos = [], []
    for style, rhythm in _RHYTHMS.items():
        for i, split in enumerate(_SPLITS):
            tracks.append(_track(i, rhythm))
            infos.append(
                TuneInfo(
                    file=f"{style} {i}.mid",
                    corpus="made",
                    work_key=f"{style} {i}",
                    licence="CC0-1.0",
                    split=split,
                    style=style,
                    programme=0,
                    unit_beats=1.0,
                    bpm=90.0 + 5 * i,
                    metre=_METRE,
                    track="1",
                )
            )
    return TuneSet.from_tracks(tracks, infos)


def _track(seed: int, rhythm: tuple[int, ...]) -> NDArray[Any]:
    """Return a line that walks up and down a scale in a rhythm that comes again."""
    rng = np.random.default_rng((seed, len(rhythm)))
    degree = np.abs((np.cumsum(rng.choice([-2, -1, 1, 1, 2], _NOTES)) + 7) % 28 - 14)
    track = np.zeros(_NOTES, TRACK_DTYPE)
    track["pitch"] = 55 + 12 * (degree // 7) + _SCALE[degree % 7]
    track["length"] = np.resize(rhythm, _NOTES)
    beats = np.concatenate([[0.0], np.cumsum(track["length"][:-1] / UNIT_PARTS)])
    track["length"][-1] = END
    track["position"] = beats % _METRE
    track["velocity"] = 70 + rng.integers(-12, 13, _NOTES)
    track["articulation"] = 0.9
    return track
