"""How a corpus was played -> the tables of the performance layer (ours; docs/expression.md).

In: a tune file, of whose training tracks those that were played teach: velocity where it varies,
articulation where rests and releases are a player's, timing where onsets are. Styles that are only
written (scores) take the tables of all played ones together. Out: plain data for a manifest, under
50 kB; :mod:`streamer.expression.tables` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from streamer.expression.expression import Place, timing_classes, velocity_features
from streamer.expression.tables import (
    BEAT_TICKS,
    BPM_STEP,
    DEFAULT,
    LENGTH_EDGES,
    LEVELS,
    MEAN_BPM,
    VELOCITY_FEATURES,
    VERSION,
    StyleTable,
)
from streamer.families.tunes.codec import END, UNIT_PARTS
from training.families.tunes.tuneset import TuneSet

LEAST_TRACKS = 8
"""A style teaches what at least this many of its tracks show."""

PLAYED_VELOCITY_SD, PLAYED_VELOCITY_CHANGES = 5.0, 0.4
"""A track whose velocities spread less, steps, or change with a smaller share of its notes, was
not played: a score's dynamics stay until the next mark."""

OFF_GRID, OFF_GRID_SHARE = 0.01, 0.5
"""A track of which fewer notes lie further from the grid, quarters, is quantised."""

WRITTEN_SHARE = 0.6
"""A track of which more notes sound for exactly their length is a score."""

BORROWED_DRIFT = 0.35
"""Quantised styles drift in time by this share of what the played ones do; swing they have none."""

RIDGE = 20.0
"""Notes' worth of belief that an effect is 0."""

MEAN_VELOCITY = 76.0
"""Mean velocity of every style. What a level means differs from corpus to corpus (jazz is 80 by
construction, pop909's melodies are 101), and a stream should not jump between two conventions."""

MOST_RHO = 0.97
_FAR_MS = 120.0


@dataclass(frozen=True)
class Played:
    """One track in quarters.

    Attributes:
        style: Its label.
        pitch: ``(notes,)``, as all the following.
        onset: From a bar line.
        length: To the next onset; of the last note one unit.
        velocity: 1..127.
        articulation: Share of the length that sounds, 0..2.
        late: Deviation in quarters.
        bar_beats: Quarters in a bar.
        bpm: Quarters a minute.
    """

    style: str
    pitch: NDArray[np.float64]
    onset: NDArray[np.float64]
    length: NDArray[np.float64]
    velocity: NDArray[np.float64]
    articulation: NDArray[np.float64]
    late: NDArray[np.float64]
    bar_beats: float
    bpm: float

    @property
    def features(self) -> NDArray[np.float64]:
        """What velocity depends on, ``(notes, features)``."""
        return velocity_features(self.pitch, self.onset, self.length, self.bar_beats, Place())

    @property
    def dynamic(self) -> bool:
        """Whether its velocities are a player's."""
        changes = float((np.diff(self.velocity) != 0).mean())
        spread = float(self.velocity.std())
        return spread >= PLAYED_VELOCITY_SD and changes >= PLAYED_VELOCITY_CHANGES

    @property
    def articulated(self) -> bool:
        """Whether its releases are a player's."""
        return float((np.abs(self.articulation - 1.0) < 1e-3).mean()) < WRITTEN_SHARE

    @property
    def timed(self) -> bool:
        """Whether its onsets are a player's."""
        # About its middle: a grid that begins a little late is a grid.
        away = np.abs(self.late - np.median(self.late))
        return float((away > OFF_GRID).mean()) >= OFF_GRID_SHARE


def played_tracks(tunes: TuneSet, split: str = "train") -> list[Played]:
    """Return the tracks of a split in quarters."""
    found = []
    for index in tunes.indices(split):
        info, rows = tunes.tracks[index], tunes.rows(index)
        twelfths = rows["length"].astype(np.float64)
        length = np.where(rows["length"] == END, UNIT_PARTS, twelfths) * info.unit_beats
        length /= UNIT_PARTS
        position = rows["position"].astype(np.float64)
        found.append(
            Played(
                info.style,
                rows["pitch"].astype(np.float64),
                _onsets(length, position, info.metre),
                length,
                rows["velocity"].astype(np.float64),
                rows["articulation"].astype(np.float64),
                rows["deviation"].astype(np.float64),
                info.metre,
                info.bpm,
            )
        )
    return found


def _onsets(
    length: NDArray[np.float64], position: NDArray[np.float64], bar: float
) -> NDArray[np.float64]:
    """Return onsets that lie where in their bar each note was, though folding changed lengths."""
    onset = np.empty(len(length))
    at = float(position[0])
    for i, place in enumerate(position.tolist()):
        at += (place - at + bar / 2) % bar - bar / 2 if i else 0.0
        # Lengths that were folded far may step back; a quarter of a beat is the least step.
        at = max(at, onset[i - 1] + 0.01) if i else at
        onset[i] = at
        at += float(length[i])
    return onset


def fit_expression(tunes: TuneSet) -> dict[str, Any]:
    """Return the tables of each style and of all together, as a manifest's ``expression``.

    Args:
        tunes: Its training tracks teach.

    Returns:
        Plain data; empty where no track was played with any dynamics.
    """
    tracks = played_tracks(tunes)
    dynamic = [track for track in tracks if track.dynamic]
    if not dynamic:
        return {}
    default = _fit(tracks, tracks)
    timed = [track for track in tracks if track.timed]
    if len(timed) < len(tracks):
        # One table for all is straight: swing is a style's own.
        nothing = np.zeros(len(BEAT_TICKS) + 1)
        default = replace(
            default,
            timing_level=nothing,
            timing_slope=nothing,
            timing_sd=BORROWED_DRIFT * default.timing_sd,
        )
    styles = {DEFAULT: default}
    for style in tunes.styles:
        mine = [track for track in tracks if track.style == style]
        if mine:
            styles[style] = _fit(mine, tracks, default)
    return {
        "version": VERSION,
        "styles": {name: table.to_dict() for name, table in styles.items()},
    }


def _fit(
    mine: Sequence[Played], everyone: Sequence[Played], default: StyleTable | None = None
) -> StyleTable:
    """Fit one table; what ``mine`` do not show comes from ``default``, or else from everyone."""
    values: dict[str, Any] = {}
    dynamic = [track for track in mine if track.dynamic]
    if default is not None and len(dynamic) < LEAST_TRACKS:
        for name in ("mean", "effects", "offset", "sd", "rho"):
            values[f"velocity_{name}"] = getattr(default, f"velocity_{name}")
    else:
        values |= _velocity(dynamic)
    articulated = [track for track in mine if track.articulated]
    if default is not None and len(articulated) < LEAST_TRACKS:
        values["articulation"] = default.articulation
        values["articulation_rho"] = default.articulation_rho
    else:
        values |= _articulation(articulated or list(everyone))
    timed = [track for track in mine if track.timed]
    if default is not None and len(timed) < LEAST_TRACKS:
        for name in ("level", "slope", "sd", "rho"):
            values[f"timing_{name}"] = getattr(default, f"timing_{name}")
    else:
        values |= _timing(timed)
    return StyleTable(**values)


def _velocity(tracks: Sequence[Played]) -> dict[str, Any]:
    features = [track.features for track in tracks]
    x = np.concatenate(features)
    y = np.concatenate([track.velocity - track.velocity.mean() for track in tracks])
    gram = x.T @ x + RIDGE * np.eye(len(VELOCITY_FEATURES))
    effects = np.linalg.solve(gram, x.T @ y)
    residuals = []
    for part, track in zip(features, tracks, strict=True):
        left = track.velocity - part @ effects
        residuals.append(left - left.mean())
    return {
        "velocity_mean": MEAN_VELOCITY,
        "velocity_effects": effects,
        "velocity_offset": float((x @ effects).mean()),
        "velocity_sd": float(np.concatenate(residuals).std()),
        "velocity_rho": _rho(residuals),
    }


def _articulation(tracks: Sequence[Played]) -> dict[str, Any]:
    shares = [track.articulation[:-1] for track in tracks]
    classes = [np.searchsorted(LENGTH_EDGES, track.length[:-1], side="right") for track in tracks]
    share, kind = np.concatenate(shares), np.concatenate(classes)
    table = np.empty((len(LENGTH_EDGES) + 1, len(LEVELS)))
    scores = np.empty(len(share))
    for index in range(len(table)):
        here = np.flatnonzero(kind == index)
        values = share[here] if len(here) >= len(LEVELS) else share
        table[index] = np.quantile(values, LEVELS)
        order = np.argsort(np.argsort(share[here], kind="stable"), kind="stable")
        scores[here] = ndtri((order + 0.5) / max(1, len(here)))
    bounds = np.cumsum([0, *(len(part) for part in shares)])
    parts = [scores[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return {"articulation": table, "articulation_rho": _rho(parts)}


def _timing(tracks: Sequence[Played]) -> dict[str, Any]:
    size = len(BEAT_TICKS) + 1
    if not tracks:
        nothing = np.zeros(size)
        return {
            "timing_level": nothing, "timing_slope": nothing, "timing_sd": 0.0, "timing_rho": 0.0,
        }  # fmt: skip
    classes = [timing_classes(track.onset) for track in tracks]
    kind = np.concatenate(classes)
    late = np.concatenate([track.late for track in tracks])
    tempo = np.concatenate(
        [np.full(len(track.late), (track.bpm - MEAN_BPM) / BPM_STEP) for track in tracks]
    )
    level, slope = np.zeros(size), np.zeros(size)
    for index in range(size):
        here = kind == index
        if here.sum() >= 20:
            x = np.stack([np.ones(int(here.sum())), tempo[here]], axis=1)
            gram = x.T @ x + RIDGE * np.diag([0.0, 1.0])
            level[index], slope[index] = np.linalg.solve(gram, x.T @ late[here])
    residuals = []
    for part, track in zip(classes, tracks, strict=True):
        step = (track.bpm - MEAN_BPM) / BPM_STEP
        left = (track.late - level[part] - step * slope[part]) * 60_000.0 / track.bpm
        residuals.append(np.clip(left - left.mean(), -_FAR_MS, _FAR_MS))
    return {
        # A line that is late as a whole is not late: alone, it is the beat.
        "timing_level": level - level[0],
        "timing_slope": slope - slope[0],
        "timing_sd": float(np.concatenate(residuals).std()),
        "timing_rho": _rho(residuals),
    }


def _rho(series: Sequence[NDArray[np.float64]]) -> float:
    """Return the correlation of neighbours within the series, each about its mean, 0..0.97."""
    long = [one - one.mean() for one in series if len(one) > 1]
    if not long:
        return 0.0
    before = np.concatenate([one[:-1] for one in long])
    after = np.concatenate([one[1:] for one in long])
    spread = float(before.std() * after.std())
    together = float(((before - before.mean()) * (after - after.mean())).mean())
    return float(np.clip(together / spread, 0.0, MOST_RHO)) if spread else 0.0
