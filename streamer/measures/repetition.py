"""Does a figure come back, and does the music run in a circle? Measures on note arrays.

The stream's filters and ``perpetuo evaluate`` share these functions; numpy only. A *figure* is a
run of ``length`` consecutive pitches in the order of (onset, pitch). Real piano music brings some
of its figures back within minutes; recurrent models seldom do, and broken ones do nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.music.notes import NoteArray

FIGURE_NOTES = 8
"""Notes in a figure."""

FIGURE_WINDOW_S = 300.0
"""How far back a figure may lie to count as remembered, seconds."""

RETURN_NOTES = 512
"""How far back a figure may lie for its notes to count as returning, notes."""


def figure_codes(symbols: NDArray[Any], length: int = FIGURE_NOTES) -> NDArray[np.int64]:
    """Number the runs of ``length`` symbols: equal numbers for equal runs, exactly.

    Pairs of numbers are numbered again and again, doubling the length each time, so that no
    hash can collide. Near-linear.

    Args:
        symbols: ``(n,)`` integers >= 0.
        length: Symbols in a run, at least 1.

    Returns:
        ``(n - length + 1,)`` int64, or an empty array when there are fewer symbols.

    Raises:
        ValueError: ``length`` is below 1.
    """
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}")
    codes = np.asarray(symbols, dtype=np.int64)
    if len(codes) < length:
        return np.zeros(0, dtype=np.int64)
    have = 1
    while have < length:
        step = min(have, length - have)
        pair = codes[:-step] * (int(codes.max()) + 1) + codes[step:]
        codes = np.unique(pair, return_inverse=True)[1].astype(np.int64)
        have += step
    return codes


def previous_equal(codes: NDArray[np.int64], least: int = 1) -> NDArray[np.int64]:
    """Return for each position the nearest earlier one with the same code, ``least`` or more back.

    Args:
        codes: ``(n,)`` integers.
        least: The smallest distance that counts, at least 1.

    Returns:
        ``(n,)`` int64 positions, -1 where there is none.
    """
    n = len(codes)
    found = np.full(n, -1, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    # Among equal codes, positions ascend: look up the last one at or before position - least.
    key = ordered * (n + 1) + order
    target = ordered * (n + 1) + order - least
    at = np.searchsorted(key, target, side="right") - 1
    good = (at >= 0) & (order >= least)
    good[good] &= ordered[at[good]] == ordered[good]
    found[order[good]] = order[at[good]]
    return found


def _came_before(notes: NoteArray, length: int) -> NDArray[np.int64]:
    """Return for each figure where its pitches came last, without overlap; -1 where nowhere."""
    return previous_equal(figure_codes(notes["pitch"], length), length)


def figure_return_flags(
    notes: NoteArray, length: int = FIGURE_NOTES, window_s: float = FIGURE_WINDOW_S
) -> NDArray[np.bool_]:
    """Tell for each figure whether the same pitches came before, without overlap, in the window.

    Args:
        notes: A note array sorted by (onset, pitch).
        length: Notes in a figure.
        window_s: How far back to look, from first onset to first onset, seconds.

    Returns:
        ``(len(notes) - length + 1,)`` booleans, empty for shorter pieces.
    """
    before = _came_before(notes, length)
    onset = notes["onset_ms"][: len(before)]
    recent = onset - onset[np.maximum(before, 0)] <= window_s * 1000.0
    return np.asarray((before >= 0) & recent)


def figure_return_share(
    notes: NoteArray, length: int = FIGURE_NOTES, window_s: float = FIGURE_WINDOW_S
) -> float:
    """Return the share, 0..1, of figures that come back; NaN for a piece without any figure."""
    flags = figure_return_flags(notes, length, window_s)
    return float(flags.mean()) if len(flags) else float("nan")


def returning_notes(
    notes: NoteArray, length: int = FIGURE_NOTES, reach: int = RETURN_NOTES
) -> NDArray[np.bool_]:
    """Tell of each note whether it lies in a figure whose pitches came before, without overlap.

    Args:
        notes: A note array sorted by (onset, pitch).
        length: Notes in a figure.
        reach: How far back to look, from first note to first note, in notes.

    Returns:
        ``(len(notes),)`` booleans.
    """
    before = _came_before(notes, length)
    place = np.arange(len(before))
    starts = place[(before >= 0) & (place - before <= reach)]
    found = np.zeros(len(notes), dtype=bool)
    found[(starts[:, None] + np.arange(length)).ravel()] = True
    return found


def longest_repeat(symbols: NDArray[Any], overlap: bool = False) -> int:
    """Return the length of the longest run of symbols that occurs twice.

    Args:
        symbols: ``(n,)`` integers >= 0.
        overlap: Whether the two occurrences may overlap; a loop then counts in full.

    Returns:
        Symbols in common, 0 when nothing occurs twice. Near-linear by doubling and bisection.
    """
    values = np.asarray(symbols, dtype=np.int64)

    def repeats(length: int) -> bool:
        codes = figure_codes(values, length)
        return bool((previous_equal(codes, 1 if overlap else length) >= 0).any())

    low, high = 0, len(values) // 2 if not overlap else len(values) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if repeats(middle):
            low = middle
        else:
            high = middle - 1
    return max(low, 0)


def loop_period(symbols: NDArray[Any], longest: int = 256, share: float = 0.95) -> int:
    """Return the shortest period at which a sequence repeats itself, 0 when it does not loop.

    Args:
        symbols: ``(n,)`` values, the notes' pitches for instance.
        longest: Periods are tried from 1 up to this and to half the sequence.
        share: How many of the symbols must equal the one a period earlier, 0..1.
    """
    values = np.asarray(symbols)
    for period in range(1, min(longest, len(values) // 2) + 1):
        if float((values[period:] == values[:-period]).mean()) >= share:
            return period
    return 0
