"""A prepared corpus: what training asks of one of any kind, and the file that holds it.

The file is an ``.npz`` of plain columns beside ``meta``, a JSON text as bytes: format, kind, what
each entry is, and a report of what was left out. Nothing in it is executable.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.system.atomic import atomic_file


class Corpus(Protocol):
    """A prepared corpus, as training sees it; a family knows more of its own."""

    @property
    def report(self) -> dict[str, Any]:
        """Counts by reason of what was left out, and the options of the run."""

    def __len__(self) -> int:
        """Return how many entries (pieces, tracks, songs) there are."""

    def indices(self, split: str) -> list[int]:
        """Return the entries of ``train``, ``valid`` or ``test`` (ValueError)."""

    def summary(self) -> dict[str, Any]:
        """Return pieces, notes and licences by collection, for the model card."""

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that :meth:`save` wrote (DataError)."""


@dataclass(frozen=True)
class FileKind:
    """How files of one kind of corpus are told from others, and what a person is told of them.

    Attributes:
        holds: What is in it: ``pieces``, ``tunes``, ``scores``, ``bands``; also the word after
            ``perpetuo prepare`` that makes one.
        name: What it is called in messages, as ``tune file``.
        mark: What ``kind`` in its JSON text is; None where there is none.
        version: Of its format.
    """

    holds: str
    name: str
    mark: str | None
    version: int = 1

    @property
    def make(self) -> str:
        """The command that makes one."""
        return f"perpetuo prepare {self.holds}"

    def wrong(self, path: Path, problem: str) -> DataError:
        """Return an error that says what is wrong with a file and how to make it again."""
        return DataError(f"{path}: {problem}; make it again with {self.make}")

    def write(self, path: Path, meta: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """Write a file whole or not at all.

        Args:
            path: Where.
            meta: For the JSON text, beside format and mark.
            columns: Arrays by name.
        """
        mark = {} if self.mark is None else {"kind": self.mark}
        told = {**mark, "format_version": self.version, **meta}
        text = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
        with atomic_file(path) as file:
            np.savez_compressed(file, meta=text, **columns)

    def read(
        self, path: Path, columns: Iterable[str]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return a file's JSON text and its columns.

        Raises:
            DataError: It is missing, damaged, or of another kind or format.
        """
        if path.exists() and not path.is_file():  # numpy would look for the end of a device
            raise self.wrong(path, f"not a file, and no {self.name}")
        try:
            with np.load(path, allow_pickle=False) as data:
                meta: dict[str, Any] = json.loads(data["meta"].tobytes())
                if meta.get("kind") != self.mark:
                    holds = meta.get("kind", "pieces")
                    raise DataError(
                        f"{path}: holds {holds}, not {self.holds}; make some with {self.make}"
                    )
                arrays = {name: data[name] for name in columns}
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such {self.name}; make one with {self.make}") from error
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            # Of a file that is none of its own numpy says to load it unsafely: no advice of ours.
            foreign = isinstance(error, ValueError) and not zipfile.is_zipfile(path)
            reason = "" if foreign else f" ({error})"
            raise self.wrong(path, f"not a whole {self.name}{reason}") from error
        if meta["format_version"] != self.version:
            found = f"format {meta['format_version']}, this version reads {self.version}"
            raise self.wrong(path, found)
        return meta, arrays


class Sourced(Protocol):
    """An entry that says where it comes from."""

    @property
    def corpus(self) -> str:
        """Name of its collection."""

    @property
    def licence(self) -> str:
        """As the collection states it, or empty."""


def summary_by_collection(entries: Iterable[tuple[Sourced, int | None]]) -> dict[str, Any]:
    """Return pieces, notes and licences by collection.

    Args:
        entries: Each with its notes; None for one that is counted with another of its file.
    """
    found: dict[str, Any] = {}
    for entry, notes in entries:
        row = found.setdefault(entry.corpus, {"pieces": 0, "notes": 0, "licences": []})
        if notes is not None:
            row["pieces"] += 1
            row["notes"] += notes
        if entry.licence and entry.licence not in row["licences"]:
            row["licences"].append(entry.licence)
    return found
