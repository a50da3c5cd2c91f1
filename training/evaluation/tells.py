"""What tells a stream from real music: a two-sample test on short windows that names its features.

Two sets of pieces come in; for windows of a number of notes the area under the ROC curve goes out,
for all features, for each family of them, and for each alone. Gradient-boosted trees; whole works
held out in folds; all times rounded to 5 ms, or the trees would read the resolution of the files.
Nothing here is shown to a model, a judge or a filter. Source: [LopezPaz2017].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.music.notes import NoteArray
from training.evaluation.measures import LEAST_NOTES
from training.evaluation.two_sample import auc

ROUNDED_MS = 5.0
FOLDS = 5
TREES = 80
LIMIT = 1200
"""Most windows of each set."""

TELLING = 6
"""Features that are named."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of a set as rows of features.

    Attributes:
        rows: ``(windows, features)``.
        names: ``family.feature`` of each column.
        works: The work of each row.
    """

    rows: Floats
    names: tuple[str, ...]
    works: NDArray[np.str_]


def cut_windows(
    pieces: Sequence[NoteArray], works: Sequence[str], notes: int, rng: np.random.Generator
) -> Windows:
    """Describe windows of pieces, drawn evenly over pieces and without overlap.

    Args:
        pieces: Note arrays sorted by onset.
        works: The work of each.
        notes: Of a window, :data:`LEAST_NOTES` or more.
        rng: Draws them.

    Raises:
        ValueError: ``notes`` is too small.
    """
    if notes < LEAST_NOTES:
        raise ValueError(f"windows must have {LEAST_NOTES} notes or more, not {notes}")
    ranked = []
    for index, piece in enumerate(pieces):
        starts = rng.permutation(len(piece) // notes) * notes
        ranked += [(rank, index, int(start)) for rank, start in enumerate(starts)]
    chosen = sorted(ranked)[:LIMIT]
    if not chosen:
        return Windows(np.zeros((0, 0)), (), np.array([], dtype=np.str_))
    cut = np.stack([pieces[i][start : start + notes] for _, i, start in chosen])
    features = describe_windows(cut)
    table = np.stack(list(features.values()), axis=1)
    return Windows(table, tuple(features), np.array([works[i] for _, i, _ in chosen]))


def tell_apart(own: Windows, real: Windows, seed: int) -> dict[str, object]:
    """Try to tell two sets of windows apart.

    Returns:
        ``all`` and each family: an AUC from folds over works; ``features``: the AUC of the best
        features alone, the greatest first (0.5 above or below counts alike).

    Raises:
        DataError: One of the sets has windows of fewer than :data:`FOLDS` works.
    """
    for name, windows in (("generated", own), ("real", real)):
        if len({*windows.works.tolist()}) < FOLDS:
            raise DataError(
                f"the test on windows needs {FOLDS} {name} works that are long enough, not "
                f"{len({*windows.works.tolist()})}: give more files or longer ones"
            )
    rows = np.concatenate([own.rows, real.rows])
    labels = np.repeat([True, False], [len(own.rows), len(real.rows)])
    works = np.concatenate([own.works, real.works])
    families = [name.partition(".")[0] for name in own.names]
    found: dict[str, object] = {"all": _auc_of(rows, labels, works, seed)}
    for family in dict.fromkeys(families):
        columns = [i for i, one in enumerate(families) if one == family]
        found[family] = _auc_of(rows[:, columns], labels, works, seed)
    alone = {name: auc(rows[:, i], labels) for i, name in enumerate(own.names)}
    best = sorted(alone, key=lambda name: -abs(alone[name] - 0.5))[:TELLING]
    found["features"] = {name: round(alone[name], 3) for name in best}
    return found


def _auc_of(rows: Floats, labels: NDArray[np.bool_], works: NDArray[np.str_], seed: int) -> float:
    """Return the AUC of trees that never saw a row's work; the mean over folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    found = []
    for train, test in split.split(rows, labels, works):
        trees = HistGradientBoostingClassifier(
            max_iter=TREES, learning_rate=0.1, max_leaf_nodes=16, min_samples_leaf=15,
            l2_regularization=1.0, random_state=seed,
        )  # fmt: skip
        trees.fit(rows[train], labels[train])
        found.append(auc(trees.predict_proba(rows[test])[:, 1], labels[test]))
    return float(np.nanmean(found))


def describe_windows(cut: NoteArray) -> dict[str, Floats]:
    """Return features by ``family.name``, ``(windows,)`` each, of notes ``(windows, notes)``."""
    onset = np.round(cut["onset_ms"] / ROUNDED_MS) * ROUNDED_MS
    length = np.round(cut["duration_ms"] / ROUNDED_MS) * ROUNDED_MS
    pitch = cut["pitch"].astype(np.float64)
    families = {
        "pitch": _pitch(pitch),
        "rhythm": _rhythm(np.diff(onset, axis=1)),
        "duration": _duration(onset, length),
        "velocity": _velocity(cut["velocity"].astype(np.float64), pitch),
        "pedal": _pedal(cut["pedal"].astype(np.float64)),
        "harmony": _harmony(onset, length, pitch),
        "figures": _figures(pitch),
    }
    return {
        f"{family}.{name}": np.nan_to_num(values)
        for family, features in families.items()
        for name, values in features.items()
    }


def _pitch(pitch: Floats) -> dict[str, Floats]:
    step = np.diff(pitch, axis=1)
    size = np.abs(step)
    return {
        "mean": pitch.mean(1), "sd": pitch.std(1), "low": pitch.min(1), "high": pitch.max(1),
        "size": size.mean(1), "sizes": size.std(1), "rising": (step > 0).mean(1),
        "same": (size == 0).mean(1), "steps": ((size > 0) & (size < 3)).mean(1),
        "skips": ((size > 2) & (size < 6)).mean(1), "octaves": (size == 12).mean(1),
        "leaps": (size > 12).mean(1), "bass": (pitch < 48).mean(1), "treble": (pitch > 76).mean(1),
    }  # fmt: skip


def _rhythm(gap: Floats) -> dict[str, Floats]:
    log = np.log(gap + 15.0)
    later, before = gap[:, 1:], gap[:, :-1]
    apart = (before > 40) & (later > 40)
    near = apart & (np.abs(later - before) <= 0.08 * before + 5)
    edges = (0, 10, 30, 60, 100, 160, 260, 500)
    found = {
        f"to_{high}": ((gap >= low) & (gap < high)).mean(1)
        for low, high in zip(edges, (*edges[1:], 99999), strict=True)
    }
    ordered = np.sort(gap, axis=1)
    return found | {
        "mean": log.mean(1), "sd": log.std(1), "longest": log.max(1), "length": gap.sum(1),
        "even": near.sum(1) / np.maximum(apart.sum(1), 1),
        "distinct": 1 + (np.diff(ordered, axis=1) > 5).sum(1),
        "middle": np.median(gap, axis=1), "turns": np.abs(np.diff(log, axis=1)).mean(1),
    }  # fmt: skip


def _duration(onset: Floats, length: Floats) -> dict[str, Floats]:
    log = np.log(length + 15.0)
    gap = np.diff(onset, axis=1)
    legato = length[:, :-1] / np.maximum(gap, 20)
    return {
        "mean": log.mean(1), "sd": log.std(1), "least": length.min(1), "most": log.max(1),
        "short": (length < 60).mean(1), "long": (length > 1000).mean(1),
        "same": (np.abs(np.diff(length, axis=1)) <= 5).mean(1),
        "turns": np.abs(np.diff(log, axis=1)).mean(1),
        "legato": np.log(legato + 0.05).mean(1), "joined": (np.abs(legato - 1) < 0.1).mean(1),
        "middle": np.median(length, axis=1),
    }  # fmt: skip


def _velocity(velocity: Floats, pitch: Floats) -> dict[str, Floats]:
    step = np.diff(velocity, axis=1)
    return {
        "mean": velocity.mean(1), "sd": velocity.std(1), "low": velocity.min(1),
        "high": velocity.max(1), "size": np.abs(step).mean(1), "sizes": step.std(1),
        "same": (step == 0).mean(1), "by_pitch": _correlation(velocity, pitch),
        "lag": _correlation(velocity[:, 1:], velocity[:, :-1]),
        "lag_2": _correlation(velocity[:, 2:], velocity[:, :-2]),
    }  # fmt: skip


def _correlation(a: Floats, b: Floats) -> Floats:
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.asarray((a * b).sum(1) / np.maximum(scale, 1e-9), dtype=np.float64)


def _pedal(pedal: Floats) -> dict[str, Floats]:
    changes = np.abs(np.diff(pedal, axis=1))
    return {"down": pedal.mean(1), "changes": changes.mean(1), "first": pedal[:, 0]}


_MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])


def _harmony(onset: Floats, length: Floats, pitch: Floats) -> dict[str, Floats]:
    classes = pitch.astype(np.int64) % 12
    counts = (classes[:, :, None] == np.arange(12)).mean(1)
    scale = max_scale = np.zeros(len(pitch))
    for root in range(12):
        scale = counts[:, (_MAJOR + root) % 12].sum(1)
        max_scale = np.maximum(max_scale, scale)
    entropy = -(counts * np.log(np.maximum(counts, 1e-12))).sum(1)
    later = np.triu(np.ones((pitch.shape[1],) * 2, dtype=np.bool_), 1)
    apart = onset[:, None, :] - onset[:, :, None]
    together = later & (apart < 30)
    sounding = later & (apart < length[:, :, None])
    interval = np.abs(pitch[:, None, :] - pitch[:, :, None])
    found = {"entropy": entropy, "scale": max_scale, "classes": (counts > 0).sum(1)}
    for name, pairs in (("chord", together), ("sounding", sounding)):
        total = np.maximum(pairs.sum((1, 2)), 1)
        found[f"{name}_pairs"] = pairs.sum((1, 2)) / pitch.shape[1]
        for kind, wanted in (("sharp", (1, 11, 6)), ("seconds", (2, 10)), ("thirds", (3, 4, 8, 9)),
                             ("fifths", (5, 7)), ("octaves", (0,))):  # fmt: skip
            hit = pairs & np.isin(interval % 12, wanted)
            found[f"{name}_{kind}"] = hit.sum((1, 2)) / total
        found[f"{name}_close"] = (pairs & (interval < 3)).sum((1, 2)) / total
    found["chord_notes"] = (together.any(1) | together.any(2)).mean(1)
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def _figures(pitch: Floats) -> dict[str, Floats]:
    step = np.diff(pitch, axis=1)
    found = {}
    for size, values in ((1, step), (2, step), (3, step), (3, pitch), (4, pitch)):
        kind = "intervals" if values is step else "pitches"
        runs = np.lib.stride_tricks.sliding_window_view(values, size, axis=1)
        same = (runs[:, :, None] == runs[:, None]).all(-1)
        earlier = np.tril(np.ones(same.shape[1:], dtype=np.bool_), -1)
        found[f"{kind}_{size}"] = (same & earlier).any(2).mean(1)
    for lag in (2, 3, 4, 6, 8):
        if lag < pitch.shape[1]:
            found[f"lag_{lag}"] = (pitch[:, lag:] == pitch[:, :-lag]).mean(1)
    return found | {"again": (step[:, 1:] == step[:, :-1]).mean(1)}
