"""What must be shown of the chain as it plays: selection, the music beside real music, endlessness.

These work on an exported bundle and play it through the streamer itself, as fast as it goes. Real
music is the ``test`` split of the tensor file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import load_bundle
from streamer.engine.engine import Engine
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.source import step_settings
from streamer.measures.repetition import figure_return_share, loop_period
from streamer.measures.signature import SignatureReference, note_signature
from streamer.music.notes import ARGUMENTS, Note, NoteArray, to_array
from streamer.pipeline import Source, open_source
from streamer.selection.filters import FILTERS
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from training.corpora.splits import SPLITS
from training.evaluation.bootstrap import difference, interval
from training.evaluation.drift import FIGURES, STRETCH_S, stretch_figures, stretches
from training.evaluation.excerpts import excerpts
from training.evaluation.signature import fit_reference
from training.evaluation.two_sample import describe_pieces, two_sample_test
from training.families.chain.tensors import TensorSet
from training.studies.plots import histograms, save, subplots

STREAM_NOTES = 64
"""Notes of a phrase whose signature is taken: long enough for one, short enough to select by."""

HOUR_S = 3600.0

CLASSES = FIGURES.index("pitch_class_entropy")
"""Among the figures: an hour moves through many keys, a piece through few, so that it is measured
minute by minute, of both."""

STRETCHES = (*FIGURES[:CLASSES], f"{FIGURES[CLASSES]}_by_minute", *FIGURES[CLASSES + 1 :])
"""Figures of an hour, and of a piece."""


@dataclass(frozen=True)
class Stage:
    """What these studies work on.

    Attributes:
        bundle: Folder of an exported bundle.
        tensors: The corpus it was trained on.
        seed: Of the first stream; others count up from it.
        streams: How many streams are played.
        minutes: Length of each, for ``music``.
        hours: Length of ``endless``.
    """

    bundle: Path
    tensors: TensorSet
    seed: int = 0
    streams: int = 12
    minutes: float = 10.0
    hours: float = 24.0

    def settings(self, seed: int) -> Settings:
        """Return what ``perpetuo render --model BUNDLE --seed SEED`` plays."""
        return replace(Settings(), model=ModelSettings(model=str(self.bundle), seed=seed))

    def play(self, seed: int, seconds: float) -> NoteArray:
        """Return ``seconds`` of a stream."""
        source = open_source(settings=self.settings(seed))
        notes: list[Note] = []
        while True:
            phrase = source.next_phrase()
            notes.extend(phrase.notes)
            if phrase.end_ms >= seconds * 1000.0:
                return to_array(notes)


def _signatures(pieces: list[NoteArray]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows, groups = [], []
    for i, piece in enumerate(pieces):
        for part in excerpts(piece, STREAM_NOTES, limit=20):
            rows.append(note_signature(part))
            groups.append(i)
    return np.stack(rows), np.asarray(groups)


def _reference(tensors: TensorSet) -> SignatureReference:
    return fit_reference(*_signatures(list(tensors.iterate("train"))))


def selection(stage: Stage, folder: Path) -> dict[str, Any]:
    """6. Signature distance of selected phrases beside unselected ones, same seeds."""
    bundle = load_bundle(stage.bundle)
    engine = Engine(bundle)
    reference = _reference(stage.tensors)
    ways: dict[str, dict[str, Any]] = {
        "unselected": {"candidates": 1, "filters": ()},
        "filters only": {"candidates": 1, "filters": FILTERS},
        "regulated": {"candidates": 16, "filters": FILTERS},
        "mean": {"candidates": 16, "filters": FILTERS, "ranking": "mean"},
        "information": {"candidates": 16, "filters": FILTERS, "ranking": "information"},
    }
    base = replace(step_settings(bundle, stage.settings(0)), phrase_notes=STREAM_NOTES)
    rng = np.random.default_rng(stage.seed)
    found: dict[str, NDArray[np.float64]] = {}
    for name, way in ways.items():
        options = dict(way)
        filters = options.pop("filters")
        distances = []
        for seed in range(stage.seed, stage.seed + stage.streams):
            generator = StepGenerator(
                engine, replace(base, **options), np.random.Generator(np.random.SFC64(seed)),
                LiveControls(Controls(recall=0.0)), filters,
            )  # fmt: skip
            parts = [to_array(generator.next_phrase().notes) for _ in range(20)]
            rows = np.stack([note_signature(part) for part in parts])
            distances.append(float(reference.distance(rows).mean()))
        found[name] = np.asarray(distances)
    held, groups = _signatures(list(stage.tensors.iterate("test")))
    real = reference.distance(held)
    by_piece = np.asarray([real[groups == g].mean() for g in np.unique(groups)])
    rows_out: dict[str, Any] = {
        "what": f"mean signature distance of phrases of {STREAM_NOTES} notes, by stream",
        "streams": stage.streams,
        "held_out": interval(by_piece, rng).to_dict(),
    }
    for name, values in found.items():
        rows_out[name] = {"distance": interval(values, rng).to_dict()}
        if name != "unselected":
            # The same seeds: the difference is taken stream by stream.
            gain = interval(values - found["unselected"], rng)
            rows_out[name]["minus_unselected"] = gain.to_dict()
    figure, axes = subplots(1, 1, width=6)
    axes[0][0].boxplot([by_piece, *found.values()], tick_labels=["held out", *found])
    axes[0][0].tick_params(axis="x", labelrotation=30, labelsize=7)
    axes[0][0].set_ylabel("signature distance")
    return save(folder, "selection", rows_out, figure)


def music(stage: Stage, folder: Path) -> dict[str, Any]:
    """Generated beside real: told apart by feature group, figures that return, signature."""
    rng = np.random.default_rng(stage.seed)
    seeds = range(stage.seed, stage.seed + stage.streams)
    made = [stage.play(seed, stage.minutes * 60.0) for seed in seeds]
    indices = stage.tensors.indices("test")
    real = [stage.tensors.notes(i) for i in indices]
    works = [stage.tensors.pieces[i].work_key for i in indices]
    aucs = two_sample_test(
        describe_pieces(made, [f"stream {s}" for s in seeds]), describe_pieces(real, works), rng
    )
    reference = _reference(stage.tensors)
    distances = {
        name: np.asarray([reference.distance(_signatures([p])[0]).mean() for p in pieces])
        for name, pieces in (
            ("held out", [p for p in real if len(p) >= STREAM_NOTES]), ("generated", made),
        )
    }  # fmt: skip
    ratio = distances["generated"].mean() / distances["held out"].mean()
    returns = {
        "held out": np.asarray([figure_return_share(p) for p in real]),
        "generated": np.asarray([figure_return_share(p) for p in made]),
    }
    rows: dict[str, Any] = {
        "streams": len(made),
        "minutes": stage.minutes,
        "told_apart_auc": {name: value.to_dict() for name, value in aucs.items()},
        "signature_distance": {k: interval(v, rng).to_dict() for k, v in distances.items()},
        "signature_ratio": float(ratio),
        "signature_difference": difference(
            distances["generated"], distances["held out"], rng
        ).to_dict(),
        "figures_that_return": {k: interval(v, rng).to_dict() for k, v in returns.items()},
        "velocity_sd": {
            "held out": float(np.mean([p["velocity"].std() for p in real])),
            "generated": float(np.mean([p["velocity"].std() for p in made])),
        },
    }
    figure, axes = subplots(1, 2)
    histograms(axes[0][0], distances, "signature distance by piece")
    histograms(axes[0][1], returns, "share of 8-note figures that return in 5 minutes")
    return save(folder, "music", rows, figure)


@dataclass
class _Day:
    """What was measured so far of an endless run.

    Attributes:
        figures: One row an hour: :data:`STRETCHES`, then the entropies of the arguments.
        minutes: Entropy of the pitch classes of each minute so far, bits.
        resident_mb: Memory of this process after each hour.
        notes: So far.
        tail: Pitches of the last 20,000 notes.
    """

    figures: list[NDArray[np.float64]]
    minutes: list[float]
    resident_mb: list[float]
    notes: int
    tail: NDArray[np.int64]


def endless(stage: Stage, folder: Path) -> dict[str, Any]:
    """A day of music: does each hour stay within the corpus's own spread, and does it loop?

    Both files are written anew after each hour, so that a kill leaves what was measured.
    """
    source = open_source(settings=stage.settings(stage.seed))
    spread = _piece_spread(stage.tensors) | _entropy_spread(source)
    minute = tuple(np.quantile(_corpus_minutes(stage.tensors), (0.05, 0.95)).tolist())
    day = _Day([], [], [], 0, np.zeros(0, dtype=np.int64))
    rows: dict[str, Any] = {}
    while len(day.figures) < stage.hours:
        notes, entropies = _hour(source, len(day.figures) * HOUR_S * 1000.0)
        day.figures.append(np.concatenate([long_figures(notes, HOUR_S), entropies]))
        day.minutes += class_entropies(notes).tolist()
        day.tail = np.concatenate([day.tail, notes["pitch"].astype(np.int64)])[-20_000:]
        day.notes += len(notes)
        day.resident_mb.append(_resident_mb())
        rows = _write_day(day, spread, minute, source, folder)
    return rows


def _write_day(
    day: _Day,
    spread: dict[str, tuple[float, float]],
    minute: tuple[float, ...],
    source: Source,
    folder: Path,
) -> dict[str, Any]:
    made = np.stack(day.figures)
    inside = {
        name: float(((made[:, i] >= low) & (made[:, i] <= high)).mean())
        for i, (name, (low, high)) in enumerate(spread.items())
    }
    rows: dict[str, Any] = {
        "hours": len(made), "notes": day.notes, "corpus_spread_5_to_95_percent": spread,
        "share_of_hours_inside": inside,
        "pitch_class_entropy_of_minutes": {
            "corpus_spread_5_to_95_percent": minute,
            "share_of_minutes_inside": float(
                np.mean([minute[0] <= bits <= minute[1] for bits in day.minutes])
            ),
        },
        "by_hour": {name: made[:, i].tolist() for i, name in enumerate(spread)},
        "resident_mb_by_hour": day.resident_mb,
        "loop_period_notes": int(loop_period(day.tail)),
        "stream": source.generator.stats.to_dict(),
    }  # fmt: skip
    figure, axes = subplots(3, 5, width=3.0)
    for i, (name, band) in enumerate(spread.items()):
        axis = axes[i // 5][i % 5]
        axis.plot(made[:, i])
        axis.axhspan(*band, alpha=0.15)
        axis.set_title(f"{name} by hour", fontsize=7)
    axes[2][4].plot(day.resident_mb)
    axes[2][4].set_title("resident MB by hour", fontsize=7)
    return save(folder, "endless", rows, figure)


def _piece_spread(tensors: TensorSet) -> dict[str, tuple[float, float]]:
    """Return the 5th and 95th percentile over the corpus's pieces of each of the figures."""
    pieces = [p for split in SPLITS for p in tensors.iterate(split) if len(p) >= STREAM_NOTES]
    seconds = [max(float(np.ptp(p["onset_ms"])), 1.0) / 1e3 for p in pieces]
    real = np.stack([long_figures(p, s) for p, s in zip(pieces, seconds, strict=True)])
    low, high = np.nanquantile(real, (0.05, 0.95), axis=0).tolist()
    return dict(zip(STRETCHES, zip(low, high, strict=True), strict=True))


def long_figures(notes: NoteArray, seconds: float) -> NDArray[np.float64]:
    """Return :data:`STRETCHES` of an hour or of a piece, ``(9,)``.

    Args:
        notes: Sorted by onset, one or more.
        seconds: Its length.
    """
    row = stretch_figures(notes, seconds)
    minutes = class_entropies(notes)
    if len(minutes):  # what is shorter than a minute counts as one
        row[CLASSES] = minutes.mean()
    return row


def class_entropies(notes: NoteArray) -> NDArray[np.float64]:
    """Return the entropy of the pitch classes of each whole minute with a note, bits."""
    found = stretches(notes, STRETCH_S)[:, CLASSES]
    return found[~np.isnan(found)]


def _corpus_minutes(tensors: TensorSet) -> NDArray[np.float64]:
    return np.concatenate([class_entropies(p) for split in SPLITS for p in tensors.iterate(split)])


def _hour(source: Source, start_ms: float) -> tuple[NoteArray, NDArray[np.float64]]:
    """Return the notes of the next hour and the mean entropy of each argument, nats."""
    notes: list[Note] = []
    entropies: list[NDArray[np.float32]] = []
    while True:
        phrase = source.next_phrase()
        notes.extend(phrase.notes)
        entropies.append(phrase.entropies)
        if phrase.end_ms >= start_ms + HOUR_S * 1000.0:
            return to_array(notes), np.concatenate(entropies).mean(axis=0, dtype=np.float64)


def _entropy_spread(source: Source) -> dict[str, tuple[float, float]]:
    """Return the 5th and 95th percentile of a phrase's mean entropy in the corpus, by argument."""
    out = {}
    for name, column in zip(ARGUMENTS, source.bundle.manifest.statistics.arguments, strict=True):
        edges, counts = np.asarray(column.mean.edges), np.asarray(column.mean.counts, dtype=float)
        below = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
        low, high = np.interp((0.05, 0.95), below, edges).tolist()
        out[f"entropy_{name}"] = (low, high)
    return out


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


STREAM_STUDIES: dict[str, Callable[[Stage, Path], dict[str, Any]]] = {
    "selection": selection,
    "music": music,
    "endless": endless,
}
"""Name to study; each needs a bundle."""
