"""Ground truth for the bundle of a band: the training windows, as music and as latents.

In: a model of family ``musae`` and the band file it was trained on. Out: parts of the manifest.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.statistics import RARE, argument_columns
from streamer.bundle.manifest import Statistics
from streamer.errors import DataError
from streamer.families.bands.codec import DRUMS, PITCHES, TRACKS, BandCodec
from streamer.families.bands.scatter import GENRE_FACTORS, Scatter
from streamer.families.bands.spec import BandSpec, GenreSpec, TrackSpec
from streamer.generators.sectionspec import WindowSpec
from training.families.bands.bandset import BandSet, Windows, cut_windows
from training.families.bands.model import Musae

WINDOWS = 2048
"""Enough for quantiles and means; about a minute on one core at the edge's size."""

GENRE_WINDOWS = 512
"""Windows of a genre that its figures are taken from."""

USUAL = (0.05, 0.5, 0.95)


def sample_windows(bands: BandSet, codec: BandCodec, count: int = WINDOWS) -> Windows:
    """Return training windows, spread over the corpus, always the same.

    Raises:
        DataError: There is none.
    """
    found = cut_windows(bands, bands.indices("train"), codec)
    if not len(found):
        raise DataError(
            f"no training window of {codec.beats:g} quarter notes in the band file; give the one "
            "that the model was trained on"
        )
    chosen = np.sort(np.random.default_rng(0).permutation(len(found))[:count])
    return Windows(found.states[chosen], found.song[chosen], codec, found.dropped)


@torch.no_grad()
def encodings(model: Musae, windows: Windows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and variances of all windows' latents, ``(windows, latent)`` each."""
    means, variances = [], []
    for start in range(0, len(windows), 64):
        states = torch.from_numpy(windows.states[start : start + 64])
        mean, log_variance = model.encode(states)
        means.append(mean.double().numpy())
        variances.append(log_variance.double().exp().numpy())
    return np.concatenate(means), np.concatenate(variances)


def window_spec(
    bands: BandSet, windows: Windows, means: NDArray[np.float64], variances: NDArray[np.float64]
) -> WindowSpec:
    """Return what bands share with all families that compose a section at a time."""
    notes = _notes_per_beat(windows)
    bpm = [bands.pieces[i].bpm for i in bands.indices("train")]
    longest = 1
    for states in windows.states[:512]:
        lengths = windows.codec.decode(states)["length"]
        longest = max(longest, int(lengths.max(initial=1)))
    low, middle, high = np.quantile(notes.sum(axis=1), USUAL).tolist()
    return WindowSpec(
        latent=means.shape[1],
        bpm=round(float(np.median(bpm)), 2),
        metre=4.0,
        longest_steps=2 * longest,
        notes_per_beat=(round(low, 3), round(middle, 3), round(high, 3)),
        mean=means.mean(axis=0).round(6).tolist(),
        variance=(means.var(axis=0) + variances.mean(axis=0)).round(9).tolist(),
    )


def band_spec(model: Musae, bands: BandSet, windows: Windows) -> BandSpec:
    """Return tracks and genres of the corpus; genres of which no window is known are left out."""
    per_beat = _notes_per_beat(windows)
    songs = [bands.pieces[i] for i in bands.indices("train")]
    tracks = []
    for place, name in enumerate(TRACKS):
        states = windows.states[..., place]
        low, high = np.quantile(states[states < PITCHES], RARE).round().astype(int).tolist()
        usual = np.quantile(per_beat[:, place], USUAL).round(3).tolist()
        tracks.append(TrackSpec(name, _usual_program(songs, place), low, high, tuple(usual)))
    genres = []
    every = cut_windows(bands, bands.indices("train"), model.codec)
    rng = np.random.default_rng(0)
    for name, petal in model.petal_of.items():
        where = np.array([name in bands.pieces[song].tags for song in every.song], np.bool_)
        if not where.any():
            continue
        some = np.sort(rng.permutation(np.flatnonzero(where))[:GENRE_WINDOWS])
        mine = Windows(every.states[some], every.song[some], every.codec, {})
        lie = Scatter.measure(*encodings(model, mine), GENRE_FACTORS)
        own = [song for song in songs if name in song.tags]
        bpm = np.quantile([song.bpm for song in own], USUAL).round(2).tolist()
        genres.append(
            GenreSpec(
                name=name,
                petal=petal,
                windows=int(where.sum()),
                bpm=tuple(bpm),
                programs=[_usual_program(own, place) for place in range(len(TRACKS))],
                notes_per_beat=np.median(_notes_per_beat(mine), axis=0).round(3).tolist(),
                mean=lie.mean.round(6).tolist(),
                variance=lie.variance.round(9).tolist(),
                factors=lie.factors.round(5).tolist(),
            )
        )
    flower = model.flower
    return BandSpec(
        prior=model.config.prior,
        petals=flower.petals,
        radial_sd=flower.radial_sd,
        other_sd=flower.other_sd,
        tracks=tracks,
        genres=genres,
    )


def band_limits(windows: Windows, spec: WindowSpec) -> dict[str, float | list[float]]:
    """Return bounds of the hard filters: what one window in a thousand goes beyond.

    Named as the fields of :class:`streamer.selection.filters.Limits`; times are those at the
    bundle's own tempo.
    """
    beat_s = 60.0 / spec.bpm
    low, high = np.quantile(_notes_per_beat(windows).sum(axis=1), RARE).tolist()
    pitches = windows.states.astype(np.float64)
    pitches[(windows.states >= PITCHES)] = np.nan
    means = np.nanmean(np.delete(pitches, DRUMS, axis=2), axis=(1, 2))
    return {
        "density": [round(low / beat_s, 4), round(high / beat_s, 4)],
        "mean_pitch": np.quantile(means, RARE).round(4).tolist(),
    }


@torch.no_grad()
def band_statistics(model: Musae, windows: Windows, means: NDArray[np.float64]) -> Statistics:
    """Return entropy statistics over training windows, each played back: one argument a track."""
    rows = []
    for start in range(0, len(windows), 64):
        logits = model.decode(torch.from_numpy(means[start : start + 64]).float())
        log_p = torch.log_softmax(logits, dim=-1)
        rows.append(-(log_p.exp() * log_p).sum(-1).double().numpy())
    columns = argument_columns(list(np.concatenate(rows)))
    return Statistics(windows.codec.steps, len(windows), columns, [], {})


def _notes_per_beat(windows: Windows) -> NDArray[np.float64]:
    """Return strikes of each track a beat, ``(windows, 4)``."""
    return np.asarray((windows.states < PITCHES).sum(axis=1) / windows.codec.beats)


def _usual_program(songs: list[Any], track: int) -> int:
    return int(Counter(song.programs[track] for song in songs).most_common(1)[0][0])
