"""Played onsets -> the rhythm a listener would write down.

A player's onsets, snapped to the nearest twelfth of a beat, are dozens of different lengths in one
solo: the micro-timing, not the rhythm. Here each beat is heard as divided in 1, 2, 3, 4, 6 or 12,
whichever explains its onsets best at the least complication; two and four parts are swung as the
piece is. What is left over is the deviation, which the performance layer learns from.

The idea, one division a beat weighed by error and simplicity, is common in jazz research; weights
and swing are ours.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PARTS = 12
"""Every division's points lie on twelfths of a beat."""

SPREAD = 0.07
"""Standard deviation of a player's onsets about the point meant, beats."""

_PENALTIES = {1: 0.0, 2: 0.3, 4: 2.0, 3: 2.5, 6: 6.0, 12: 12.0}
"""What dividing a beat costs, in squared standard deviations."""

_EARLY = 0.12
"""A note may be heard as the next beat's only if no other follows that beat so soon, beats."""

_SWING_LOW, _SWING_HIGH, _SWING_LEAST = 0.5, 0.7, 8


def swing_of(onset: NDArray[np.float64]) -> float:
    """Return where the second half of a beat is played, 0.5 (straight) .. 0.7, in beats.

    Beats with one note at their start and one other tell; with fewer than eight it is 0.5.
    """
    beat = np.floor(onset + 0.1).astype(np.int64)
    phase = onset - beat
    first = np.flatnonzero(np.diff(beat, prepend=beat[:1] - 1))
    pairs = first[np.diff(np.append(first, len(beat))) == 2]
    second = phase[pairs + 1][(phase[pairs] < 0.2)]
    second = second[(second > 0.42) & (second < 0.78)]
    if len(second) < _SWING_LEAST:
        return _SWING_LOW
    return float(np.clip(np.median(second), _SWING_LOW, _SWING_HIGH))


def written_onsets(onset: NDArray[np.float64], swing: float | None = None) -> NDArray[np.float64]:
    """Return where each onset is meant, on twelfths of a beat, strictly ascending.

    Args:
        onset: Played onsets in beats, ascending, ``(notes,)``.
        swing: See :func:`swing_of`, which says it when it is not given.
    """
    swing = swing_of(onset) if swing is None else swing
    grids = {parts: _points(parts, swing) for parts in _PENALTIES}
    beat = np.floor(onset).astype(np.int64)
    starts = np.flatnonzero(np.diff(beat, prepend=beat[:1] - 1)).tolist()
    ticks: list[int] = []
    last = -math.inf
    for start, stop in zip(starts, [*starts[1:], len(onset)], strict=True):
        base = int(beat[start])
        phases = (onset[start:stop] - base).tolist()
        after = float(onset[stop]) - base - 1 if stop < len(onset) else math.inf
        least = last - base * PARTS
        best: tuple[float, list[int]] | None = None
        for parts, penalty in _PENALTIES.items():
            found = _assign(phases, *grids[parts], least, after > _EARLY)
            if found and (best is None or found[0] + penalty < best[0]):
                best = found[0] + penalty, found[1]
        chosen = best[1] if best else _in_order(phases, least)
        ticks.extend(base * PARTS + tick for tick in chosen)
        last = ticks[-1]
    return np.asarray(ticks, dtype=np.float64) / PARTS


def _points(parts: int, swing: float) -> tuple[list[float], list[int]]:
    """Return where the points of a division are played, next beat included, and their ticks."""
    ticks = [i * PARTS // parts for i in range(parts + 1)]
    if parts not in (2, 4):
        return [tick / PARTS for tick in ticks], ticks
    played = [
        2 * swing * t / PARTS if 2 * t <= PARTS else 1 - 2 * (1 - swing) * (1 - t / PARTS)
        for t in ticks
    ]
    return played, ticks


def _assign(
    phases: list[float], played: list[float], ticks: list[int], least: float, early: bool
) -> tuple[float, list[int]] | None:
    """Return the squared error of the nearest points in order, and their ticks; None if too few."""
    error, found = 0.0, []
    stop = len(ticks) if early else len(ticks) - 1
    at = 0
    for phase in phases:
        while at < stop and ticks[at] <= least:
            at += 1
        while at + 1 < stop and abs(played[at + 1] - phase) <= abs(played[at] - phase):
            at += 1
        if at >= stop:
            return None
        error += ((played[at] - phase) / SPREAD) ** 2
        found.append(ticks[at])
        at += 1
    return error, found


def _in_order(phases: list[float], least: float) -> list[int]:
    """Return the next free ticks: for runs faster than any division."""
    found: list[int] = []
    for phase in phases:
        tick = max(math.floor(phase * PARTS), found[-1] + 1 if found else -(10**9))
        found.append(int(max(tick, least + 1)) if least > -math.inf else tick)
    return found
