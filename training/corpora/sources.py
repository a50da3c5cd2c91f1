"""Where MIDI files come from: folders, archives and single files, with their labels.

A path in; one :class:`Job` a file out, in a fixed order, with the labels of the nearest
``labels.csv`` above it (first column ``file``, the path from that folder). Archives are read in one
pass and never unpacked to disk.
"""

from __future__ import annotations

import csv
import io
import logging
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from streamer.errors import DataError

logger = logging.getLogger(__name__)

MIDI_SUFFIXES = (".mid", ".midi", ".smf", ".rmi", ".kar")
ARCHIVE_SUFFIXES = (".tar", ".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".txz", ".zip")
LABELS = "labels.csv"

Labels = dict[str, dict[str, str]]
"""Rows of label files by the path of the file they describe, from the source's root."""


@dataclass(frozen=True)
class Job:
    """One file to read.

    Attributes:
        source: The path that the user named.
        file: Path inside it, with slashes.
        path: The file, if it lies on disk.
        data: Its bytes, if it came out of an archive; None for one over the size limit.
        size: Its size, bytes.
    """

    source: Path
    file: str
    path: Path | None
    data: bytes | None
    size: int


def find_jobs(source: Path, file_bytes: int, labels: Labels) -> Iterator[Job]:
    """Yield the MIDI files of a folder, an archive, or the one file named.

    Args:
        source: What the user named.
        file_bytes: Members of archives above this are not taken into memory.
        labels: Filled with the rows of every label file met; complete when the iterator ends.

    Raises:
        DataError: ``source`` is missing, is none of the three, or is a damaged archive.
    """
    name = source.name.lower()
    if source.is_dir():
        yield from _in_folder(source, labels)
    elif not source.exists():
        raise DataError(f"{source}: no such file or folder")
    elif name.endswith(MIDI_SUFFIXES):
        yield Job(source, source.name, source, None, source.stat().st_size)
    elif name.endswith(ARCHIVE_SUFFIXES):
        try:
            reader = _in_zip if name.endswith(".zip") else _in_tar
            yield from reader(source, file_bytes, labels)
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            lzma.LZMAError,
            zlib.error,
            EOFError,
        ) as error:
            raise DataError(f"{source}: not a whole archive ({error}); fetch it again") from error
    else:
        raise DataError(
            f"{source}: neither a folder, nor an archive ({', '.join(ARCHIVE_SUFFIXES)}),"
            f" nor a MIDI file ({', '.join(MIDI_SUFFIXES)})"
        )


def corpus_of(source: Path, file: str, labels: Labels) -> tuple[str, str]:
    """Return the corpus that a file belongs to and its path inside it.

    The folder of the label file that names it is the corpus; otherwise what the user named is.
    """
    row = labels.get(file)
    base = row[_BASE] if row else ""
    top = source.name
    for suffix in sorted(ARCHIVE_SUFFIXES, key=len, reverse=True):
        if not source.is_dir() and top.lower().endswith(suffix):
            top = top[: -len(suffix)]
            break
    if base:
        return PurePosixPath(base).name, file[len(base) + 1 :]
    return top or source.resolve().name, file


_BASE = "\0base"
"""Key of a label row under which the folder of its label file is kept."""


def _in_folder(source: Path, labels: Labels) -> Iterator[Job]:
    for folder, names, files in os.walk(source):
        names[:] = sorted(n for n in names if not _hidden(n))
        base = Path(folder).relative_to(source).as_posix()
        base = "" if base == "." else base
        if LABELS in files:
            _add_labels((Path(folder) / LABELS).read_bytes(), base, labels, Path(folder) / LABELS)
        for name in sorted(files):
            path = Path(folder) / name
            if name.lower().endswith(MIDI_SUFFIXES) and not _hidden(name) and path.is_file():
                yield Job(source, _join(base, name), path, None, path.stat().st_size)


def _in_tar(source: Path, file_bytes: int, labels: Labels) -> Iterator[Job]:
    with tarfile.open(source, mode="r|*") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not member.isfile() or any(_hidden(part) for part in path.parts):
                continue
            if path.name == LABELS:
                _add_labels(_content(archive, member), _parent(path), labels, source)
            elif path.name.lower().endswith(MIDI_SUFFIXES):
                data = _content(archive, member) if member.size <= file_bytes else None
                yield Job(source, str(path), None, data, member.size)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _in_zip(source: Path, file_bytes: int, labels: Labels) -> Iterator[Job]:
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or any(_hidden(part) for part in path.parts):
                continue
            if path.name == LABELS:
                _add_labels(archive.read(member), _parent(path), labels, source)
            elif path.name.lower().endswith(MIDI_SUFFIXES):
                data = archive.read(member) if member.file_size <= file_bytes else None
                yield Job(source, str(path), None, data, member.file_size)


def _hidden(name: str) -> bool:
    """Whether a name is none of the user's: dot files, and the shadows that macOS puts in zips."""
    return (name.startswith(".") and name not in (".", "..")) or name == "__MACOSX"


def _parent(path: PurePosixPath) -> str:
    return "" if str(path.parent) == "." else str(path.parent)


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base else name


def _add_labels(data: bytes, base: str, labels: Labels, where: Path) -> None:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", errors="replace"), newline=""))
    if "file" not in (reader.fieldnames or ()):
        logger.warning("%s: %s without a column named file is left aside", where, LABELS)
        return
    for row in reader:
        # Of two label files the nearer one holds: folders are walked from the top.
        plain = {k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}
        labels[_join(base, plain.get("file", ""))] = {**plain, _BASE: base}
