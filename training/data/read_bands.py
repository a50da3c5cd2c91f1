"""MIDI files -> one band file: what ``perpetuo prepare --bands`` does (paper 004, section 4.1).

Files are found as for any corpus (sources.py), read in quarter notes (:mod:`streamer.beatfile`),
chosen by path and licence, held against the paper's conditions, their tracks given roles by channel
and programme, and split by composition (works.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from streamer.bandfile import Take, band_of
from streamer.bandfile import track_roles as track_roles
from streamer.bands import PITCHES, BandCodec, States
from streamer.beatfile import BeatPiece, parse_beats
from streamer.errors import DataError, MidiFileError
from streamer.midifile import DEFAULT_LIMITS
from training.data.bands import BAR_STEPS, STEPS_PER_BEAT, BandInfo, BandSet, cut_windows
from training.data.recipes import FREE_LICENCES
from training.data.sources import Job, Labels, corpus_of, find_jobs
from training.data.tensors import SPLITS
from training.data.works import split_works, work_key

BAND_LICENCES = (*FREE_LICENCES, "artistic*")
"""Taken unless others are asked for, as is a file whose corpus states none."""

WINDOW_BARS = (2, 16)
"""Windows that the report counts."""


@dataclass(frozen=True)
class BandOptions:
    """Which files are taken, and how they are split.

    Attributes:
        seed: Of the split.
        valid: Share of the compositions for validation, 0..1.
        test: Share for the last test, 0..1.
        include: Shell patterns of paths inside the corpus; none takes all.
        exclude: Shell patterns of files to leave out.
        licences: Shell patterns of licences to take; none takes :data:`BAND_LICENCES` and files
            without a stated one.
        licence: What is written down for a file whose labels state none.
        tags: Columns of the labels that hold genres, several in one parted by ``;``.
        takes: Of a file with several bass or harmony tracks, the paper takes every combination;
            here at most so many, the fullest first.
    """

    seed: int = 0
    valid: float = 0.1
    test: float = 0.1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""
    tags: tuple[str, ...] = ("genre",)
    takes: int = 4

    def __post_init__(self) -> None:
        split_works((), self.seed, self.valid, self.test)
        if self.takes < 1:
            raise ValueError(f"takes must be 1 or more, not {self.takes}")


class _Refused(Exception):
    """A file that is no band: reason, text."""


@dataclass
class _Found:
    songs: list[States] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    takes_left_out: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)


def read_bands(
    sources: Sequence[Path],
    options: BandOptions = BandOptions(),
    *,
    progress: Callable[[int, int], None] = lambda done, found: None,
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
    for source in dict.fromkeys(sources):
        labels: Labels = {}
        jobs = list(find_jobs(source, DEFAULT_LIMITS.file_bytes, labels))
        for number, job in enumerate(sorted(jobs, key=lambda job: job.file), start=1):
            _take(job, labels, options, found)
            progress(number, len(jobs))
    if not found.songs:
        counts = ", ".join(f"{n} {reason}" for reason, n in sorted(found.reasons.items()))
        where = ", ".join(map(str, sources))
        raise DataError(f"{where}: no four-track song in 4/4 ({counts or 'no MIDI file there'})")
    works = split_works(
        [info["work_key"] for info in found.infos], options.seed, options.valid, options.test
    )
    infos = [BandInfo(**info, split=works[info["work_key"]]) for info in found.infos]
    bands = BandSet.from_songs(found.songs, infos)
    bands.report.update(_report(found, bands, options))
    return bands


def _take(job: Job, labels: Labels, options: BandOptions, found: _Found) -> None:
    """Read one file into ``found``, or say there why not."""
    row = labels.get(job.file, {})
    corpus, file = corpus_of(job.source, job.file, labels)
    licence = row.get("licence") or row.get("license") or options.licence
    found.files += 1
    try:
        _choose(file, licence, options)
        data = job.data if job.data is not None else job.path.read_bytes() if job.path else b""
        piece = parse_beats(data, file)
        songs, bpm = _songs(piece, options, found)
    except (_Refused, MidiFileError, OSError) as error:
        reason, text = _told(error)
        found.reasons[reason] += 1
        found.skipped.append({"corpus": corpus, "file": file, "reason": reason, "text": text})
        return
    found.kept += 1
    common = {
        "file": file,
        "corpus": corpus,
        "work_key": work_key(corpus, file, row),
        "licence": licence,
        "bpm": bpm,
        "tags": _tags(row, options.tags),
    }
    for number, take in enumerate(songs):
        notes = tuple(int(n) for n in (take.states < PITCHES).sum(axis=0))
        found.songs.append(take.states)
        found.infos.append({**common, "programs": take.programs, "notes": notes, "take": number})


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, _Refused):
        reason, text = error.args
        return reason, text
    return getattr(error, "reason", "unreadable"), str(error)


def _choose(file: str, licence: str, options: BandOptions) -> None:
    """Refuse a file by its path or licence."""
    if options.include and not any(fnmatch(file, pattern) for pattern in options.include):
        raise _Refused("not-chosen", "no pattern of --include matches")
    if any(fnmatch(file, pattern) for pattern in options.exclude):
        raise _Refused("not-chosen", "a pattern of --exclude matches")
    wanted = options.licences or (BAND_LICENCES if licence else ("",))
    if not any(fnmatch(licence.casefold(), pattern.casefold()) for pattern in wanted):
        raise _Refused("licence", f"its licence is {licence or 'not stated'}")


def _tags(row: dict[str, str], columns: Sequence[str]) -> tuple[str, ...]:
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
        raise _Refused("duplicate", "the same states as another file")
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
        "reasons": dict(sorted(found.reasons.items())),
        "takes_left_out": found.takes_left_out,
        "splits": splits,
        "windows_left_out": dropped,
        "genres": dict(Counter(tag for s in songs for tag in s.tags).most_common()),
        "untagged": sum(not s.tags for s in songs),
        "licences": dict(sorted(Counter(s.licence or "not stated" for s in songs).items())),
        "skipped": found.skipped,
        "options": asdict(options),
    }
