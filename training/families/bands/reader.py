"""MIDI files -> one band file: what ``perpetuo prepare bands`` does ([Valenti2020], section 4.1).

Files are found as for any corpus (:mod:`training.corpora.sources`), read in quarter notes
(:mod:`streamer.midi.beatfile`), chosen by path and licence, held against the paper's conditions,
their tracks given roles by channel and programme, and split by composition
(:mod:`training.corpora.works`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.families.bands.bandfile import Take, band_of
from streamer.families.bands.bandfile import track_roles as track_roles
from streamer.families.bands.codec import PITCHES, BandCodec, States
from streamer.midi.beatfile import BeatPiece
from training.corpora.reading import (
    FileOptions,
    FoundFile,
    Progress,
    Record,
    Refused,
    no_progress,
    read_files,
    with_splits,
)
from training.corpora.recipes import FREE_LICENCES
from training.corpora.splits import SPLITS
from training.families.bands.bandset import (
    BAR_STEPS,
    STEPS_PER_BEAT,
    BandInfo,
    BandSet,
    cut_windows,
)

BAND_LICENCES = (*FREE_LICENCES, "artistic*")
"""Taken unless others are asked for, as is a file whose corpus states none."""

WINDOW_BARS = (2, 16)
"""Windows that the report counts."""


@dataclass(frozen=True)
class BandOptions(FileOptions):
    """Which files are taken, and what of them.

    Unless licences are asked for, :data:`BAND_LICENCES` and files without a stated one are taken.

    Attributes:
        tags: Columns of the labels that hold genres, several in one parted by ``;``.
        takes: Of a file with several bass or harmony tracks, the paper takes every combination;
            here at most this many, the fullest first.
    """

    tags: tuple[str, ...] = ("genre",)
    takes: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.takes < 1:
            raise ValueError(f"takes must be 1 or more, not {self.takes}")


@dataclass
class _Found(Record):
    songs: list[States] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    kept: int = 0
    takes_left_out: int = 0
    seen: set[bytes] = field(default_factory=set)


def read_bands(
    sources: Sequence[Path],
    options: BandOptions = BandOptions(),
    *,
    progress: Progress = no_progress,
) -> BandSet:
    """Read corpora into a band set.

    Args:
        sources: Folders, archives or files. Of copies the first is kept.
        options: What to take.
        progress: Called with the files read and the files found.

    Raises:
        DataError: A source cannot be read, or nothing in any of them is a band.
    """
    found = _Found()
    read_files(sources, lambda file: _take(file, options, found), found, progress)
    if not found.songs:
        raise found.nothing(sources, "four-track song in 4/4")
    infos = with_splits(BandInfo, found.infos, options)
    bands = BandSet.from_songs(found.songs, infos)
    bands.report.update(_report(found, bands, options))
    return bands


def _take(source: FoundFile, options: BandOptions, found: _Found) -> None:
    """Read one file into ``found`` (:class:`Refused` and what keeps it from being read)."""
    licence = source.licence or options.licence
    options.check_path(source.file)
    options.check_licence(licence, BAND_LICENCES if licence else ("",))
    songs, bpm = _songs(source.beats(), options, found)
    found.kept += 1
    common = {
        "file": source.file,
        "corpus": source.corpus,
        "work_key": source.work_key,
        "licence": licence,
        "bpm": bpm,
        "tags": _tags(source.labels, options.tags),
    }
    for number, take in enumerate(songs):
        notes = tuple(int(n) for n in (take.states < PITCHES).sum(axis=0))
        found.songs.append(take.states)
        found.infos.append({**common, "programs": take.programs, "notes": notes, "take": number})


def _tags(row: Mapping[str, str], columns: Sequence[str]) -> tuple[str, ...]:
    found = (tag.strip().casefold() for c in columns for tag in row.get(c, "").split(";"))
    return tuple(dict.fromkeys(tag for tag in found if tag))


def _songs(piece: BeatPiece, options: BandOptions, found: _Found) -> tuple[list[Take], float]:
    """Return the combinations of a file's tracks that no file before it has, and its tempo."""
    band = band_of(piece, options.takes)
    songs = []
    for take in band.takes:
        digest = hashlib.sha256(take.states.tobytes()).digest()
        if digest not in found.seen:
            found.seen.add(digest)
            songs.append(take)
    if not songs:
        raise Refused("duplicate", "the same states as another file")
    found.takes_left_out += max(band.combinations - options.takes, 0)
    return songs, band.bpm


def _report(found: _Found, bands: BandSet, options: BandOptions) -> dict[str, Any]:
    splits: dict[str, Any] = {}
    dropped: dict[str, dict[str, int]] = {}
    for bars in WINDOW_BARS:
        codec = BandCodec(STEPS_PER_BEAT, bars * BAR_STEPS)
        counts: Counter[str] = Counter()
        for split in SPLITS:
            mine = bands.indices(split)
            windows = cut_windows(bands, mine, codec)
            counts.update(windows.dropped)
            row = splits.setdefault(
                split,
                {
                    "songs": len({(bands.pieces[i].corpus, bands.pieces[i].file) for i in mine}),
                    "takes": len(mine),
                    "works": len({bands.pieces[i].work_key for i in mine}),
                },
            )
            row[f"windows of {bars} bars"] = len(windows)
        dropped[f"{bars} bars"] = dict(sorted(counts.items()))
    songs = [piece for piece in bands.pieces if piece.take == 0]
    return {
        "files": found.files,
        "kept": found.kept,
        "takes_left_out": found.takes_left_out,
        "splits": splits,
        "windows_left_out": dropped,
        "genres": dict(Counter(tag for s in songs for tag in s.tags).most_common()),
        "untagged": sum(not s.tags for s in songs),
        **found.report((song.licence for song in songs), options),
    }
