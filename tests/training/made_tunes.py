"""Tunes for tests of the melody families: scales in even time, in two styles told apart by step."""

from __future__ import annotations

import numpy as np

from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet


def made_tunes(tracks: int = 20, notes: int = 48) -> TuneSet:
    """Return a corpus; the last quarter of its tracks is held out.

    ``up`` climbs by whole tones in quavers, ``down`` falls by semitones with every fourth note
    long. No two tracks are of equal length.
    """
    rows, infos = [], []
    for i in range(tracks):
        style = ("down", "up")[i % 2]
        row = np.zeros(notes + i, dtype=TRACK_DTYPE)
        step = np.arange(len(row))
        if style == "up":
            row["pitch"], row["length"] = 60 + (2 * step + i) % 12, 12
        else:
            row["pitch"], row["length"] = 71 - (step + i) % 12, np.where(step % 4 == 3, 24, 12)
        row["length"][-1], row["velocity"], row["articulation"] = 0, 64, 1.0
        split = "valid" if i >= 3 * tracks // 4 else "train"
        rows.append(row)
        infos.append(
            TuneInfo(f"{i}.mid", "made", f"work{i}", "", split, style, i % 16, 0.5, 100, 4, "1")
        )
    return TuneSet.from_tracks(rows, infos)
