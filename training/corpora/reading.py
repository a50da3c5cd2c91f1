"""What readers of all kinds of corpora do alike: find files, choose, read, note what was left out.

In: folders, archives or files, and what is asked for. Out: each chosen file once, with its labels
(:class:`FoundFile`), and a :class:`Record` of the others, by reason. A reader says of one file what
it takes from it, or raises :class:`Refused`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from streamer.errors import DataError, MidiFileError
from streamer.midi.beatfile import BeatPiece, parse_beats
from streamer.midi.ticks import DEFAULT_LIMITS
from training.corpora.sources import Job, Labels, corpus_of, find_jobs
from training.corpora.works import split_works, work_key

FILE_REASONS = frozenset(
    (
        "unreadable", "not-midi", "broken", "empty", "drums-only", "too-large", "off-piano",
        "no-beats",
    )
)  # fmt: skip
"""Reasons that lie in the file itself; the others are the user's choice or another file's."""

Progress = Callable[[int, int], None]
"""Called now and then with the files read and the files found."""

Info = TypeVar("Info")


def no_progress(done: int, found: int) -> None:
    """Tell nobody."""
    del done, found


class Refused(Exception):
    """A file, or a track of one, that is left out.

    Args:
        reason: A short stable word to count by.
        text: One line for people.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.reason, self.text = reason, text


@dataclass(frozen=True)
class FileOptions:
    """Which files are taken, and how they are split.

    Attributes:
        seed: Of the split.
        valid: Share of the compositions for validation, 0..1.
        test: Share for the last test, 0..1.
        include: Shell patterns of paths inside the corpus; none takes all.
        exclude: Shell patterns of files to leave out.
        licences: Shell patterns of licences to take, in any case; none takes what the reader says.
        licence: What is written down for a file whose labels state none.
    """

    seed: int = 0
    valid: float = 0.1
    test: float = 0.1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""

    def __post_init__(self) -> None:
        split_works((), self.seed, self.valid, self.test)

    def check_path(self, file: str) -> None:
        """Raise :class:`Refused` for a path that is not asked for."""
        check_path(file, self.include, self.exclude)

    def check_licence(self, licence: str, usual: Sequence[str] = ()) -> None:
        """Raise :class:`Refused` for a licence that is not asked for.

        Args:
            licence: As stated, or empty.
            usual: Patterns where none are asked for; none takes all.
        """
        check_licence(licence, self.licences or usual)


def check_path(file: str, include: Sequence[str], exclude: Sequence[str]) -> None:
    """Raise :class:`Refused` for a path that is not among the chosen ones."""
    if include and not any(fnmatch(file, pattern) for pattern in include):
        raise Refused("not-chosen", "no pattern of --include matches")
    if any(fnmatch(file, pattern) for pattern in exclude):
        raise Refused("not-chosen", "a pattern of --exclude matches")


def check_licence(licence: str, wanted: Sequence[str]) -> None:
    """Raise :class:`Refused` for a licence that no pattern matches; no pattern takes all."""
    known = licence.casefold()
    if wanted and not any(fnmatch(known, pattern.casefold()) for pattern in wanted):
        raise Refused("licence", f"its licence is {licence or 'not stated'}")


@dataclass(frozen=True)
class FoundFile:
    """One file of a corpus.

    Attributes:
        job: Where its bytes are.
        corpus: Name of its corpus.
        file: Path inside it.
        labels: What the corpus says of it, by column.
        notices: What is to be said of it once it was read: damage, what was not read.
    """

    job: Job
    corpus: str
    file: str
    labels: Mapping[str, str]
    notices: list[str] = field(default_factory=list)

    @property
    def licence(self) -> str:
        """As the corpus states it, or empty."""
        return self.labels.get("licence") or self.labels.get("license") or ""

    @property
    def work_key(self) -> str:
        """The composition that it is of."""
        return work_key(self.corpus, self.file, self.labels)

    def beats(self) -> BeatPiece:
        """Read it in quarter notes.

        Raises:
            MidiFileError: It is no MIDI file that can be read so.
            OSError: The system cannot read it.
        """
        job = self.job
        data = job.data if job.data is not None else job.path.read_bytes() if job.path else b""
        piece = parse_beats(data, self.file)
        self.notices.extend(piece.notices)
        return piece


@dataclass
class Record:
    """What was read, and what was left out and why.

    Attributes:
        files: How many were found.
        reasons: Files that were left out, by reason.
        skipped: Each of them, and each track of one, in order: corpus, file, reason, text.
        remarks: What is to be said of files that were read, in order: corpus, file, text.
    """

    files: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: list[dict[str, str]] = field(default_factory=list)
    remarks: list[dict[str, str]] = field(default_factory=list)

    def skip(self, corpus: str, file: str, refused: Refused, **more: str) -> None:
        """Note a file that is left out."""
        self.reasons[refused.reason] += 1
        self.note(corpus, file, refused, **more)

    def note(self, corpus: str, file: str, refused: Refused, **more: str) -> None:
        """Note it among those named, without counting it as a file."""
        told = {"reason": refused.reason, "text": refused.text}
        self.skipped.append({"corpus": corpus, "file": file, **more, **told})

    def nothing(self, sources: Iterable[Path], what: str) -> DataError:
        """Return the error that nothing of what was asked for is there: counts, the first reason.

        Args:
            sources: What was read.
            what: Is not there, in a word or two.
        """
        where = ", ".join(map(str, sources))
        if not self.skipped:
            none = "no MIDI files (.mid) in there; name a folder or archive that has some"
            return DataError(f"{where}: {none}")
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        first = self.skipped[0]
        return DataError(
            f"{where}: no {what} ({counts}); the first, {first['file']}: {first['text']}"
        )

    def report(self, licences: Iterable[str], options: Any) -> dict[str, Any]:
        """Return what the report of every kind of corpus says, as plain data.

        Args:
            licences: Of each entry that was taken, empty where none is stated.
            options: A dataclass.
        """
        return {
            "reasons": dict(sorted(self.reasons.items())),
            "licences": dict(sorted(Counter(one or "not stated" for one in licences).items())),
            "skipped": self.skipped,
            "remarks": self.remarks,
            "options": asdict(options),
        }


def read_files(
    sources: Sequence[Path],
    take: Callable[[FoundFile], None],
    record: Record,
    progress: Progress = no_progress,
) -> None:
    """Hand every file of the sources to ``take``, in a fixed order.

    Args:
        sources: Folders, archives or files, each once.
        take: Takes what it wants of a file; :class:`Refused`, and what keeps a file from being
            read, is noted.
        record: Where.
        progress: See :data:`Progress`.

    Raises:
        DataError: A source is missing, of an unknown kind, or damaged.
    """
    for source in dict.fromkeys(sources):
        labels: Labels = {}
        jobs = list(find_jobs(source, DEFAULT_LIMITS.file_bytes, labels))
        for number, job in enumerate(sorted(jobs, key=lambda job: job.file), start=1):
            corpus, file = corpus_of(job.source, job.file, labels)
            record.files += 1
            found = FoundFile(job, corpus, file, labels.get(job.file, {}))
            try:
                take(found)
            except (Refused, MidiFileError, OSError) as error:
                record.skip(corpus, file, _refused(error, file))
            for text in found.notices:
                record.remarks.append({"corpus": corpus, "file": file, "text": text})
            progress(number, len(jobs))


def _refused(error: Refused | MidiFileError | OSError, file: str) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, MidiFileError):
        return Refused(error.reason, str(error).removeprefix(f"{file}: "))
    return Refused("unreadable", str(error.strerror or error))


def with_splits(
    make: Callable[..., Info], infos: Sequence[Mapping[str, Any]], options: FileOptions
) -> list[Info]:
    """Return what ``make`` makes of each entry and the split of its composition.

    Args:
        make: Called with an entry's fields and ``split``.
        infos: Fields of the entries, ``work_key`` among them.
        options: Say how large the splits are.
    """
    works = [info["work_key"] for info in infos]
    splits = split_works(works, options.seed, options.valid, options.test)
    return [make(**info, split=splits[info["work_key"]]) for info in infos]
