"""MIDI files -> one score file: what ``perpetuo prepare --scores`` does.

Files are found as for any corpus (sources.py), read in quarter notes (:mod:`streamer.beatfile`),
chosen by path and licence, freed of copies, and split by composition (works.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.beatfile import BeatPiece, parse_beats
from streamer.errors import DataError, MidiFileError
from streamer.midifile import DEFAULT_LIMITS
from training.data.scores import ScoreInfo, ScoreSet
from training.data.sources import Job, Labels, corpus_of, find_jobs
from training.data.tensors import SPLITS
from training.data.works import split_works, work_key

LEAST_NOTES = 16
_LABELS_KEPT = ("title", "style", "genre", "keys", "source", "timing", "variant", "name", "artist")


@dataclass(frozen=True)
class ScoreOptions:
    """Which files are taken, and how they are split.

    Attributes:
        seed: Of the split.
        valid: Share of the compositions for validation, 0..1.
        test: Share for the last test, 0..1.
        include: Shell patterns of paths inside the corpus; none takes all.
        exclude: Shell patterns of files to leave out.
        licences: Shell patterns of licences to take, in any case; none takes all.
        licence: What is written down for a file whose labels state none.
        tracks: Names of tracks to take, in any case; none takes all.
        drums: Whether channel 10 is kept.
    """

    seed: int = 0
    valid: float = 0.1
    test: float = 0.1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""
    tracks: tuple[str, ...] = ()
    drums: bool = False

    def __post_init__(self) -> None:
        split_works((), self.seed, self.valid, self.test)


@dataclass
class _Found:
    notes: list[NDArray[Any]] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: list[dict[str, str]] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    def skip(self, corpus: str, file: str, reason: str, text: str) -> None:
        self.reasons[reason] += 1
        self.skipped.append({"corpus": corpus, "file": file, "reason": reason, "text": text})


def read_scores(
    sources: Sequence[Path],
    options: ScoreOptions = ScoreOptions(),
    *,
    progress: Callable[[int, int], None] = lambda done, found: None,
) -> ScoreSet:
    """Read corpora into a score set.

    Args:
        sources: Folders, archives or files. Of copies the first is kept.
        options: What to take.
        progress: Called with the files read so far, twice.

    Raises:
        DataError: A source cannot be read, or nothing in any of them is usable.
    """
    found = _Found()
    for source in dict.fromkeys(sources):
        labels: Labels = {}
        jobs = list(find_jobs(source, DEFAULT_LIMITS.file_bytes, labels))
        for number, job in enumerate(sorted(jobs, key=lambda job: job.file), start=1):
            _take(job, labels, options, found)
            progress(number, len(jobs))
    if not found.notes:
        counts = ", ".join(f"{n} {reason}" for reason, n in sorted(found.reasons.items()))
        where = ", ".join(map(str, sources))
        raise DataError(f"{where}: no usable MIDI file ({counts or 'none there'})")
    works = split_works(
        [info["work_key"] for info in found.infos], options.seed, options.valid, options.test
    )
    infos = [ScoreInfo(**info, split=works[info["work_key"]]) for info in found.infos]
    return ScoreSet.from_pieces(found.notes, infos, _report(found, infos, options))


def _take(job: Job, labels: Labels, options: ScoreOptions, found: _Found) -> None:
    """Read one file into ``found``, or say there why not."""
    row = labels.get(job.file, {})
    corpus, file = corpus_of(job.source, job.file, labels)
    licence = row.get("licence") or row.get("license") or options.licence
    refusal = _refusal(file, licence, options)
    if refusal:
        found.skip(corpus, file, *refusal)
        return
    try:
        data = job.data if job.data is not None else job.path.read_bytes() if job.path else b""
        piece = parse_beats(data, file)
    except MidiFileError as error:
        found.skip(corpus, file, error.reason, str(error))
        return
    except OSError as error:
        found.skip(corpus, file, "unreadable", str(error))
        return
    notes = _choose(piece, options)
    if len(notes) < LEAST_NOTES:
        found.skip(corpus, file, "too-short", f"{len(notes)} notes; at least {LEAST_NOTES}")
        return
    digest = hashlib.sha256(np.ascontiguousarray(notes[["onset", "pitch"]]).tobytes()).digest()
    if digest in found.seen:
        found.skip(corpus, file, "duplicate", "the same notes as another file")
        return
    found.seen.add(digest)
    found.notes.append(notes)
    found.infos.append(
        {
            "file": file,
            "corpus": corpus,
            "work_key": work_key(corpus, file, row),
            "licence": licence,
            "metres": tuple((m.onset, m.beats, m.unit) for m in piece.metres),
            "bpm": _mean_tempo(piece, notes),
            "labels": {key: row[key] for key in _LABELS_KEPT if row.get(key)},
        }
    )


def _refusal(file: str, licence: str, options: ScoreOptions) -> tuple[str, str] | None:
    if options.include and not any(fnmatch(file, pattern) for pattern in options.include):
        return "not-chosen", "no pattern of --include matches"
    if any(fnmatch(file, pattern) for pattern in options.exclude):
        return "not-chosen", "a pattern of --exclude matches"
    wanted = [pattern.casefold() for pattern in options.licences]
    if wanted and not any(fnmatch(licence.casefold(), pattern) for pattern in wanted):
        return "licence", f"its licence is {licence or 'not stated'}"
    return None


def _choose(piece: BeatPiece, options: ScoreOptions) -> NDArray[Any]:
    mask = np.ones(len(piece.notes), dtype=np.bool_) if options.drums else ~piece.drums
    if options.tracks:
        wanted = {name.casefold() for name in options.tracks}
        chosen = [name.casefold() in wanted for name in piece.track_names]
        mask &= np.asarray(chosen, dtype=np.bool_)[piece.notes["track"]]
    return piece.notes[mask]


def _mean_tempo(piece: BeatPiece, notes: NDArray[Any]) -> float:
    """Return quarter notes a minute over the whole piece."""
    end = float((notes["onset"] + notes["length"]).max())
    onsets = [onset for onset, _ in piece.tempos if onset < end]
    bounds = np.diff([*onsets, end])
    minutes = sum(span / bpm for span, (_, bpm) in zip(bounds, piece.tempos, strict=False))
    return round(end / float(minutes), 3) if minutes > 0 else piece.tempos[0][1]


def _report(found: _Found, infos: Sequence[ScoreInfo], options: ScoreOptions) -> dict[str, Any]:
    splits = {}
    for split in SPLITS:
        mine = [i for i, info in enumerate(infos) if info.split == split]
        splits[split] = {
            "pieces": len(mine),
            "works": len({infos[i].work_key for i in mine}),
            "notes": sum(len(found.notes[i]) for i in mine),
        }
    return {
        "files": len(infos) + len(found.skipped),
        "kept": len(infos),
        "reasons": dict(sorted(found.reasons.items())),
        "splits": splits,
        "licences": dict(sorted(Counter(i.licence or "not stated" for i in infos).items())),
        "skipped": found.skipped,
        "options": asdict(options),
    }
