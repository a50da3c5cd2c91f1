"""Lines of keys: read from MIDI files (``perpetuo prepare strolls``), or made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroll.codec import KeyCodec
from training.corpora import preparing
from training.corpora.prepared import FileKind, summary_by_collection
from training.corpora.reading import FileOptions, FoundFile, Record, read_files, with_splits
from training.corpora.splits import in_split

FILE = FileKind(holds="strolls", name="stroll file", mark="strolls")


@dataclass(frozen=True)
class StrollInfo:
    file: str
    corpus: str
    work_key: str
    licence: str
    split: str


@dataclass(frozen=True)
class StrollSet:
    """Lines of keys, one after the other, and where each begins."""

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    pieces: tuple[StrollInfo, ...]
    report: dict[str, Any]

    @classmethod
    def of(
        cls, lines: Sequence[NDArray[Any]], pieces: Sequence[StrollInfo], report: dict[str, Any]
    ) -> StrollSet:
        offsets = np.cumsum([0, *map(len, lines)])
        return cls(np.concatenate(lines), offsets, tuple(pieces), report)

    def __len__(self) -> int:
        return len(self.pieces)

    def indices(self, split: str) -> list[int]:
        return in_split(self.pieces, split)

    def line(self, index: int) -> NDArray[np.int64]:
        return self.keys[self.offsets[index] : self.offsets[index + 1]]

    def summary(self) -> dict[str, Any]:
        return summary_by_collection(zip(self.pieces, np.diff(self.offsets).tolist(), strict=True))

    def save(self, path: Path) -> None:
        meta = {"pieces": [asdict(piece) for piece in self.pieces], "report": self.report}
        FILE.write(path, meta, {"keys": self.keys, "offsets": self.offsets})

    @classmethod
    def load(cls, path: Path) -> StrollSet:
        meta, columns = FILE.read(path, ("keys", "offsets"))
        pieces = tuple(StrollInfo(**piece) for piece in meta["pieces"])
        return cls(columns["keys"], columns["offsets"], pieces, meta["report"])


def tiny_strolls() -> StrollSet:
    """Return three lines that go up and down by steps."""
    up_and_down = np.abs(np.arange(61) % 40 - 20)
    pieces = [
        StrollInfo(f"{i}.mid", "made", f"work {i}", "CC0-1.0", split)
        for i, split in enumerate(("train", "train", "valid"))
    ]
    return StrollSet.of([up_and_down + i for i in range(3)], pieces, {"made": True})


def read_strolls(sources: Sequence[Path], options: FileOptions, progress: Any) -> StrollSet:
    record, lines, infos = Record(), [], []
    codec = KeyCodec()

    def take(file: FoundFile) -> None:
        options.check_path(file.file)
        pitch = file.beats().notes["pitch"].astype(np.int64)
        lines.append((pitch - codec.low) % codec.keys)
        infos.append(
            {"file": file.file, "corpus": file.corpus, "work_key": file.work_key,
             "licence": file.licence or options.licence}
        )  # fmt: skip

    read_files(sources, take, record, progress)
    pieces = with_splits(StrollInfo, infos, options)
    told = {"files": record.files, "kept": len(pieces)}
    told |= record.report((piece.licence for piece in pieces), options)
    return StrollSet.of(lines, pieces, told)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    preparing.add_options(parser)


def run(args: argparse.Namespace) -> int:
    options = preparing.file_options(args, FileOptions)
    return preparing.run(
        args,
        lambda progress: read_strolls(args.sources, options, progress),
        lambda strolls: print(preparing.kept(strolls.report)),
    )
