"""The score file: a prepared corpus on its own grid, for families that think in bars.

``perpetuo prepare scores`` writes it, training and export of the window families read it. One
``.npz`` with one row a note in quarter notes, where each piece begins, and a JSON text with what
each piece is. No grid is chosen here: a family cuts windows at the resolution of its preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.midi.beatfile import BEAT_DTYPE, Metre
from training.corpora.prepared import FileKind, summary_by_collection
from training.corpora.splits import checked_split, in_split

FILE = FileKind(holds="scores", name="score file", mark="scores")

_COLUMNS = tuple(BEAT_DTYPE.names or ())


@dataclass(frozen=True)
class ScoreInfo:
    """Where a piece comes from, and its bars.

    Attributes:
        file: Path inside its corpus.
        corpus: Name of the corpus.
        work_key: The composition; versions of one work share it and stay in one split.
        licence: As the corpus states it, or empty.
        split: ``train``, ``valid`` or ``test``.
        metres: ``(onset, beats, unit)`` of each time signature, onset in quarter notes.
        bpm: Quarter notes a minute; the mean over the piece where the tempo moves.
        labels: Other columns of the corpus's label file.
    """

    file: str
    corpus: str
    work_key: str
    licence: str
    split: str
    metres: tuple[tuple[float, int, int], ...]
    bpm: float
    labels: dict[str, str]

    def __post_init__(self) -> None:
        checked_split(self.split)

    @property
    def metre(self) -> Metre:
        """The metre that the piece begins in."""
        return Metre(*self.metres[0])


@dataclass(frozen=True)
class ScoreSet:
    """A prepared corpus on its grid.

    Attributes:
        rows: :data:`streamer.midi.beatfile.BEAT_DTYPE`, piece after piece, each sorted.
        offsets: First row of each piece and the end, ``(pieces + 1,)`` int64.
        pieces: One entry a piece.
        report: Counts by reason of what was left out, and the options of the run.
    """

    rows: NDArray[Any]
    offsets: NDArray[np.int64]
    pieces: tuple[ScoreInfo, ...]
    report: dict[str, Any]

    @classmethod
    def from_pieces(
        cls,
        notes: Sequence[NDArray[Any]],
        pieces: Sequence[ScoreInfo],
        report: dict[str, Any] | None = None,
    ) -> ScoreSet:
        """Pack the notes of pieces, each sorted."""
        if len(notes) != len(pieces):
            raise ValueError(f"{len(notes)} note arrays for {len(pieces)} pieces")
        rows = np.concatenate([np.empty(0, BEAT_DTYPE), *notes])
        offsets = np.cumsum([0, *(len(n) for n in notes)], dtype=np.int64)
        return cls(rows, offsets, tuple(pieces), report or {})

    def __len__(self) -> int:
        return len(self.pieces)

    def indices(self, split: str) -> list[int]:
        """Return the pieces of a split."""
        return in_split(self.pieces, split)

    def notes(self, index: int) -> NDArray[Any]:
        """Return the notes of a piece."""
        return self.rows[int(self.offsets[index]) : int(self.offsets[index + 1])]

    def summary(self) -> dict[str, Any]:
        """Return pieces, notes and licences by collection."""
        lengths = np.diff(self.offsets).tolist()
        return summary_by_collection(zip(self.pieces, lengths, strict=True))

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        meta = {"pieces": [asdict(piece) for piece in self.pieces], "report": self.report}
        columns = {name: np.ascontiguousarray(self.rows[name]) for name in _COLUMNS}
        FILE.write(path, meta, {"offsets": self.offsets, **columns})

    @classmethod
    def load(cls, path: Path) -> ScoreSet:
        """Read a score file.

        Raises:
            DataError: It is missing, damaged, of another kind or format.
        """
        meta, columns = FILE.read(path, ("offsets", *_COLUMNS))
        offsets = columns["offsets"]
        rows = np.zeros(len(columns["pitch"]), dtype=BEAT_DTYPE)
        for name in _COLUMNS:
            rows[name] = columns[name]
        pieces = tuple(
            ScoreInfo(**{**piece, "metres": tuple(tuple(metre) for metre in piece["metres"])})
            for piece in meta["pieces"]
        )
        if len(offsets) != len(pieces) + 1 or offsets[-1] != len(rows):
            raise FILE.wrong(path, f"its {len(pieces)} pieces do not cover its {len(rows)} notes")
        return cls(rows, offsets, pieces, meta["report"])
