"""Ground truth for a bundle of a window family: the training sections, as music and as latents.

In: a model of family ``draw`` or ``query`` and the score file it was trained on. Out: parts of the
manifest: thresholds, tempo, lengths, the latent over the corpus, entropy statistics over sections,
bounds of the hard filters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.families.windows.moving import sounding_cells, usual_walk
from export.statistics import RARE, argument_columns
from streamer.bundle.manifest import Statistics
from streamer.errors import DataError
from streamer.families.windows.codec import RollCodec
from streamer.families.windows.section import cell_entropies, spread, step_entropies
from streamer.families.windows.ties import tie_evidence
from streamer.generators.sections import turned
from streamer.generators.sectionspec import WindowSpec
from training.families.windows.draw import Draw
from training.families.windows.query import Query
from training.families.windows.scoreset import ScoreSet
from training.families.windows.sections import Sections, bars, chunks
from training.families.windows.steps import corpus_likeness, usual_step

SECTIONS = 512
"""Enough for quantiles; more would only take longer."""

LEAST_THRESHOLD = 0.05

WALKED = 1024
"""Pairs of bars by which ties are calibrated."""

TIE_THRESHOLDS = 201
LEAST_SOUNDING = 1e-3
"""Probability of a key to sound at the end of a bar, at least: the division is by it."""

OVERLAP_BEATS = 3
"""In this many beats at its end the voices of a section of DRAW go over to the next one."""

ALPHAS = 200
"""Thresholds that are tried, as in the paper's figure 5."""


def sample_sections(scores: ScoreSet, codec: RollCodec, count: int = SECTIONS) -> Sections:
    """Return training sections, spread over the corpus, always the same.

    Raises:
        DataError: There is none.
    """
    cut = bars if codec.onsets else chunks
    found = cut(scores, scores.indices("train"), codec)
    if not len(found):
        raise DataError(
            f"no training section of {codec.beats:g} quarter notes in the scores; give those that "
            "the model was trained on"
        )
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    return Sections(found.packed[chosen], codec, found.piece[chosen])


def corpus_tempo(scores: ScoreSet) -> tuple[float, float]:
    """Return the median tempo of the training pieces, and their most common bar in quarters."""
    pieces = [scores.pieces[i] for i in scores.indices("train")]
    bars_of = Counter(piece.metre.bar for piece in pieces)
    return float(np.median([piece.bpm for piece in pieces])), bars_of.most_common(1)[0][0]


def figures(cells: NDArray[Any], codec: RollCodec) -> dict[str, NDArray[np.float64]]:
    """Return figures of sections: notes a beat, filled cells a step, longest note, pitches."""
    found: dict[str, list[float]] = {
        "notes_per_beat": [], "filled": [], "longest": [], "pitch": [], "polyphony": [],
        "longest_rest": [],
    }  # fmt: skip
    for one in cells:
        notes = codec.decode(one)
        on = one.any(-1)
        found["notes_per_beat"].append(len(notes) / codec.beats)
        found["filled"].append(float(on.sum() / codec.steps))
        if not len(notes):
            continue
        found["longest"].append(float(notes["length"].max()))
        found["pitch"].append(float(notes["pitch"].mean()))
        found["polyphony"].append(float(on.sum(1).max()))
        onsets = np.unique(notes["onset"])
        found["longest_rest"].append(float(np.diff(onsets, prepend=0).max()))
    return {name: np.asarray(values) for name, values in found.items()}


def calibrate_alpha(
    generated: NDArray[np.floating], real: NDArray[Any], codec: RollCodec
) -> tuple[float, float]:
    """Return the threshold at which generated sections are as full as real ones, and the miss.

    As full: as many notes a beat and as many cells a step, both in logarithms, together.

    Args:
        generated: Probabilities ``(n, steps, pitches)``, already spread to 0..1 each.
        real: Cells ``(m, steps, pitches, layers)``.
        codec: Their meaning.
    """
    wanted = figures(real, codec)
    notes, filled = wanted["notes_per_beat"].mean(), wanted["filled"].mean()
    best = (0.5, np.inf)
    for alpha in np.linspace(0, 1, ALPHAS + 2)[1:-1].tolist():
        on = generated > alpha
        starts = on & ~np.concatenate([np.zeros_like(on[:, :1]), on[:, :-1]], axis=1)
        per_beat, cells = starts.sum((1, 2)).mean() / codec.beats, on.sum((1, 2)).mean()
        cells = cells / codec.steps
        if per_beat <= 0 or cells <= 0:
            continue
        miss = abs(float(np.log(per_beat / notes))) + abs(float(np.log(cells / filled)))
        if miss < best[1]:
            best = (float(alpha), miss)
    return best


def filling_threshold(shown: NDArray[Any], share: float) -> float:
    """Return the probability above which so large a share of all cells lies, 0.05..0.5.

    A bar that the model is unsure of would otherwise be silent: the likeliest state of every
    single cell is that it does not sound.
    """
    threshold = float(np.quantile(shown, 1.0 - share))
    return round(min(max(threshold, LEAST_THRESHOLD), 0.5), 4)


@torch.no_grad()
def draw_spec(model: Draw, scores: ScoreSet, real: Sections) -> WindowSpec:
    """Return what the edge must know to play DRAW."""
    codec, config = model.codec, model.config
    generator = torch.Generator().manual_seed(0)
    z = torch.randn((config.passes, len(real), config.latent), generator=generator)
    drawn = torch.sigmoid(model.decode(z)).numpy().reshape(-1, codec.steps, codec.pitches)
    even = np.stack([spread(one) for one in drawn.astype(np.float64)])
    alpha, _ = calibrate_alpha(even, real.cells(slice(None)), codec)
    overlap = OVERLAP_BEATS * codec.steps_per_beat if codec.beats > 2 * OVERLAP_BEATS else 0
    spec = WindowSpec(
        latent=config.latent,
        passes=config.passes,
        normalise=True,
        alpha=alpha,
        overlap=overlap,
        **_music(scores, real),
    )

    def sounding(z: NDArray[np.float64]) -> NDArray[np.bool_]:
        shown = torch.sigmoid(model.decode(torch.from_numpy(z).float())).numpy()
        return sounding_cells(shown.reshape(-1, codec.steps, codec.pitches), alpha)

    return usual_walk(sounding, codec, spec, scores)


@torch.no_grad()
def query_spec(model: Query, scores: ScoreSet, real: Sections) -> WindowSpec:
    """Return what the edge must know to play the query VAE; the latent is that of the corpus.

    The variance of a component is that of its posterior means, plus the mean of their variances:
    the variance of the latents as a whole.
    """
    every = bars(scores, scores.indices("train"), model.codec)
    means, variances = [], []
    for start in range(0, len(every), 1024):
        cells = torch.from_numpy(every.cells(slice(start, start + 1024))).float()
        own, log_variance = model.encode(cells)
        means.append(own.numpy())
        variances.append(log_variance.exp().numpy())
    mean, within = np.concatenate(means).astype(np.float64), np.concatenate(variances)
    total = mean.var(axis=0) + within.mean(axis=0)
    drawn = np.random.default_rng(0).standard_normal((SECTIONS, len(total)))
    z = torch.from_numpy(mean.mean(axis=0) + np.sqrt(total) * drawn).float()
    shown = torch.sigmoid(model.decode(z)).numpy().reshape(-1, *model.codec.shape)
    shares = real.cells(slice(None)).mean(axis=(0, 1, 2))
    alpha, alpha_onset = (
        filling_threshold(shown[..., layer], float(share)) for layer, share in enumerate(shares)
    )
    middle, wide = mean.mean(axis=0), np.sqrt(total)

    def redraw(step: float, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        before, after = _walk_pairs(model, middle, wide, step, rng)
        return before[..., 0] > alpha, after[..., 0] > alpha

    walk = usual_step(redraw, corpus_likeness(every), model.codec.low)
    pairs = _walk_pairs(model, middle, wide, walk, np.random.default_rng(1))
    tie = tie_thresholds(pairs, alpha, alpha_onset, tied_share(every))
    return WindowSpec(
        latent=model.config.latent,
        alpha=alpha,
        alpha_onset=alpha_onset,
        tie=tie.round(6).tolist(),
        walk=walk,
        mean=mean.mean(axis=0).round(6).tolist(),
        variance=total.round(6).tolist(),
        **_music(scores, real),
    )


def tied_share(real: Sections) -> float:
    """Return how many of the keys that sound at the end of a bar are tied into the next, 0..1.

    Args:
        real: All bars of some pieces, in order.
    """
    cells = real.cells(slice(None))
    follows = real.piece[1:] == real.piece[:-1]
    sounding = cells[:-1, -1].max(axis=-1)[follows] > 0
    first = cells[1:, 0][follows]
    tied = sounding & (first[..., 0] > 0) & (first[..., 1] == 0)
    return float(tied.sum() / max(1, sounding.sum()))


def tie_thresholds(
    pairs: tuple[NDArray[Any], NDArray[Any]], alpha: float, alpha_onset: float, share: float
) -> NDArray[np.float64]:
    """Return for each pitch the evidence of a tie above which a sounding key goes on.

    The evidence is divided by how often the key sounds at the end of a bar, and one number for all
    pitches is chosen so that so large a share of the sounding keys is tied
    (:mod:`streamer.families.windows.ties`).

    Args:
        pairs: Probabilities ``(n, steps, pitches, 2)`` of bars, and of those that follow them.
        alpha: Above which a cell is held.
        alpha_onset: Above which it is struck.
        share: Of the corpus, 0..1.
    """
    before, after = pairs
    end = before[:, -1]
    sounding = (end[..., 0] > alpha) | (end[..., 1] > alpha_onset)
    usual = np.maximum(end[..., 0].mean(axis=0), LEAST_SOUNDING)
    evidence = (tie_evidence(after) / usual)[sounding]
    struck = after[:, 0, :, 1][sounding] / alpha_onset
    best = (1.0, np.inf)
    for threshold in np.quantile(evidence, np.linspace(0, 1, TIE_THRESHOLDS)[1:-1]).tolist():
        if threshold <= 0:
            continue
        over = evidence / threshold
        found = float(((over > 1) & (struck <= np.maximum(1.0, over))).mean())
        if abs(found - share) < best[1]:
            best = (threshold, abs(found - share))
    return np.asarray(np.maximum(best[0] * usual, 1e-6))


@torch.no_grad()
def _walk_pairs(
    model: Query, mean: NDArray[Any], wide: NDArray[Any], step: float, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return probabilities of bars of the query VAE's walk, and of those a step on."""
    here = rng.standard_normal((WALKED, len(mean)))
    there = _stepped(here, step, rng)
    before, after = (
        torch.sigmoid(model.decode(torch.from_numpy(mean + wide * place).float()))
        .numpy()
        .reshape(-1, *model.codec.shape)
        for place in (here, there)
    )
    return before, after


def _stepped(here: NDArray[Any], step: float, rng: np.random.Generator) -> NDArray[Any]:
    """Return places a step on, as the stream takes it."""
    near, far = turned(step)
    return near * here + far * rng.standard_normal(here.shape)


def _music(scores: ScoreSet, real: Sections) -> dict[str, Any]:
    codec = real.codec
    bpm, metre = corpus_tempo(scores)
    found = figures(real.cells(slice(None)), codec)
    low, middle, high = np.quantile(found["notes_per_beat"], (0.05, 0.5, 0.95)).tolist()
    longest = int(np.ceil(np.quantile(found["longest"], RARE[1])))
    return {
        "bpm": round(bpm, 2),
        "metre": metre,
        "longest_steps": max(longest, codec.steps_per_beat) * (2 if codec.onsets else 1),
        "notes_per_beat": (round(low, 3), round(middle, 3), round(high, 3)),
    }


def limits_of(real: Sections, spec: WindowSpec) -> dict[str, float | list[float]]:
    """Return bounds of the hard filters: what one section in a thousand goes beyond.

    Named as the fields of :class:`streamer.selection.filters.Limits`; times are those at the
    bundle's own tempo.
    """
    codec = real.codec
    found = figures(real.cells(slice(None)), codec)
    beat_s = 60.0 / spec.bpm

    def outer(name: str, scale: float = 1.0) -> list[float]:
        low, high = np.quantile(found[name], RARE)
        return [round(float(low) * scale, 4), round(float(high) * scale, 4)]

    return {
        "mean_pitch": outer("pitch"),
        "density": outer("notes_per_beat", 1 / beat_s),
        "polyphony": outer("polyphony")[1],
        "longest_rest_ms": outer("longest_rest", 1000 * beat_s / codec.steps_per_beat)[1]
        + 1000 * beat_s,
    }


@torch.no_grad()
def window_statistics(redraw: Callable[[torch.Tensor], torch.Tensor], real: Sections) -> Statistics:
    """Return entropy statistics over training sections, each drawn over by the model.

    Args:
        redraw: Cells ``(n, ...)`` float -> logits of the same sections.
        real: Training sections.
    """
    entropies = []
    for start in range(0, len(real), 64):
        cells = torch.from_numpy(real.cells(slice(start, start + 64))).float()
        shown = torch.sigmoid(redraw(cells)).numpy().astype(np.float64)
        for one in shown.reshape(len(cells), *real.codec.shape):
            entropies.append(step_entropies(one, cell_entropies(one)))
    columns = argument_columns([steps[:, None] for steps in entropies])
    return Statistics(real.codec.steps, len(real), columns, [], {})
