"""What is to be heard: excerpts of files and of bundles, as notes on channels.

In: a bundle's name or path, a folder of MIDI files, one file. Out: so many excerpts of so many
seconds each, drums and programs kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamer.errors import DataError, MidiFileError
from streamer.midi.messages import CHANNELS, DRUM_CHANNEL
from streamer.midi.ticks import read_ticks
from streamer.music.notes import Note, ProgramChange
from training.corpora.sources import MIDI_SUFFIXES
from training.evaluation.asked import is_bundle

LEAST_NOTES = 4
"""An excerpt with fewer says nothing."""


@dataclass(frozen=True)
class Excerpt:
    """A stretch of music.

    Attributes:
        source: Where it comes from, for the key: a file's name, or a bundle and its seed.
        notes: Sorted by onset; onsets in ms from the excerpt's start.
        programs: One for each channel that plays, at its start.
    """

    source: str
    notes: tuple[Note, ...]
    programs: tuple[ProgramChange, ...]


def excerpts_of(source: str, count: int, seconds: float, seed: int) -> list[Excerpt]:
    """Return excerpts of a source.

    Args:
        source: Name or path of a bundle, which is rendered; or a folder or file of MIDI.
        count: At most so many.
        seconds: Length of each.
        seed: The first that a bundle is rendered with.

    Raises:
        DataError: There is nothing of the kind, or fewer than ``count`` excerpts in it.
        BundleError: It is a bundle that cannot be used.
    """
    path = Path(source)
    if is_bundle(path):
        return [_rendered(source, seconds, seed + i) for i in range(count)]
    if not path.exists():
        raise DataError(f"{source}: there is no such folder, file or bundle")
    found: list[Excerpt] = []
    problems: list[str] = []
    for file in _evenly(_files(path), count):
        try:
            found.append(excerpt_of(file, seconds))
        except (MidiFileError, DataError) as error:
            problems.append(str(error))
    if len(found) < count:
        first = f" (one cannot be used: {problems[0]})" if problems else ""
        raise DataError(
            f"{source}: {len(found)} files to be heard, and {count} pairs want {count}; give more "
            f"files, or fewer --pairs{first}"
        )
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(f for f in path.rglob("*") if f.suffix.lower() in MIDI_SUFFIXES and f.is_file())


def _evenly(files: list[Path], count: int) -> list[Path]:
    if len(files) <= count:
        return files
    return [files[i] for i in np.linspace(0, len(files) - 1, count).round().astype(int)]


def excerpt_of(path: Path, seconds: float) -> Excerpt:
    """Read an excerpt of a file: from its first note, or from its middle if it is far longer.

    Raises:
        MidiFileError: It cannot be read.
        DataError: Too few notes begin there.
    """
    piece = read_ticks(path)
    columns = piece.notes
    onset, end = piece.tempo.to_ms(columns.start), piece.tempo.to_ms(columns.end)
    length_ms = seconds * 1000.0
    first, last = float(onset.min()), float(end.max())
    start = first if last - first < 2 * length_ms else (first + last - length_ms) / 2
    kept = np.flatnonzero((onset >= start) & (onset < start + length_ms))
    if len(kept) < LEAST_NOTES:
        raise DataError(f"{path}: {len(kept)} notes in {seconds:g} s; {LEAST_NOTES} are the least")
    kept = kept[np.argsort(onset[kept], kind="stable")]
    notes: list[Note] = []
    programs: dict[int, ProgramChange] = {}
    for i in kept.tolist():
        drums = bool(columns.drums[i])
        channel = DRUM_CHANNEL if drums else int(columns.address[i]) % CHANNELS
        at = float(onset[i]) - start
        held = min(float(end[i]) - float(onset[i]), length_ms - at)
        notes.append(
            Note(int(columns.pitch[i]), at, max(held, 1.0), int(columns.velocity[i]),
                 bool(columns.pedal[i]), channel, drums)
        )  # fmt: skip
        programs.setdefault(channel, ProgramChange(0.0, channel, int(columns.program[i])))
    return Excerpt(path.name, tuple(notes), tuple(programs.values()))


def _rendered(source: str, seconds: float, seed: int) -> Excerpt:
    from streamer.offline.render import render

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "excerpt.mid"
        # A rest may stand before the first note, and the excerpt begins with that.
        render(source, path, seconds + 10.0, seed=seed)
        return replace(excerpt_of(path, seconds), source=f"{Path(source).name} seed {seed}")


def names_of(labels: Iterable[str], sources: Iterable[str]) -> list[str]:
    """Return a name for each source, no two alike: its label, or what its path ends with."""
    names: list[str] = []
    for label, source in zip(labels, sources, strict=True):
        base = name = label or Path(source).name or source
        number = 2
        while name in names:
            name, number = f"{base} {number}", number + 1
        names.append(name)
    return names
