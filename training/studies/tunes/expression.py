"""How near the performance layer is to the players it was fitted to, on held-out tracks.

Each test track of a tune file that was played is written down (pitch, onset, length), played anew
from tables fitted to the training tracks, sixteen notes at a time as the stream does, and compared
with what its player did. ``python -m training.studies.tunes.expression TUNES.npz -o DIR`` writes
``expression.json`` and ``expression.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from streamer.expression.expression import Expression
from streamer.expression.tables import read_tables
from streamer.music.notes import Note
from streamer.verbs.numbers import SEED
from training.expression import Played, fit_expression, played_tracks
from training.families.tunes.tuneset import TuneSet
from training.studies.plots import histograms, save, subplots

CALL_NOTES = 16
LEAST_PLAYED = 2

_ASPECTS: dict[str, tuple[str, Callable[[Played], bool]]] = {
    "velocity": ("velocity about the track's mean", lambda track: track.dynamic),
    "share": ("sounding share of the length", lambda track: track.articulated),
    "late": ("late, thousandths of a quarter", lambda track: track.timed),
}


def expression(tunes: TuneSet, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Compare and write; a row for each style and aspect that was played.

    Returns:
        Per style and aspect: tracks, mean over tracks of the spread within a track and of the
        correlation of neighbours, played and ours, and the two-sample KS distance over all notes.
    """
    data = fit_expression(tunes)
    tables = read_tables(data, "fitted now")
    rows: dict[str, Any] = {"bytes": len(json.dumps(data)), "styles": {}}
    tracks = played_tracks(tunes, "test")
    shown: list[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]] = []
    for style in tunes.styles:
        player = Expression(tables, np.random.default_rng(seed)) if tables else None
        for aspect, (_, teaches) in _ASPECTS.items():
            mine = [track for track in tracks if track.style == style and teaches(track)]
            if player is None or len(mine) < LEAST_PLAYED:
                continue
            real = [_columns(track)[aspect] for track in mine]
            ours = [_columns(_played(player, track))[aspect] for track in mine]
            rows["styles"].setdefault(style, {})[aspect] = _compare(real, ours)
            shown.append((style, aspect, np.concatenate(real), np.concatenate(ours)))
    figure, axes = subplots(max(1, len(shown)), 1)
    for axis, (style, aspect, real_all, ours_all) in zip(axes[:, 0], shown, strict=False):
        low, high = np.quantile(real_all, [0.005, 0.995])
        both = {"played": real_all, "ours": ours_all}
        clipped = {name: np.clip(values, low, high) for name, values in both.items()}
        histograms(axis, clipped, f"{style}: {_ASPECTS[aspect][0]}")
    return save(folder, "expression", rows, figure)


def _columns(track: Played) -> dict[str, NDArray[np.float64]]:
    return {
        "velocity": track.velocity - track.velocity.mean(),
        "share": track.articulation[:-1],
        "late": 1000.0 * (track.late - track.late.mean()),
    }


def _played(player: Expression, track: Played) -> Played:
    """Return the track as the layer plays it."""
    beat_ms = 60_000.0 / track.bpm
    notes: list[Note] = []
    for start in range(0, len(track.pitch), CALL_NOTES):
        part = slice(start, start + CALL_NOTES)
        notes += player.line(
            track.pitch[part].astype(np.int64), track.onset[part], track.length[part],
            bar_beats=track.bar_beats, beat_ms=beat_ms, style={track.style: 1.0},
            fresh=start == 0,
        )  # fmt: skip
    onset = np.array([note.onset_ms for note in notes]) / beat_ms
    held = np.array([note.duration_ms for note in notes]) / beat_ms
    velocity = np.array([note.velocity for note in notes], dtype=np.float64)
    late, share = onset - track.onset, held / track.length
    return Played(
        track.style, track.pitch, track.onset, track.length, velocity, share, late,
        track.bar_beats, track.bpm,
    )  # fmt: skip


def _compare(real: list[NDArray[np.float64]], ours: list[NDArray[np.float64]]) -> dict[str, Any]:
    found: dict[str, Any] = {"tracks": len(real)}
    for name, tracks in (("played", real), ("ours", ours)):
        found[name] = {
            "spread": round(float(np.mean([track.std() for track in tracks])), 3),
            "neighbours": round(float(np.mean([_neighbours(track) for track in tracks])), 3),
        }
    distance = ks_2samp(np.concatenate(real), np.concatenate(ours)).statistic
    found["ks"] = round(float(distance), 3)
    return found


def _neighbours(values: NDArray[np.float64]) -> float:
    if values.std() == 0:
        return 0.0
    return float(np.corrcoef(values[:-1], values[1:])[0, 1])


def main() -> None:
    """Run the study on a tune file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tunes", type=Path, metavar="TUNES.npz")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=SEED, default=0)
    args = parser.parse_args()
    expression(TuneSet.load(args.tunes), args.output, args.seed)


if __name__ == "__main__":
    main()
