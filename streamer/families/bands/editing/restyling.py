"""A song in the manner of another genre: z-score transfer among the latents of a band (ours).

In: a song as a band, a genre of the bundle, a strength. Out: passages, window by window, and what
was changed.

Each window's latent is standardised, by the song's mean and the deviation of all music, and put
back with the genre's mean and deviation. So the song as a whole goes to where the genre's songs
lie, and what sets one window apart from the next stays. The strength says how much of the way is
gone: 0 is the song's own reconstruction, 1 all of it. What rests for a whole window of the song
rests there, too.

Two other middles were measured (``perpetuo study musae --only restyle``): from that of all music,
or of the genre that the song is taken for, less of the new genre is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.bandfile import BandPiece
from streamer.families.bands.codec import BAR_STEPS, PITCHES, SILENCE, TRACKS, States
from streamer.families.bands.editing.editor import BandEditor, Played
from streamer.families.bands.editing.figures import metrics
from streamer.families.bands.editing.interpolating import (
    FASTEST_SONG_BPM,
    SLOWEST_SONG_BPM,
    petals_of,
)
from streamer.families.bands.editing.picture import PathPicture
from streamer.families.bands.editing.score import Passage
from streamer.families.bands.editing.walk import walk
from streamer.families.bands.spec import GenreSpec

UNSURE_WINDOWS = 1.0

_LEAST_VARIANCE = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LatentGaussian:
    """Mean and variance of latents: of the whole corpus, of a genre, of a song.

    Attributes:
        mean: ``(latent,)``.
        variance: ``(latent,)``.
    """

    mean: Floats
    variance: Floats


def z_score_transfer(
    z: NDArray[np.floating], source: LatentGaussian, target: LatentGaussian
) -> NDArray[np.float32]:
    """Return latents with the source's z-scores in the target's distribution, ``(n, latent)``."""
    spread = np.sqrt(
        np.maximum(target.variance, _LEAST_VARIANCE) / np.maximum(source.variance, _LEAST_VARIANCE)
    )
    moved = target.mean + spread * (np.asarray(z, dtype=np.float64) - source.mean)
    return np.asarray(moved, dtype=np.float32)


def gaussian_of_song(z: NDArray[np.floating], corpus: LatentGaussian) -> LatentGaussian:
    """Return where a song lies: its own middle, and the spread of all music.

    A song of few windows has no sure middle; it is drawn towards that of all music as by
    :data:`UNSURE_WINDOWS` of its windows, so that two bars are not all of a genre and nothing of
    themselves.

    Args:
        z: ``(windows, latent)``.
        corpus: Of all music.
    """
    total = np.asarray(z, dtype=np.float64).sum(axis=0)
    middle = (total + UNSURE_WINDOWS * corpus.mean) / (len(z) + UNSURE_WINDOWS)
    return LatentGaussian(middle, corpus.variance)


@dataclass(frozen=True)
class Restyling:
    """A song moved towards a genre.

    Attributes:
        originals: Its windows, ``(n, steps, 4)``; beyond the song's end there is silence.
        z: Their latents, ``(n, latent)``.
        moved: Where they went.
        plain: The song's own reconstruction.
        played: What the moved latents play, rests kept.
        passages: The same as they are to be played.
    """

    originals: States
    z: NDArray[np.float32]
    moved: NDArray[np.float32]
    plain: Played
    played: Played
    passages: tuple[Passage, ...]


def restyle(editor: BandEditor, piece: BandPiece, genre: GenreSpec, strength: float) -> Restyling:
    """Move every window of a song towards a genre.

    Args:
        editor: Encodes and decodes.
        piece: The song.
        genre: Of the editor's bundle.
        strength: 0..1.

    Raises:
        ValueError: ``strength`` is out of range.
        EngineError: The bundle's graphs cannot be run.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be in range 0..1, not {strength}")
    originals = editor.windows(piece, 0, -(-piece.bars // editor.bars))
    z = editor.encode(originals)
    source = gaussian_of_song(z, gaussian_of_corpus(editor))
    moved = walk(z, z_score_transfer(z, source, gaussian_of_genre(genre)), strength)
    plain, played = editor.play(z), editor.play(moved)
    for one in (plain, played):
        _keep_rests(one.states, originals)
    low, _, high = genre.bpm
    tempo = min(max(piece.bpm, SLOWEST_SONG_BPM), FASTEST_SONG_BPM)
    bpm = tempo ** (1 - strength) * min(max(tempo, low), high) ** strength
    programs = tuple(genre.programs) if strength >= 0.5 else piece.programs
    steps, passages = len(piece.states), []
    for place in range(len(z)):
        left = min(steps - place * editor.codec.steps, editor.codec.steps)
        passages.append(
            Passage(
                states=played.states[place][:left],
                entropies=played.entropies[place][:left],
                bpm=bpm,
                programs=programs,
                weights={genre.name: strength} if strength else {},
            )
        )
    return Restyling(
        originals=originals, z=z, moved=moved, plain=plain, played=played, passages=tuple(passages)
    )


def gaussian_of_corpus(editor: BandEditor) -> LatentGaussian:
    """Return where the bundle's whole corpus lies."""
    latent = editor.window.latent
    mean, variance = editor.window.mean or [0.0] * latent, editor.window.variance or [1.0] * latent
    return LatentGaussian(np.asarray(mean), np.asarray(variance))


def gaussian_of_genre(genre: GenreSpec) -> LatentGaussian:
    """Return where the songs of a genre lie."""
    return LatentGaussian(np.asarray(genre.mean), np.asarray(genre.variance))


def _keep_rests(states: States, originals: States) -> None:
    """Silence in place what was silent for a whole window."""
    rests = (originals == SILENCE).all(axis=1)
    for window, track in np.argwhere(rests).tolist():
        states[window, :, track] = SILENCE


def restyling_report(
    editor: BandEditor, found: Restyling, genre: GenreSpec, first_bar: int
) -> dict[str, Any]:
    """Return what changed: figures before and after, how much of the song is left.

    Args:
        editor: That did it.
        found: What was done.
        genre: Towards which.
        first_bar: Bar of the file in which the song begins, from 1.
    """
    beats = editor.codec.beats
    parts = {
        "song": found.originals, "reconstruction": found.plain.states, "restyled":
        found.played.states,
    }  # fmt: skip
    figures: dict[str, Any] = {
        name: {
            part: round(float(metrics(states, beats)[name].mean()), 4)
            for part, states in parts.items()
        }
        for name in metrics(found.originals[:1], beats)
    }
    for track, usual in zip(TRACKS, genre.notes_per_beat, strict=True):
        figures[f"{track} notes a beat"]["usual in the genre"] = usual
    unlike = [(states != found.originals).mean(axis=(1, 2)) for states in parts.values()]
    flower = editor.spec.flower(editor.window.latent)
    report: dict[str, Any] = {
        "figures": figures,
        "unlike_the_song": {
            "reconstruction": float(unlike[1].mean()), "restyled": float(unlike[2].mean()),
        },
        "windows": [
            {
                "bar": first_bar + place * editor.bars,
                "unlike_reconstruction": float(unlike[1][place]),
                "unlike_restyled": float(unlike[2][place]),
                "nats": float(found.played.entropies[place].mean()),
                "notes": int((found.played.states[place] < PITCHES).sum()),
                "plane": found.moved[place, :2].round(5).tolist(),
            }
            for place in range(len(found.z))
        ],
    }  # fmt: skip
    if editor.spec.prior == "flower":
        report["nearest_is_the_genre"] = {
            name: float((flower.nearest(z) == genre.petal).mean())
            for name, z in (("song", found.z), ("restyled", found.moved))
        }
    return report


def restyling_picture(
    editor: BandEditor, found: Restyling, genre: GenreSpec, report: dict[str, Any], name: str
) -> PathPicture:
    """Return what ``--plot`` shows: the song's windows, where they went, and two of them."""
    count = len(found.z)
    shown = sorted({0, count // 2})
    rolls = []
    for place in shown:
        bar = report["windows"][place]["bar"]
        rolls.append((f"{name}, bar {bar}", found.originals[place]))
        rolls.append(("its reconstruction", found.plain.states[place]))
        rolls.append((f"as {genre.name}", found.played.states[place]))
    rows = report["windows"]
    notes = [(part < PITCHES).sum(axis=(1, 2)) for part in (found.originals, found.played.states)]
    return PathPicture(
        title=f"{name} as {genre.name}",
        genres=petals_of(editor),
        reach=editor.spec.radial_sd,
        sources={name: found.z[:, :2]},
        path=found.moved[:, :2],
        rolls=tuple(rolls),
        positions=tuple(float(row["bar"]) for row in rows),
        axis="bar",
        curves={
            "unlike the song": tuple(row["unlike_restyled"] for row in rows),
            "notes a step, song": tuple((notes[0] / (editor.bars * BAR_STEPS)).tolist()),
            "notes a step, restyled": tuple((notes[1] / (editor.bars * BAR_STEPS)).tolist()),
        },
    )
