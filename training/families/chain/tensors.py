"""The tensor file: a prepared corpus as plain columns, for machines with only torch and numpy.

``perpetuo prepare pieces`` writes it, training and export read it. One ``.npz`` with one row a note
(shift, duration, pitch, velocity, pedal), where each piece begins, and a JSON text with what each
piece is (file, corpus, work, licence, split) and the codec. Notes are kept, not only classes, so
that training can transpose and stretch; ``ChainCodec.encode`` turns them into classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.chain.codec import ChainCodec
from streamer.music.notes import NOTE_DTYPE, PIANO_HIGH, PIANO_LOW, NoteArray
from training.corpora.prepared import FileKind, summary_by_collection
from training.corpora.splits import checked_split, in_split

FILE = FileKind(holds="pieces", name="tensor file", mark=None)

_COLUMNS = ("shift_ms", "duration_ms", "pitch", "velocity", "pedal", "offsets")

_RANGES = (
    ("shift_ms", 0.0, 1e9),
    ("duration_ms", 0.0, 1e9),
    ("pitch", PIANO_LOW, PIANO_HIGH),
    ("velocity", 1, 127),
    ("pedal", 0, 1),
)


@dataclass(frozen=True)
class PieceInfo:
    """Where a piece comes from.

    Attributes:
        file: Path inside its corpus.
        corpus: Name of the corpus.
        work_key: The composition; performances of one work share it and stay in one split.
        licence: As the corpus states it, or empty.
        split: ``train``, ``valid`` or ``test``.
    """

    file: str
    corpus: str
    work_key: str
    licence: str
    split: str

    def __post_init__(self) -> None:
        checked_split(self.split)


@dataclass(frozen=True)
class TensorSet:
    """A prepared corpus.

    Attributes:
        shift_ms: Onset minus the previous note's onset, ``(notes,)`` float32, 0 at a piece's
            start.
        duration_ms: ``(notes,)`` float32.
        pitch: MIDI numbers, ``(notes,)`` uint8, 21..108.
        velocity: 1..127, ``(notes,)`` uint8.
        pedal: 0 or 1, ``(notes,)`` uint8.
        offsets: First row of each piece and the end, ``(pieces + 1,)`` int64.
        pieces: One entry a piece.
        codec: Class tables that models trained on this file use.
        report: Counts by reason of what was left out, and the options of the run.
    """

    shift_ms: NDArray[np.float32]
    duration_ms: NDArray[np.float32]
    pitch: NDArray[np.uint8]
    velocity: NDArray[np.uint8]
    pedal: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    pieces: tuple[PieceInfo, ...]
    codec: ChainCodec
    report: dict[str, Any]

    @classmethod
    def from_pieces(
        cls,
        notes: Sequence[NoteArray],
        pieces: Sequence[PieceInfo],
        codec: ChainCodec,
        report: dict[str, Any] | None = None,
    ) -> TensorSet:
        """Pack note arrays, each sorted and within a piano's range."""
        if len(notes) != len(pieces):
            raise ValueError(f"{len(notes)} note arrays for {len(pieces)} pieces")
        rows = np.concatenate([*notes, np.empty(0, NOTE_DTYPE)])
        shifts = [np.diff(n["onset_ms"], prepend=n["onset_ms"][:1]) for n in notes]
        return cls(
            np.concatenate([*shifts, np.empty(0)]).astype(np.float32),
            rows["duration_ms"].astype(np.float32),
            rows["pitch"].copy(),
            rows["velocity"].copy(),
            rows["pedal"].astype(np.uint8),
            np.cumsum([0, *(len(n) for n in notes)], dtype=np.int64),
            tuple(pieces),
            codec,
            report or {},
        )

    def __len__(self) -> int:
        return len(self.pieces)

    def indices(self, split: str) -> list[int]:
        """Return the pieces of a split."""
        return in_split(self.pieces, split)

    def notes(self, index: int) -> NoteArray:
        """Return one piece as a note array, from onset 0."""
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        out = np.zeros(rows.stop - rows.start, dtype=NOTE_DTYPE)
        out["onset_ms"] = np.cumsum(self.shift_ms[rows], dtype=np.float64)
        out["duration_ms"] = self.duration_ms[rows]
        out["pitch"], out["velocity"] = self.pitch[rows], self.velocity[rows]
        out["pedal"] = self.pedal[rows].astype(bool)
        return out

    def iterate(self, split: str) -> Iterator[NoteArray]:
        """Yield the pieces of a split as note arrays."""
        for index in self.indices(split):
            yield self.notes(index)

    def summary(self) -> dict[str, Any]:
        """Return pieces, notes and licences by collection."""
        lengths = np.diff(self.offsets).tolist()
        return summary_by_collection(zip(self.pieces, lengths, strict=True))

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        meta = {
            "codec": self.codec.to_dict(),
            "codec_fingerprint": self.codec.fingerprint,
            "pieces": [asdict(piece) for piece in self.pieces],
            "report": self.report,
        }
        FILE.write(path, meta, {name: getattr(self, name) for name in _COLUMNS})

    @classmethod
    def load(cls, path: Path) -> TensorSet:
        """Read a tensor file.

        Raises:
            DataError: It is missing, damaged, of a newer format, or its codec was changed.
        """
        meta, columns = FILE.read(path, _COLUMNS)
        codec = ChainCodec.from_dict(meta["codec"])
        if codec.fingerprint != meta["codec_fingerprint"]:
            raise FILE.wrong(path, "class tables do not match their fingerprint")
        pieces = tuple(PieceInfo(**piece) for piece in meta["pieces"])
        for problem in _problems(columns, len(pieces)):
            raise FILE.wrong(path, problem)
        return cls(**columns, pieces=pieces, codec=codec, report=meta["report"])


def _problems(columns: dict[str, NDArray[Any]], pieces: int) -> Iterator[str]:
    """Yield what no note can have: found here, it costs a line; later, a training."""
    notes, offsets = len(columns["pitch"]), columns["offsets"]
    if any(len(column) != notes for name, column in columns.items() if name != "offsets"):
        yield "its columns are not of equal length"
    if len(offsets) != pieces + 1 or offsets[0] != 0 or offsets[-1] != notes:
        yield f"its {pieces} pieces do not cover its {notes} notes"
    if (np.diff(offsets) < 0).any():
        yield "its pieces overlap"
    for name, low, high in _RANGES:
        column = columns[name]
        wrong = ~((column >= low) & (column <= high))  # NaN is in no range
        if wrong.any():
            yield f"{name} must be in range {low:g}..{high:g}, not {column[wrong][0]}"
