"""Ground truth for a bundle: the training pieces, seen through the model that learnt them.

In: the model and the tensor file it was trained on. Out:
:class:`streamer.bundle.manifest.Statistics`: histograms of the entropy sequences' statistics over
phrases ([Liu2025], section 4), quantiles of what phrases are like as music, and the range of the
cells. The generator ranks, filters and bounds its drift by them.

Phrases are taken as they come, without overlap, from the start of each piece; state is carried
through the piece. A corpus is sampled by whole pieces, with a fixed seed, until there is enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from export.statistics import LEVELS, argument_columns
from streamer.bundle.manifest import JudgeSpec, Statistics
from streamer.errors import DataError
from streamer.families.chain.returns import DIAL
from streamer.measures.repetition import FIGURE_NOTES, figure_return_flags
from streamer.music.notes import NoteArray
from training.baselines.nets import NoteModel
from training.evaluation.judges import fit_judges
from training.families.chain.batches import windows
from training.families.chain.model import Chain, LstmState
from training.families.chain.tensors import TensorSet

logger = logging.getLogger(__name__)

PHRASE_NOTES = 32
MAX_NOTES = 200_000
"""Enough for 6,000 phrases, 200 in each cell of a histogram; about 20 s on one core."""

MOST_MOODS = 128
MOOD_NOTES = 1200
"""Of the stretch that a mood is taken from: as long as the stream stays with it."""

_MIDDLES: dict[str, Callable[..., Any]] = {
    "pedal": np.mean,
    "density": lambda values: 1.0 / np.mean(1.0 / values),
}
CELL_LEVELS = (0.0001, 0.9999)
"""Cells beyond what all but one in ten thousand reach on real music are adrift."""

_ROWS, _STEPS = 32, 64


def measure_statistics(
    model: Chain | NoteModel,
    tensors: TensorSet,
    phrase_notes: int = PHRASE_NOTES,
    max_notes: int = MAX_NOTES,
) -> Statistics:
    """Run the model over training pieces, teacher-forced, and take statistics.

    Args:
        model: In evaluation mode; of one without cells no range of them is told.
        tensors: What it was trained on.
        phrase_notes: Notes of a phrase.
        max_notes: No further piece is taken once there are this many notes.

    Raises:
        DataError: The tensors have another codec, or no training piece as long as a phrase.
    """
    if tensors.codec.fingerprint != model.codec.fingerprint:
        raise DataError(
            f"tensors have codec {tensors.codec.fingerprint[:12]}, the checkpoint "
            f"{model.codec.fingerprint[:12]}; give the tensors that it was trained on"
        )
    pieces = _sample(tensors, phrase_notes, max_notes)
    if not pieces:
        raise DataError(
            f"no training piece has {phrase_notes} notes; give the tensors that it was trained on"
        )
    entropies, cells = _observe(model, pieces)
    phrases = list(_phrases(entropies, phrase_notes))
    music = [_music([piece], phrase_notes) for piece in pieces]
    note = {name: np.concatenate([m[name] for m in music]) for name in music[0]}
    moods = _moods(music, phrase_notes)
    note[DIAL] = np.concatenate([_returning(piece, phrase_notes) for piece in pieces])
    low, high = (
        np.quantile(cells, q, axis=(0, 3)).round(4).tolist() if len(cells) else []
        for q in CELL_LEVELS
    )
    return Statistics(
        phrase_notes,
        len(phrases),
        argument_columns(phrases),
        list(LEVELS),
        {name: np.quantile(values, LEVELS).round(4).tolist() for name, values in note.items()},
        low,
        high,
        moods,
    )


def measure_judges(tensors: TensorSet) -> dict[str, JudgeSpec]:
    """Return what the judges of the stream hold phrases against: the training pieces.

    Nothing when the corpus is too small to fit them on; ``--judge`` then says so.
    """
    indices = tensors.indices("train")
    pieces = [tensors.notes(index) for index in indices]
    works = [tensors.pieces[index].work_key for index in indices]
    try:
        return {
            k: msgspec.convert(v, JudgeSpec) for k, v in fit_judges(pieces, works=works).items()
        }
    except DataError as error:
        logger.warning("the bundle gets no judges: %s", error)
        return {}


def _sample(tensors: TensorSet, phrase_notes: int, max_notes: int) -> list[NoteArray]:
    """Return training pieces in a shuffled but fixed order, until there are enough notes."""
    indices = np.random.default_rng(0).permutation(tensors.indices("train"))
    pieces: list[NoteArray] = []
    total = 0
    for index in indices.tolist():
        notes = tensors.notes(index)
        if len(notes) < phrase_notes:
            continue
        # One endless piece must not fill the whole sample.
        notes = notes[: max(phrase_notes, max_notes // 8)]
        pieces.append(notes)
        total += len(notes)
        if total >= max_notes:
            break
    return pieces


@torch.no_grad()
def _observe(
    model: Chain | NoteModel, pieces: list[NoteArray]
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the entropies of each piece ``(notes, 5)`` and cells ``(samples, layers, 5, H)``."""
    state: Any = None
    parts, keeps, weights, cells = [], [], [], []
    for window in windows(pieces, model.codec, batch=_ROWS, steps=_STEPS):
        rows = window.current.shape[1]
        state = state if state is not None else model.initial_state(rows)
        logits, state = model(window.previous, window.current, window.velocity, window.keep, state)
        columns = []
        for one in logits:
            log_p = torch.log_softmax(one, dim=-1)
            columns.append(-(log_p.exp() * log_p).sum(-1))
        parts.append(torch.stack(columns, -1).numpy())
        keeps.append(window.keep.numpy())
        weights.append(window.weight.numpy())
        if isinstance(state, LstmState):
            # Rows that are still in a piece at the window's end; at the very end there may be none.
            playing = window.weight[-1 if window.weight[-1].any() else 0] > 0
            cells.append(state.c[:, :, playing].permute(2, 0, 1, 3).numpy())
    found = np.concatenate(parts), np.concatenate(keeps), np.concatenate(weights)
    return list(_cut(*found)), np.concatenate(cells) if cells else np.zeros(0, np.float32)


def _cut(
    entropies: NDArray[np.float32], keep: NDArray[np.float32], weight: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Yield each piece's entropies: rows hold pieces one after another, keep 0 where one starts."""
    for row in range(keep.shape[1]):
        end = int(weight[:, row].sum())
        starts = [*np.flatnonzero(keep[:end, row] == 0).tolist(), end]
        for a, b in zip(starts, starts[1:], strict=False):
            yield entropies[a:b, row]


def _phrases(pieces: list[NDArray[Any]], notes: int) -> Iterator[NDArray[Any]]:
    for piece in pieces:
        for start in range(0, len(piece) - notes + 1, notes):
            yield piece[start : start + notes]


def _moods(
    music: list[dict[str, NDArray[np.float64]]], phrase_notes: int
) -> dict[str, list[float]]:
    """Return what stretches of pieces are like: the medians of their phrases.

    Stretches are about as long as a mood lasts, so that a long piece counts by its notes. Of the
    pedal the mean: it is down or up for whole phrases, and a median would know nothing between. Of
    density the harmonic mean, which is notes over time: slow phrases last longer.
    """
    length = max(1, MOOD_NOTES // phrase_notes)
    stretches = []
    for piece in music:
        phrases = len(piece["pitch"])
        parts = max(1, round(phrases / length))
        bounds = np.linspace(0, phrases, parts + 1).round().astype(int).tolist()
        stretches += [(piece, slice(a, b)) for a, b in pairwise(bounds)]
    rows = np.linspace(0, len(stretches) - 1, min(MOST_MOODS, len(stretches))).round().astype(int)
    chosen = [stretches[row] for row in np.unique(rows).tolist()]
    return {
        name: [round(float(_MIDDLES.get(name, np.median)(p[name][part])), 4) for p, part in chosen]
        for name in music[0]
    }


def _music(pieces: list[NoteArray], phrase_notes: int) -> dict[str, NDArray[np.float64]]:
    """Return one figure a phrase for each name of ``Statistics.note``."""
    rows = []
    for piece in pieces:
        onset = piece["onset_ms"]
        shift = np.diff(onset, prepend=onset[:1])
        for start in range(0, len(piece) - phrase_notes + 1, phrase_notes):
            part = slice(start, start + phrase_notes)
            rows.append(_phrase_figures(piece[part], shift[part]))
    table = np.asarray(rows, dtype=np.float64)
    names = (
        "density", "pitch", "velocity", "duration_ms", "polyphony", "longest_rest_ms",
        "velocity_sd", "pedal",
    )  # fmt: skip
    return {name: table[:, i] for i, name in enumerate(names)}


def _returning(piece: NoteArray, phrase_notes: int) -> NDArray[np.float64]:
    """Return for each phrase the share of the figures that end in it that came before."""
    flags = figure_return_flags(piece)
    first = FIGURE_NOTES - 1
    starts = np.arange(0, len(piece) - phrase_notes + 1, phrase_notes)
    parts = [flags[max(at - first, 0) : max(at + phrase_notes - first, 0)] for at in starts]
    return np.array([part.mean() if len(part) else 0.0 for part in parts])


def _phrase_figures(notes: NoteArray, shift: NDArray[np.float64]) -> tuple[float, ...]:
    begins, ends = notes["onset_ms"], notes["onset_ms"] + notes["duration_ms"]
    held = ((begins[:, None] <= begins) & (ends[:, None] > begins)).sum(axis=0)
    # As the density filter counts: notes over the time from the note before to the last one.
    seconds = max(float(shift.sum()), 1.0) / 1000
    return (
        len(notes) / seconds,
        float(notes["pitch"].mean()),
        float(notes["velocity"].mean()),
        float(np.median(notes["duration_ms"])),
        float(held.max()),
        float(shift.max()),
        float(notes["velocity"].std()),
        float(notes["pedal"].mean()),
    )
