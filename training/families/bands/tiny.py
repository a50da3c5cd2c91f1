"""A made corpus of bands, a few kilobytes: to try training and export without any file."""

from __future__ import annotations

import numpy as np

from streamer.families.bands.codec import BAR_STEPS, HOLD, SILENCE, TRACKS, States
from training.families.bands.bandset import BandInfo, BandSet

_SPLITS = ("train", "train", "train", "train", "valid", "test")
_GENRES = ("jazz", "rock")
_BARS = 8
_EVERY = (2, 4, 4, 8)
_LOWEST = (36, 36, 60, 72)
_PROGRAMS = (0, 33, 25, 48)


def tiny_bands() -> BandSet:
    """Return six songs of each of two genres, four of them to train on; always the same."""
    songs, infos = [], []
    for number, genre in enumerate(_GENRES):
        for i, split in enumerate(_SPLITS):
            states = _song(number, i)
            songs.append(states)
            infos.append(
                BandInfo(
                    file=f"{genre} {i}.mid",
                    corpus="made",
                    work_key=f"{genre} {i}",
                    licence="CC0-1.0",
                    split=split,
                    bpm=100.0 + i,
                    tags=(genre,),
                    programs=_PROGRAMS,
                    notes=tuple(int(n) for n in (states < HOLD).sum(axis=0)),
                )
            )
    return BandSet.from_songs(songs, infos)


def _song(genre: int, seed: int) -> States:
    """Return the states of a song; each genre has a register and a rhythm of its own."""
    rng = np.random.default_rng((genre, seed))
    states = np.full((_BARS * BAR_STEPS, len(TRACKS)), HOLD, dtype=np.uint8)
    for track, (every, lowest) in enumerate(zip(_EVERY, _LOWEST, strict=True)):
        onsets = np.arange(0, len(states), every * (genre + 1))
        states[onsets, track] = lowest + 5 * genre + rng.integers(0, 4, len(onsets))
        if track == 0:
            states[onsets + 1, track] = SILENCE
    return states
