"""What long streams are like, minute by minute: `python -m tests.minute_figures FILE.mid [...]`.

Reads rendered files and prints a row of a table of docs/scenes.md for each: over all whole minutes
the middle one and the worst, the longest rest, keys a semitone apart among those that sound
together, how often the set of pitch classes moves, and whether the music runs in a circle. By hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.measures.repetition import longest_repeat, loop_period
from streamer.midi.midifile import read_midi
from streamer.midi.ticks import NO_LIMITS
from streamer.music.notes import NoteArray
from streamer.music.scales import OCTAVE

MINUTE_MS = 60_000.0
LOOP_NOTES = 20_000
CLASSES = 5
"""Pitch classes of one set: those of a pentatonic scale."""


def by_minute(notes: NoteArray) -> dict[str, NDArray[np.float64]]:
    """Return figures of each whole minute, ``(minutes,)`` each, by name.

    Args:
        notes: Of a stream, sorted by onset, from its beginning.
    """
    onset = notes["onset_ms"]
    count = int(onset[-1] // MINUTE_MS)
    edges = np.searchsorted(onset, np.arange(count + 1) * MINUTE_MS)
    rows = [notes[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    gaps = np.diff(onset)
    together, apart = semitones(notes)
    minute = (onset // MINUTE_MS).astype(np.int64)
    pairs = np.bincount(minute, together, minlength=count)[:count]
    clashes = np.bincount(minute, apart, minlength=count)[:count]
    return {
        "notes_per_second": np.diff(edges) / (MINUTE_MS / 1000.0),
        "velocity": np.array([row["velocity"].mean() if len(row) else 0.0 for row in rows]),
        "pedal": np.array([row["pedal"].mean() if len(row) else 0.0 for row in rows]),
        "span": np.array([np.ptp(row["pitch"]) if len(row) else 0.0 for row in rows]),
        "rest_s": np.array([gaps[max(a - 1, 0) : b].max(initial=0) for a, b in
                            zip(edges[:-1], edges[1:], strict=True)]) / 1000.0,
        "semitones": 100.0 * clashes / np.maximum(pairs, 1),
        "pairs": pairs.astype(np.float64),
    }  # fmt: skip


def semitones(notes: NoteArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return of each note how many keys sound as it begins, and how many a semitone from it."""
    together, apart = np.zeros(len(notes), np.int64), np.zeros(len(notes), np.int64)
    sounding: list[tuple[float, int]] = []
    ends = (notes["onset_ms"] + notes["duration_ms"]).tolist()
    onsets, pitches = notes["onset_ms"].tolist(), notes["pitch"].tolist()
    for i, (at, end, pitch) in enumerate(zip(onsets, ends, pitches, strict=True)):
        sounding = [one for one in sounding if one[0] > at and one[1] != pitch]
        together[i] = len(sounding)
        apart[i] = sum(abs(other - pitch) == 1 for _, other in sounding)
        sounding.append((end, pitch))
    return together, apart


def moves(notes: NoteArray, most: int = CLASSES) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how long each set of pitch classes holds, s, and how many of the next are new.

    A set begins with the first note that would be one class too many for the set before.

    Args:
        notes: Sorted by onset.
        most: Classes of a set.
    """
    held: set[int] = set()
    sets, since = [], [float(notes["onset_ms"][0])]
    for at, pitch in zip(notes["onset_ms"].tolist(), notes["pitch"].tolist(), strict=True):
        found = pitch % OCTAVE
        if found not in held and len(held) == most:
            sets.append(held)
            since.append(at)
            held = set()
        held = held | {found}
    sets.append(held)
    new = [len(after - before) for before, after in zip(sets[:-1], sets[1:], strict=True)]
    return np.diff(since) / 1000.0, np.array(new, dtype=np.int64)


def row(path: Path) -> str:
    """Return the row of a file."""
    notes = read_midi(path, NO_LIMITS)
    found = by_minute(notes)

    def spread(name: str, digits: int) -> str:
        low, middle, high = np.quantile(found[name], (0.0, 0.5, 1.0))
        return f"{middle:.{digits}f} ({low:.{digits}f}..{high:.{digits}f})"

    lasted, new = moves(notes)
    share = 100.0 * (found["semitones"] * found["pairs"]).sum() / 100.0 / found["pairs"].sum()
    low, middle, high = np.quantile(lasted, (0.05, 0.5, 0.95)) if len(lasted) else (0.0, 0.0, 0.0)
    changed = np.bincount(new, minlength=CLASSES + 1)
    circle = loop_period(notes["pitch"][-LOOP_NOTES:].astype(np.int64))
    return (
        f"| `{path.stem}` | {len(found['rest_s']) / 60:.1f} h, {len(notes)} "
        f"| {spread('notes_per_second', 2)} | {spread('velocity', 0)} | {spread('pedal', 2)} "
        f"| {spread('span', 0)} | {found['rest_s'].max():.1f} "
        f"| {share:.2f} ({found['semitones'].max():.1f}) "
        f"| {len(new)}: {middle:.0f} ({low:.0f}..{high:.0f}), {changed[1:].tolist()} "
        f"| {circle}, {longest_repeat(notes['pitch'])} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.mid")
    for path in parser.parse_args().files:
        sys.stdout.write(f"{row(path)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
