"""Does MusAE play the genre that it is asked for? (docs/design/bands.md).

``genre``: a classifier that has only ever heard real windows is asked what each petal plays.
``control``: from one genre to another in five stops, the music is to change step by step.

Both ask for the flower. Genres are *clean* whose training windows come mostly from a corpus with
clean labels; elsewhere a genre is a guess by title and instruments, for classifier and model alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.families.bands.codec import DRUMS, PITCHES
from streamer.families.bands.editing.figures import metrics
from streamer.families.bands.scatter import GENRE_FACTORS, Scatter, mixed
from training.corpora.splits import HELD_OUT
from training.families.bands.bandset import BAR_STEPS, Windows
from training.studies import plots
from training.studies.bands.musae_bench import BandBench
from training.studies.bands.musae_latent import LEAST_WINDOWS, PER_PETAL

CLEAN_CORPORA = ("multitrack-mma-synthetic",)

LEARNT_OF_GENRE, LEAST_WORKS = 400, 2

ALIKE_WINDOWS = 512

GENRE_TREES, GENRE_FOLDS = 300, 4

STOPS = np.linspace(0, 1, 5)
GENRE_PAIRS, PER_STOP = 15, 128
DIFFERS = 0.3
"""Genres differ in a figure when their means lie this many standard deviations apart."""

FALSE_TURN = 2.0
"""A step the wrong way counts when it is beyond this many standard errors."""

WELL_ABOVE = 3.0
"""Times chance that the mean over clean genres must reach to be well above it."""

DRUM_GROUPS = (
    (35, 36), (37, 38, 39, 40), (42, 44), (46,), (49, 51, 52, 53, 55, 57, 59),
    (41, 43, 45, 47, 48, 50),
)  # fmt: skip
"""Kick, snare, closed and open hi-hat, cymbals, toms (General MIDI)."""

Rows = dict[str, Any]


def features(states: NDArray[np.uint8], beats: float) -> NDArray[np.float64]:
    """Return low-level features of windows, ``(n, features)``.

    The figures of figure 3, how often each track begins a note in each sixteenth of the bar, and
    the share of each group of drums.
    """
    struck = states < PITCHES
    bars = struck.reshape(len(states), -1, BAR_STEPS, states.shape[2]).mean(axis=1)
    hits = np.maximum(struck[..., DRUMS].sum(1), 1)
    drums = [np.isin(states[..., DRUMS], group).sum(1) / hits for group in DRUM_GROUPS]
    columns = [*metrics(states, beats).values(), *drums]
    return np.concatenate([np.stack(columns, axis=1), bars.reshape(len(states), -1)], axis=1)


@dataclass(frozen=True)
class _Real:
    """Real windows of one genre each.

    Attributes:
        x: Features.
        y: Place in the list of genres.
        song: Number of the song.
        work: Number of the composition, or of the style where songs were made by a program.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    song: NDArray[np.int64]
    work: NDArray[np.int64]


def genre(bench: BandBench, folder: Path) -> Rows:
    """What a classifier of real windows says of what each genre plays, beside real music.

    Latents are drawn from the petal, or as the stream does from where the genre's windows were
    encoded; states as the stream draws them. Real music is told twice: songs that the classifier
    has not heard, whose style it may have heard in other songs (as the model has that plays), and
    whole works that it has not heard.
    """
    rng = np.random.default_rng(bench.seed)
    windows = bench.every("train")
    names, clean = genres_of(bench, windows)
    train = _real(bench, windows, names, rng)
    judge = _forest(bench.seed).fit(train.x, train.y)
    held = _real(bench, bench.every(*HELD_OUT), names, rng)
    tables: dict[str, NDArray[np.float64]] = {
        "real, other songs": _cross(train, train.song, len(names), bench.seed),
        "real, other works": _cross(train, train.work, len(names), bench.seed),
    }
    asked = np.repeat(np.arange(len(names)), PER_PETAL)
    for name, z in _generated(bench, windows, names, rng).items():
        played = bench.perform(z, rng)
        x = features(played, bench.model.codec.beats)
        tables[name] = _confusion(asked, judge.predict(x), len(names))
    drawn = [*tables]
    likeliest = features(bench.decode(z), bench.model.codec.beats)
    tables["generated, stream, likeliest"] = _confusion(asked, judge.predict(likeliest), len(names))
    tables["real, held-out songs"] = _confusion(held.y, judge.predict(held.x), len(names))
    rows: Rows = {
        "genres": names,
        "clean": clean,
        "chance": 1 / len(names),
        "windows": np.bincount(train.y, minlength=len(names)).tolist(),
        "held_out_windows": np.bincount(held.y, minlength=len(names)).tolist(),
        "features": train.x.shape[1],
        "recognised": {name: _recalls(table, names, clean) for name, table in tables.items()},
        "confusion": {name: table.round(4).tolist() for name, table in tables.items()},
        "alike": {
            "generated, stream": alike(played, windows.states, rng),
            "real, held out": alike(bench.held_out.states, windows.states, rng),
        },
    }
    told = rows["recognised"]["generated, stream"]
    rows["met"] = bool(
        told["clean"] >= WELL_ABOVE / len(names)
        and min(told[name] for name in clean) > 1 / len(names)
    )
    drawn.remove("generated, each number for itself")
    figure, axes = plots.subplots(2, 2, 5.5)
    figure.set_figheight(9)
    for axis, name in zip(axes.ravel(), drawn, strict=True):
        plots.heat(axis, tables[name], names, names)
        axis.tick_params(axis="y", labelsize=7)
        axis.images[0].set_clim(0, 1)
        mean = rows["recognised"][name]["mean"]
        axis.set_title(f"{name}: {mean:.2f} (chance {1 / len(names):.2f})", fontsize=9)
        axis.set_xlabel("heard as", fontsize=7)
    axes[0, 0].set_ylabel("is", fontsize=7)
    axes[1, 0].set_ylabel("asked for", fontsize=7)
    return plots.save(folder, "musae-genre", rows, figure)


def genres_of(bench: BandBench, windows: Windows) -> tuple[list[str], list[str]]:
    """Return genres with enough windows and works of their own, and those that are clean.

    Raises:
        DataError: There are fewer than two.
    """
    names, clean = [], []
    tags = bench.tags(windows)
    for name in bench.model.genres:
        songs = [s for s, mine in zip(windows.song, tags, strict=True) if mine == (name,)]
        pieces = [bench.bands.pieces[song] for song in songs]
        if len(songs) < LEAST_WINDOWS or len({p.work_key for p in pieces}) < LEAST_WORKS:
            continue
        names.append(name)
        if np.mean([piece.corpus in CLEAN_CORPORA for piece in pieces]) > 0.5:
            clean.append(name)
    if len(names) < 2:
        raise DataError(
            f"only {', '.join(names) or 'no genre'} has {LEAST_WINDOWS} windows of {LEAST_WORKS} "
            "works among the training songs; prepare more songs of two genres or more"
        )
    return names, clean if len(clean) > 1 else names


def _real(bench: BandBench, windows: Windows, names: list[str], rng: np.random.Generator) -> _Real:
    """Return windows of exactly one of the genres, at most :data:`LEARNT_OF_GENRE` of each."""
    place: dict[tuple[str, ...], int] = {(name,): i for i, name in enumerate(names)}
    genres = np.array([place.get(tags, -1) for tags in bench.tags(windows)], dtype=np.int64)
    chosen = np.concatenate(
        [np.zeros(0, np.int64)]
        + [
            rng.permutation(np.flatnonzero(genres == i))[:LEARNT_OF_GENRE]
            for i in range(len(names))
        ]
    )
    pieces = [bench.bands.pieces[song] for song in windows.song[chosen]]
    song, work = (
        np.unique(keys, return_inverse=True)[1].astype(np.int64)
        for keys in ([f"{p.corpus}/{p.file}" for p in pieces], [p.work_key for p in pieces])
    )
    x = features(windows.states[chosen], windows.codec.beats)
    return _Real(x, genres[chosen], song, work)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        GENRE_TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
    )


def alike(states: NDArray[np.uint8], corpus: NDArray[np.uint8], rng: np.random.Generator) -> Rows:
    """Return how much windows have in common with the window of a corpus that is most like them.

    Args:
        states: ``(n, steps, 4)``, of which some are looked at.
        corpus: ``(windows, steps, 4)``.
        rng: Which.

    Returns:
        Share of equal states, mean and quantiles, and the share of windows that equal one whole.
    """
    some = states[rng.permutation(len(states))[:ALIKE_WINDOWS]]
    most = np.array([(corpus == one).mean(axis=(1, 2)).max() for one in some])
    middle, high = np.quantile(most, (0.5, 0.95)).tolist()
    return {
        "windows": len(some), "mean": float(most.mean()), "median": middle, "95 %": high,
        "copies": float((most == 1.0).mean()),
    }  # fmt: skip


def judge_of(bench: BandBench, windows: Windows, names: list[str], rng: np.random.Generator) -> Any:
    """Return a classifier that has heard real windows of some genres; it answers with places."""
    real = _real(bench, windows, names, rng)
    return _forest(bench.seed).fit(real.x, real.y)


def _cross(real: _Real, group: NDArray[np.int64], genres: int, seed: int) -> NDArray[np.float64]:
    """Return what classifiers say of groups that they were not fitted to."""
    from sklearn.model_selection import StratifiedGroupKFold

    heard = np.zeros_like(real.y)
    folds = min(GENRE_FOLDS, min(len({*group[real.y == i].tolist()}) for i in range(genres)))
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fit, seen in split.split(real.x, real.y, group):
        heard[seen] = _forest(seed).fit(real.x[fit], real.y[fit]).predict(real.x[seen])
    return _confusion(real.y, heard, genres)


def _confusion(
    asked: NDArray[np.int64], heard: NDArray[np.int64], genres: int
) -> NDArray[np.float64]:
    """Return the share of each genre that is heard as each; NaN in a row without windows."""
    counts = np.zeros((genres, genres))
    np.add.at(counts, (asked, heard), 1)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


def _recalls(table: NDArray[np.float64], names: list[str], clean: list[str]) -> Rows:
    """Return how often each genre is told, the mean, and that of the clean ones."""
    own = dict(zip(names, np.diag(table).tolist(), strict=True))
    known = {name: value for name, value in own.items() if not np.isnan(value)}
    tidy = [value for name, value in known.items() if name in clean]
    return {
        "mean": float(np.mean([*known.values()])) if known else None,
        "clean": float(np.mean(tidy)) if tidy else None,
        **known,
    }


def where_of(
    bench: BandBench, windows: Windows, name: str | None, rng: np.random.Generator
) -> Scatter:
    """Return how a genre lies; None is all music."""
    mine = np.array([name is None or name in tags for tags in bench.tags(windows)])
    some = windows.states[rng.permutation(np.flatnonzero(mine))[:LEARNT_OF_GENRE]]
    means, variances = (x.astype(np.float64) for x in bench.posterior(some))
    return Scatter.measure(means, variances, GENRE_FACTORS)


def _generated(
    bench: BandBench, windows: Windows, names: list[str], rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Return latents of each genre: of its petal, and as the stream draws them."""
    model, around, alone = bench.model, [], []
    petals = np.repeat([model.petal_of[name] for name in names], PER_PETAL)
    for name in names:
        where = where_of(bench, windows, name, rng)
        around.append(where.draw(PER_PETAL, rng).astype(np.float32))
        apart = replace(where, factors=where.factors[:0])
        alone.append(apart.draw(PER_PETAL, rng).astype(np.float32))
    return {
        "generated, petal": model.flower.sample(petals, rng),
        "generated, each number for itself": np.concatenate(alone),
        "generated, stream": np.concatenate(around),
    }


def control(bench: BandBench, folder: Path) -> Rows:
    """From one genre to another in five stops: do the figures of the music follow?

    As in the stream, latents lie about the weighted middle of the two genres; the same draws serve
    all stops. Of each pair of genres: ``progress``, how far all figures together have gone from the
    one to the other, and the figures in which the two differ clearly, whether each moves one way
    all along.
    """
    rng = np.random.default_rng(bench.seed)
    windows = bench.every("train")
    _, clean = genres_of(bench, windows)
    lie = {name: where_of(bench, windows, name, rng) for name in clean}
    every = list(itertools.combinations(clean, 2))
    thin = np.linspace(0, len(every) - 1, min(len(every), GENRE_PAIRS)).astype(int)
    rows: Rows = {"stops": STOPS.tolist(), "clean": clean, "draws": PER_STOP, "pairs": []}
    for place in thin.tolist():
        pair = every[place]
        rows["pairs"].append(_moved(bench, pair, [lie[name] for name in pair], rng))
    moved = [m for pair in rows["pairs"] for m in pair["figures"].values()]
    rows["pairs_monotone"] = sum(pair["monotone"] for pair in rows["pairs"])
    rows["figures_that_differ"] = len(moved)
    rows["figures_monotone"] = sum(m["monotone"] for m in moved)
    rows["figures_monotone_within_noise"] = sum(m["within_noise"] for m in moved)
    # Where the control does nothing, nothing differs, and noise is not held against it nor for it.
    rows["pairs_that_differ"] = sum(bool(pair["figures"]) for pair in rows["pairs"])
    every_pair = rows["pairs_monotone"] == rows["pairs_that_differ"] == len(rows["pairs"])
    rows["met"] = bool(rows["pairs"]) and every_pair
    figure, axes = plots.subplots(1, 2, 6.0)
    for pair in rows["pairs"]:
        axes[0, 0].plot(STOPS, pair["progress"], marker=".", label=" to ".join(pair["genres"]))
    axes[0, 0].plot([0, 1], [0, 1], "k:")
    axes[0, 0].set_title("all figures together, 0 the first genre, 1 the second", fontsize=8)
    axes[0, 0].legend(fontsize=5)
    for curve in moved:
        ends = curve["means"][0], curve["means"][-1]
        axes[0, 1].plot(
            STOPS, (np.array(curve["means"]) - ends[0]) / (ends[1] - ends[0]),
            color="tab:blue" if curve["monotone"] else "tab:red", alpha=0.3,
        )  # fmt: skip
    axes[0, 1].set_title("each figure that differs; red: turns back", fontsize=8)
    for axis in axes[0]:
        axis.set_xlabel("style control, from the first genre to the second")
    return plots.save(folder, "musae-control", rows, figure)


def _moved(
    bench: BandBench, names: tuple[str, str], lie: list[Scatter], rng: np.random.Generator
) -> Rows:
    """Return what the five stops between two genres play."""
    noise = rng.standard_normal((PER_STOP, bench.model.config.latent))
    along = rng.standard_normal((PER_STOP, sum(len(one.factors) for one in lie)))
    heard_at = []
    seed = int(rng.integers(2**32))
    for share in STOPS.tolist():
        there = mixed(lie, np.array([1 - share, share]))
        z = (there.mean + along @ there.factors + there.rest * noise).astype(np.float32)
        heard_at.append(bench.perform(z, np.random.default_rng(seed)))
    found = metrics(np.concatenate(heard_at), bench.model.codec.beats)
    heard = np.stack([*found.values()], axis=-1).reshape(len(STOPS), PER_STOP, len(found))
    spread = np.maximum(np.sqrt((heard[0].var(0) + heard[-1].var(0)) / 2), 1e-9)
    means = heard.mean(axis=1)
    way = (means[-1] - means[0]) / spread
    progress = ((means - means[0]) / spread) @ way / max(float(way @ way), 1e-12)
    figures: dict[str, Rows] = {}
    for place in np.flatnonzero(np.abs(way) >= DIFFERS).tolist():
        steps = np.sign(way[place]) * np.diff(heard[..., place], axis=0)
        error = steps.std(axis=1) / np.sqrt(PER_STOP)
        figures[[*found][place]] = {
            "means": means[:, place].tolist(),
            "monotone": bool(np.all(steps.mean(axis=1) >= 0)),
            "within_noise": bool(np.all(steps.mean(axis=1) >= -FALSE_TURN * error)),
        }
    return {
        "genres": list(names),
        "progress": progress.tolist(),
        "monotone": bool(np.all(np.diff(progress) >= 0)),
        "figures": figures,
    }
