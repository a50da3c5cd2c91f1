"""Corpora of MIDI files -> pieces fit for training, and what was left out and why.

Files are found (:mod:`training.corpora.sources`), read in several processes, normalised
(normalise.py), freed of copies, and given the composition they are of
(:mod:`training.corpora.works`). Evaluation reads single files with :func:`read_piece`.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError, MidiFileError
from streamer.midi.midifile import MidiPiece, parse_midi
from streamer.midi.midifile import read_piece as read_midi_piece
from streamer.midi.ticks import DEFAULT_LIMITS, MidiLimits
from streamer.music.notes import NoteArray
from training.corpora.kinship import figures, join_works
from training.corpora.normalise import NormaliseOptions, normalise
from training.corpora.reading import Progress, Refused, check_licence, check_path, no_progress
from training.corpora.sources import Job, Labels, corpus_of, find_jobs
from training.corpora.works import work_key

PIANO_PROGRAMS = range(8)
"""General MIDI's piano family, counted from 0."""

_BATCH, _SERIAL = 16, 64


@dataclass(frozen=True)
class Selection:
    """Which files of a corpus, and which of their notes, are taken.

    Attributes:
        include: Shell patterns, matched against the path inside the corpus; none takes all.
        exclude: Shell patterns of files to leave out.
        licences: Shell patterns of licences to take, in any case; none takes all.
        licence: What is written down for a file whose labels state no licence.
        tracks: Names of tracks to take, in any case; none takes all but drums.
        piano_only: Whether only notes of a piano program (1..8 as musicians count) are taken.
        min_notes: Fewer notes than this are ``too-short``.
        limits: Larger files are ``too-large``.
        shape: How a piece is normalised.
        join: Whether works that share their music become one, whatever they are called.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""
    tracks: tuple[str, ...] = ()
    piano_only: bool = False
    min_notes: int = 32
    limits: MidiLimits = DEFAULT_LIMITS
    shape: NormaliseOptions = field(default_factory=NormaliseOptions)
    join: bool = True

    def __post_init__(self) -> None:
        if self.min_notes < 1:
            raise ValueError(f"min_notes must be 1 or more, not {self.min_notes}")


@dataclass(frozen=True)
class Piece:
    """A piece that is fit for training.

    Attributes:
        corpus: Name of its corpus.
        file: Path inside it.
        work_key: The composition.
        licence: As the corpus states it, or empty.
        notes: Normalised.
    """

    corpus: str
    file: str
    work_key: str
    licence: str
    notes: NoteArray


@dataclass(frozen=True)
class Skipped:
    """A file that was left out: a short stable ``reason`` to count by, and one line of text."""

    corpus: str
    file: str
    reason: str
    text: str


@dataclass
class FoundPieces:
    """What was found.

    Attributes:
        pieces: In order of what the user named, then of corpus and path.
        skipped: In the same order.
        remarks: What is to be said of pieces that were taken: damage, what of a file was not read.
        changes: Notes that normalising dropped or moved, by reason.
        joined: Work keys that were found to be another's work, and that work's key.
    """

    pieces: list[Piece] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    remarks: list[Skipped] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    joined: dict[str, str] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        """Files left out, by reason."""
        return Counter(entry.reason for entry in self.skipped)


@dataclass(frozen=True)
class _Outcome:
    """What a process found out about one file."""

    source: Path
    file: str
    digest: bytes = b""
    notes: NoteArray | None = None
    content: bytes = b""
    figures: NDArray[np.uint64] | None = None
    reason: str = ""
    text: str = ""
    remark: str = ""
    changes: Counter[str] = field(default_factory=Counter)


def read_piece(path: Path | str, limits: MidiLimits = DEFAULT_LIMITS) -> NoteArray:
    """Return the notes of a file, as :func:`streamer.midi.midifile.read_midi` does, errors too."""
    return read_midi_piece(path, limits).notes


def read_corpus(
    sources: Sequence[Path],
    selection: Selection = Selection(),
    *,
    processes: int | None = None,
    progress: Progress = no_progress,
) -> FoundPieces:
    """Read all files below the given paths.

    Args:
        sources: Folders, archives or files. Of copies the first is kept.
        selection: What to take.
        processes: How many to read with; None takes one a core, and few files are read in this
            one.
        progress: Called now and then with the files read and found so far.

    Raises:
        DataError: A source is missing, of an unknown kind, or damaged.
    """
    labels: dict[Path, Labels] = {source: {} for source in sources}
    found = 0

    def jobs() -> Iterator[Job]:
        nonlocal found
        for source in dict.fromkeys(sources):
            for job in find_jobs(source, selection.limits.file_bytes, labels[source]):
                found += 1
                yield job

    outcomes: list[_Outcome] = []
    for some in _read_all(jobs(), selection, processes or os.cpu_count() or 1):
        outcomes.extend(some)
        progress(len(outcomes), found)
    rank = {source: i for i, source in enumerate(dict.fromkeys(sources))}
    outcomes.sort(key=lambda outcome: (rank[outcome.source], outcome.file))
    return _collect(outcomes, labels, selection)


def _collect(
    outcomes: Iterable[_Outcome], labels: dict[Path, Labels], selection: Selection
) -> FoundPieces:
    """Apply what needs labels or the sight of all files: choice, copies, compositions."""
    corpus = FoundPieces()
    seen: dict[bytes, str] = {}
    melodies: list[NDArray[np.uint64]] = []
    for outcome in outcomes:
        mine = labels[outcome.source]
        row = mine.get(outcome.file, {})
        name, file = corpus_of(outcome.source, outcome.file, mine)
        licence = row.get("licence") or row.get("license") or selection.licence
        try:
            notes = _taken(outcome, file, licence, selection, seen)
        except Refused as refused:
            corpus.skipped.append(Skipped(name, file, refused.reason, refused.text))
            continue
        seen[outcome.digest] = seen[outcome.content] = f"{name}/{file}"
        corpus.changes.update(outcome.changes)
        if outcome.remark:
            corpus.remarks.append(Skipped(name, file, "remark", outcome.remark))
        corpus.pieces.append(Piece(name, file, work_key(name, file, row), licence, notes))
        if outcome.figures is not None:
            melodies.append(outcome.figures)
    if selection.join:
        joined = join_works(melodies, [piece.work_key for piece in corpus.pieces])
        corpus.joined = {old: new for old, new in sorted(joined.items()) if old != new}
        corpus.pieces = [
            replace(piece, work_key=joined.get(piece.work_key, piece.work_key))
            for piece in corpus.pieces
        ]
    return corpus


def _taken(
    outcome: _Outcome, file: str, licence: str, selection: Selection, seen: dict[bytes, str]
) -> NoteArray:
    """Return the notes of a file that is taken (:class:`Refused` of one that is left out)."""
    check_path(file, selection.include, selection.exclude)
    check_licence(licence, selection.licences)
    if outcome.notes is None:
        raise Refused(outcome.reason, outcome.text)
    original = seen.get(outcome.digest) or seen.get(outcome.content)
    if original:
        raise Refused("duplicate", f"the same music as {original}")
    return outcome.notes


def _read_all(
    jobs: Iterator[Job], selection: Selection, processes: int
) -> Iterator[list[_Outcome]]:
    """Yield outcomes in batches, in any order."""
    first = list(islice(jobs, _SERIAL))
    if processes == 1 or len(first) < _SERIAL:
        for job in chain(first, jobs):
            yield [_read(job, selection)]
        return
    # Spawned, not forked: a progress bar's thread may hold a lock at the moment of a fork.
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_leave_interrupts_to_parent
    )
    try:
        pending: set[Future[list[_Outcome]]] = set()
        everything = chain(first, jobs)
        while batch := list(islice(everything, _BATCH)):
            pending.add(pool.submit(_read_batch, batch, selection))
            if len(pending) >= 4 * processes:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise DataError(
            f"one of {processes} reading processes was killed, as when memory runs out;"
            " read with fewer (--processes 1)"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_batch(jobs: Sequence[Job], selection: Selection) -> list[_Outcome]:
    return [_read(job, selection) for job in jobs]


def _read(job: Job, selection: Selection) -> _Outcome:
    """Read, choose and normalise one file; never raises for what a file may hold."""
    try:
        piece, digest = _load(job, selection.limits)
    except MidiFileError as error:
        return _Outcome(job.source, job.file, reason=error.reason, text=_reason_text(error, job))
    chosen = _choose(piece, selection)
    if not len(chosen):
        text = f"none of its tracks is chosen ({', '.join(filter(None, piece.track_names))})"
        return _Outcome(job.source, job.file, digest, reason="no-such-track", text=text)
    notes, changes = normalise(chosen, selection.shape)
    if not len(notes):
        text = f"all {len(chosen)} notes lie outside a piano's range"
        return _Outcome(job.source, job.file, digest, reason="off-piano", text=text)
    if len(notes) < selection.min_notes:
        text = f"{len(notes)} notes; at least {selection.min_notes} are asked for"
        return _Outcome(job.source, job.file, digest, reason="too-short", text=text)
    return _Outcome(
        job.source,
        job.file,
        digest,
        notes,
        _content_digest(notes),
        figures(notes) if selection.join else None,
        remark="; ".join(piece.notices),
        changes=changes,
    )


def _load(job: Job, limits: MidiLimits) -> tuple[MidiPiece, bytes]:
    """Return a file's music and the hash of its bytes."""
    if job.size > limits.file_bytes:
        raise MidiFileError(
            f"{job.file}: {job.size} bytes; at most {limits.file_bytes} are read", "too-large"
        )
    data = job.data
    if data is None:
        try:
            data = job.path.read_bytes() if job.path else b""
        except OSError as error:
            raise MidiFileError(f"{job.file}: {error.strerror or error}", "unreadable") from error
    return parse_midi(data, job.file, limits), hashlib.sha256(data).digest()


def _reason_text(error: MidiFileError, job: Job) -> str:
    return str(error).removeprefix(f"{job.file}: ")


def _choose(piece: MidiPiece, selection: Selection) -> NoteArray:
    """Return the notes of the tracks and programs asked for."""
    mask = np.ones(len(piece.notes), dtype=np.bool_)
    if selection.tracks:
        wanted = {name.casefold() for name in selection.tracks}
        chosen = [name.casefold() in wanted for name in piece.track_names]
        mask &= np.asarray(chosen, dtype=np.bool_)[piece.tracks]
    if selection.piano_only:
        mask &= piece.programs < PIANO_PROGRAMS.stop
    return piece.notes[mask]


def _content_digest(notes: NoteArray) -> bytes:
    """Return a hash that two files of the same notes share, to the millisecond."""
    digest = hashlib.sha256()
    for name in ("onset_ms", "duration_ms", "pitch", "velocity"):
        digest.update(np.round(notes[name]).astype(np.int64).tobytes())
    return digest.digest()
