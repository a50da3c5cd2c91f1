"""How to move a song into another genre and still know it (``perpetuo restyle``; our own study).

Songs that the model never saw are moved into each clean genre by the arithmetic of
:mod:`streamer.families.bands.editing.restyling`, at five strengths, from three different middles:
that of the song, as the verb does, that of the genre of the bundle about which its windows are
likeliest, that of all music. Two things are asked of what is played. Does the judge of
:mod:`.musae_genre`, which has heard real windows alone, hear the genre?
And which of the songs was it: is its harmony, window by window, nearest to that of the song that it
was made of?
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import DRUMS, PITCHES, sounding_pitches
from streamer.families.bands.editing.editor import likeliest
from streamer.families.bands.editing.restyling import (
    LatentGaussian,
    gaussian_of_song,
    z_score_transfer,
)
from streamer.families.bands.editing.walk import walk
from streamer.families.bands.scatter import Scatter
from training.corpora.splits import HELD_OUT
from training.studies import plots
from training.studies.bands.musae_bench import BandBench
from training.studies.bands.musae_genre import features, genres_of, judge_of, where_of

SONGS, WINDOWS = 24, 8
"""Songs that are moved, and windows of each."""

STRENGTHS = np.linspace(0, 1, 5)
MIDDLES = ("the song", "its genre", "all music")

Rows = dict[str, Any]


def restyle(bench: BandBench, folder: Path) -> Rows:
    """Strength against the genre that is heard and the song that is known again."""
    rng = np.random.default_rng(bench.seed)
    windows = bench.every("train")
    names, clean = genres_of(bench, windows)
    judge = judge_of(bench, windows, names, rng)
    lie = {name: where_of(bench, windows, name, rng) for name in clean}
    everything = where_of(bench, windows, None, rng)
    songs = _songs(bench)
    z = [bench.encode(states) for states in songs]
    manners = {name: _manner(where) for name, where in lie.items()}
    every = _manner(everything)
    own = [_likeliest(part, manners) for part in z]
    rows: Rows = {
        "songs": len(songs), "windows": [len(part) for part in z], "genres": clean,
        "strengths": STRENGTHS.tolist(), "chance_genre": 1 / len(names),
        "chance_song": 1 / max(len(songs), 1), "middles": {},
    }  # fmt: skip
    for middle in MIDDLES:
        curve: Rows = {"genre_heard": [], "song_known": [], "unlike_the_song": []}
        for strength in STRENGTHS.tolist():
            heard, known, unlike = [], [], []
            for name in clean:
                played = []
                for part, mine in zip(z, own, strict=True):
                    source = {
                        "the song": gaussian_of_song(part, every),
                        "its genre": manners[mine],
                        "all music": every,
                    }[middle]
                    target = z_score_transfer(part, source, manners[name])
                    played.append(_play(bench, walk(part, target, strength)))
                x = features(np.concatenate(played), bench.model.codec.beats)
                heard.append(float((judge.predict(x) == names.index(name)).mean()))
                known.append(_known_again(songs, played))
                pairs = zip(played, songs, strict=True)
                unlike.append(float(np.mean([(p != s).mean() for p, s in pairs])))
            curve["genre_heard"].append(float(np.mean(heard)))
            curve["song_known"].append(float(np.mean(known)))
            curve["unlike_the_song"].append(float(np.mean(unlike)))
        rows["middles"][middle] = curve
    figure, axes = plots.subplots(1, 2, 5.0)
    for place, (name, chance) in enumerate((("genre_heard", "genre"), ("song_known", "song"))):
        for middle, curve in rows["middles"].items():
            axes[0, place].plot(STRENGTHS, curve[name], marker="o", label=f"from {middle}")
        axes[0, place].axhline(rows[f"chance_{chance}"], color="gray", linestyle=":")
        axes[0, place].set_ylim(0, 1.02)
        axes[0, place].set_xlabel("strength")
        axes[0, place].set_title(name.replace("_", " ") + " (dotted: chance)", fontsize=9)
        axes[0, place].legend(fontsize=7)
    return plots.save(folder, "musae-restyle", rows, figure)


def _songs(bench: BandBench) -> list[NDArray[np.uint8]]:
    """Return the first windows on end of held-out songs, one song of a work, ``(n, steps, 4)``."""
    codec, found, works = bench.model.codec, [], set()
    splits = [i for split in HELD_OUT for i in bench.bands.indices(split)]
    for index in splits or bench.bands.indices("train"):
        piece, song = bench.bands.pieces[index], bench.bands.song(index)
        count = min(len(song) // codec.steps, WINDOWS)
        if piece.work_key in works or count < 2:
            continue
        works.add(piece.work_key)
        found.append(np.stack([codec.window(song, k * codec.steps) for k in range(count)]))
    thin = np.linspace(0, len(found) - 1, min(len(found), SONGS)).astype(int)
    return [found[i] for i in thin.tolist()]


def _likeliest(z: NDArray[np.float32], manners: dict[str, LatentGaussian]) -> str:
    """Return the genre about which a song's windows are likeliest."""

    def nats(manner: LatentGaussian) -> float:
        return float(((z - manner.mean) ** 2 / manner.variance + np.log(manner.variance)).sum())

    return min(manners, key=lambda name: nats(manners[name]))


def _manner(where: Scatter) -> LatentGaussian:
    return LatentGaussian(where.mean, where.variance)


def _play(bench: BandBench, z: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Play as ``perpetuo restyle`` does."""
    return np.concatenate([likeliest(shown) for shown in bench.probabilities(z)])


def _known_again(songs: list[NDArray[np.uint8]], played: list[NDArray[np.uint8]]) -> float:
    """Return the share of songs whose harmony is nearest to that of what was made of them."""
    right = 0
    for place, part in enumerate(played):
        mine = _harmony(part)
        distances = []
        for song in songs:
            count = min(len(song), len(part))
            distances.append(float(np.abs(_harmony(song)[:count] - mine[:count]).mean()))
        right += int(np.argmin(distances) == place)
    return right / max(len(songs), 1)


def _harmony(states: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how long each pitch class sounds in each window, ``(n, 12)``, sum 1; no drums."""
    sounding = np.delete(sounding_pitches(states), DRUMS, axis=2).reshape(len(states), -1)
    found = np.zeros((len(states), 12))
    for pitch_class in range(12):
        found[:, pitch_class] = ((sounding < PITCHES) & (sounding % 12 == pitch_class)).sum(1)
    total: NDArray[np.float64] = np.maximum(found.sum(1, keepdims=True), 1)
    return found / total
