"""What must be shown of the chain, each as one function (docs/design/chain.md).

Each takes a :class:`Bench` and a folder, writes ``<name>.json`` and ``<name>.png`` there and
returns what it wrote. Held-out means the ``test`` split of the tensor file: compositions that
neither training nor early stopping has seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.chain.codec import fitted_codec, normalised_entropy
from streamer.measures.entropy import STATISTICS, CorpusEntropy, sequence_statistics
from streamer.music.notes import ARGUMENTS
from streamer.selection.ranking import mean_score, regulated_score
from training.evaluation.markov import baseline_losses
from training.evaluation.two_sample import auc
from training.families.chain.model import GROUPS, Chain
from training.families.chain.task import evaluate_nats
from training.families.chain.tensors import TensorSet
from training.studies.chain.observe import generated_entropies, phrases, real_entropies
from training.studies.plots import bars, heat, histograms, save, subplots

STUDIED_NOTES = 32
MAX_PIECES = 64
PUBLISHED_SIZES = (88, 105, 120, 47, 2)


@dataclass(frozen=True)
class Bench:
    """What the studies work on.

    Attributes:
        model: Trained, in evaluation mode.
        tensors: The corpus it was trained on.
        independent: The same shape trained without the current note's prefix, or None.
        seed: Of all sampling.
    """

    model: Chain
    tensors: TensorSet
    independent: Chain | None
    seed: int


def tables(bench: Bench, folder: Path) -> dict[str, Any]:
    """1. Class tables: sizes, exact round trip, balance of the histograms (paper, figure 1)."""
    train = list(bench.tensors.iterate("train"))
    rows: dict[str, Any] = {}
    figure, axes = subplots(2, 3)
    for line, codec in enumerate((bench.tensors.codec, fitted_codec(train))):
        classes = np.concatenate([codec.encode(piece) for piece in train])
        rng = np.random.default_rng(bench.seed)
        columns = (
            ("shift", codec.shift),
            ("duration", codec.duration),
            ("velocity", codec.velocity),
        )
        row: dict[str, Any] = {"sizes": list(codec.sizes), "balance": {}, "round_trip": True}
        for column, (name, table) in enumerate(columns):
            every = np.arange(table.classes)
            for _ in range(100):
                back = table.encode(table.decode(every, rng.random(table.classes)))
                row["round_trip"] &= bool((back == every).all())
            found = classes[:, ARGUMENTS.index(name)]
            row["balance"][name] = normalised_entropy(found, table.classes)
            counts = np.bincount(found, minlength=table.classes) / len(found)
            bars(axes[line][column], counts, f"{codec.name}: {name}")
        rows[codec.name] = row
    rows["published_sizes"] = list(PUBLISHED_SIZES)
    return save(folder, "tables", rows, figure)


def likelihood(bench: Bench, folder: Path) -> dict[str, Any]:
    """2. Held-out nats a note beside the independent model and the n-gram baselines."""
    codec = bench.tensors.codec
    test = list(bench.tensors.iterate("test"))
    rows: dict[str, Any] = {"chain": evaluate_nats(bench.model, test, codec)}
    if bench.independent is not None:
        rows["independent"] = evaluate_nats(bench.independent, test, codec)
    train = [codec.encode(piece) for piece in bench.tensors.iterate("train")]
    works = [bench.tensors.pieces[i].work_key for i in bench.tensors.indices("train")]
    rows |= baseline_losses(train, [codec.encode(p) for p in test], codec.sizes, works)
    rows["held_out"] = {
        "pieces": len(test),
        "works": sorted({bench.tensors.pieces[i].work_key for i in bench.tensors.indices("test")}),
    }
    names = [
        name for name in ("chain", "independent", "chained", "order_3", "unigram") if name in rows
    ]
    figure, axes = subplots(1, 1)
    bottom = np.zeros(len(names))
    for argument in ARGUMENTS:
        height = np.array([rows[name][argument] for name in names])
        axes[0][0].bar(names, height, bottom=bottom, label=argument)
        bottom += height
    axes[0][0].set_ylabel("nats a note, held out")
    axes[0][0].legend(fontsize=7)
    return save(folder, "likelihood", rows, figure)


def attention(bench: Bench, folder: Path) -> dict[str, Any]:
    """3. Mean absolute input weight of layer 0 by field (paper, figure 3)."""
    model, offsets = bench.model, bench.tensors.codec.offsets
    one_hot = offsets[-1]
    score = np.full((GROUPS, 2 * GROUPS), np.nan)
    for m in range(GROUPS):
        table = model.tables[m].detach().abs()
        if model.project is not None:
            table = (model.tables[m] @ model.project[m]).detach().abs()
        for field in range(GROUPS):
            part = slice(offsets[field], offsets[field + 1])
            score[m, field] = float(table[part].mean())
            if field < m:
                now = slice(one_hot + part.start, one_hot + part.stop)
                score[m, GROUPS + field] = float(table[now].mean())
    own_rank = [int((score[m] > score[m, m]).sum()) + 1 for m in range(GROUPS)]
    pairs = [(m, field) for m in range(GROUPS) for field in range(m)]
    current_wins = sum(bool(score[m, GROUPS + f] > score[m, f]) for m, f in pairs)
    fields = [f"previous {a}" for a in ARGUMENTS] + [f"current {a}" for a in ARGUMENTS]
    rows = {
        "fields": fields,
        "score": [[None if np.isnan(x) else float(x) for x in row] for row in score],
        "rank_of_own_field": dict(zip(ARGUMENTS, own_rank, strict=True)),
        "current_above_previous": current_wins,
        "pairs": len(pairs),
    }
    figure, axes = subplots(1, 1, width=7)
    heat(axes[0][0], score, list(ARGUMENTS), fields)
    return save(folder, "attention", rows, figure)


def entropy(bench: Bench, folder: Path) -> dict[str, Any]:
    """4. Mean, variance and moving-average variance of data and generation (paper, figure 4)."""
    test = list(bench.tensors.iterate("test"))[:MAX_PIECES]
    real = sequence_statistics(_moved(phrases(real_entropies(bench.model, test), STUDIED_NOTES)))
    _, made = generated_entropies(bench.model, 64, 16 * STUDIED_NOTES, bench.seed)
    generated = sequence_statistics(_moved(phrases(list(made), STUDIED_NOTES)))
    figure, axes = subplots(3, GROUPS, width=2.6)
    rows: dict[str, Any] = {"phrases": {"real": real.shape[1], "generated": generated.shape[1]}}
    for m, argument in enumerate(ARGUMENTS):
        for s, statistic in enumerate(STATISTICS):
            a, b = real[s, :, m], generated[s, :, m]
            rows.setdefault(argument, {})[statistic] = {
                "real": {"mean": float(a.mean()), "sd": float(a.std())},
                "generated": {"mean": float(b.mean()), "sd": float(b.std())},
            }
            histograms(axes[s][m], {"held out": a, "generated": b}, f"{argument}: {statistic}")
    return save(folder, "entropy", rows, figure)


def planted(bench: Bench, folder: Path) -> dict[str, Any]:
    """5. Random notes planted in the middle of held-out phrases: are they ranked worse?"""
    rng = np.random.default_rng(bench.seed)
    codec = bench.tensors.codec
    train = list(bench.tensors.iterate("train"))[:MAX_PIECES]
    corpus = CorpusEntropy.measure(
        sequence_statistics(_moved(phrases(real_entropies(bench.model, train), STUDIED_NOTES)))
    )
    rows: dict[str, Any] = {}
    figure, axes = subplots(1, 3)
    for column, count in enumerate((2, 4, 8)):
        clean, dirty = _clean_and_planted(bench, count, rng)
        labels = np.repeat([False, True], [clean.shape[1], dirty.shape[1]])
        row: dict[str, Any] = {"phrases": int(clean.shape[1])}
        joined = np.concatenate([clean, dirty], axis=1)
        for name, score in (
            ("mean", mean_score(joined)),
            ("regulated", regulated_score(joined, corpus)),
        ):
            row[f"auc_{name}"] = auc(score, labels)
            row[f"paired_{name}"] = float((score[labels] > score[~labels]).mean())
        rows[f"{count}_notes"] = row
        scores = {"clean": mean_score(clean), "planted": mean_score(dirty)}
        histograms(axes[0][column], scores, f"{count} random notes of {STUDIED_NOTES}")
    rows["sizes"] = list(codec.sizes)
    return save(folder, "planted", rows, figure)


def _clean_and_planted(
    bench: Bench, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return statistics ``(3, phrases, 5)`` of held-out phrases and of their spoilt copies."""
    sizes = bench.tensors.codec.sizes
    pieces = [p for p in bench.tensors.iterate("test") if len(p) >= 2 * STUDIED_NOTES]
    encoded = [bench.tensors.codec.encode(p).astype(np.int64) for p in pieces]
    context, chosen = [], []
    for piece, classes in zip(pieces, encoded, strict=True):
        for start in range(STUDIED_NOTES, len(classes) - STUDIED_NOTES + 1, STUDIED_NOTES * 4):
            # A phrase of context first, so that the model knows where it is.
            context.append(classes[start - STUDIED_NOTES : start + STUDIED_NOTES])
            chosen.append(
                float(piece["velocity"][start - STUDIED_NOTES - 1])
                if start > STUDIED_NOTES
                else 0.0
            )
    rows = np.stack(context)[:2000]
    velocity = np.asarray(chosen)[:2000]
    spoilt = rows.copy()
    middle = STUDIED_NOTES + (STUDIED_NOTES - count) // 2
    for m, size in enumerate(sizes):
        spoilt[:, middle : middle + count, m] = rng.integers(0, size, (len(rows), count))
    return tuple(  # type: ignore[return-value]
        sequence_statistics(_moved(_forced(bench.model, x, velocity)[:, STUDIED_NOTES:]))
        for x in (rows, spoilt)
    )


@torch.no_grad()
def _forced(
    model: Chain, classes: NDArray[np.int64], velocity: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the entropies of class rows ``(rows, notes, 5)`` followed from an empty state."""
    current = torch.from_numpy(classes).transpose(0, 1).contiguous()
    previous = torch.cat([torch.full_like(current[:1], -1), current[:-1]])
    loudness = [torch.from_numpy(velocity).float()]
    for step in current[:-1, :, 3]:
        loudness.append((loudness[-1] + model.velocity_centres[step]).clamp(1, 127))
    keep = torch.ones(current.shape[:2])
    state = model.initial_state(current.shape[1])
    logits, _ = model(previous, current, torch.stack(loudness), keep, state)
    log_p = [torch.log_softmax(x, dim=-1) for x in logits]
    return torch.stack([-(p.exp() * p).sum(-1) for p in log_p], -1).transpose(0, 1).numpy()


def _moved(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(phrases, notes, 5)`` to the order that the statistics take, ``(notes, phrases, 5)``."""
    return np.moveaxis(rows, 1, 0)


STUDIES: dict[str, Callable[[Bench, Path], dict[str, Any]]] = {
    "tables": tables,
    "likelihood": likelihood,
    "attention": attention,
    "entropy": entropy,
    "planted": planted,
}
"""Name to study, in the order of the spec."""
