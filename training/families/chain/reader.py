"""MIDI files -> one tensor file: what ``perpetuo prepare pieces`` does.

Reading and choosing is :mod:`training.corpora.corpus`'s, the columns are tensors.py's; here the
compositions are split, the class tables are made, and what happened is written down.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import DataError
from streamer.families.chain.codec import (
    ChainCodec,
    fitted_codec,
    normalised_entropy,
    published_codec,
)
from streamer.music.notes import ARGUMENTS, NoteArray
from training.corpora.corpus import FoundPieces, Piece, Selection, read_corpus
from training.corpora.reading import Progress, no_progress
from training.corpora.splits import SPLITS
from training.corpora.works import split_works
from training.families.chain.tensors import PieceInfo, TensorSet

CODECS = ("published", "fitted")


@dataclass(frozen=True)
class PrepareOptions:
    """How a corpus is made into tensors.

    Attributes:
        seed: Of the split; the same seed keeps each composition in its split.
        valid: Share of the compositions for validation, 0..1.
        test: Share of the compositions for the last test, 0..1.
        codec: ``published``, or ``fitted`` to the training pieces.
        selection: Which files and notes.
    """

    seed: int = 0
    valid: float = 0.05
    test: float = 0.05
    codec: str = "published"
    selection: Selection = field(default_factory=Selection)

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ValueError(f"codec must be one of {', '.join(CODECS)}, not {self.codec!r}")
        split_works((), self.seed, self.valid, self.test)


def prepare(
    sources: Sequence[Path],
    options: PrepareOptions = PrepareOptions(),
    *,
    processes: int | None = None,
    progress: Progress = no_progress,
) -> TensorSet:
    """Read corpora and return them as tensors; their report says what was left out.

    Args:
        sources: Folders, archives or files.
        options: See there.
        processes: See :func:`training.corpora.corpus.read_corpus`.
        progress: See there.

    Raises:
        DataError: A source cannot be read, or nothing in any of them is usable.
    """
    corpus = read_corpus(sources, options.selection, processes=processes, progress=progress)
    if not corpus.pieces:
        raise DataError(_nothing_usable(sources, corpus))
    works = [piece.work_key for piece in corpus.pieces]
    splits = split_works(works, options.seed, options.valid, options.test)
    training = [piece.notes for piece in corpus.pieces if splits[piece.work_key] == "train"]
    codec = published_codec() if options.codec == "published" else _fit(training)
    report = _report(corpus, splits, codec, options)
    infos = [
        PieceInfo(p.file, p.corpus, p.work_key, p.licence, splits[p.work_key])
        for p in corpus.pieces
    ]
    notes = [piece.notes for piece in corpus.pieces]
    return TensorSet.from_pieces(notes, infos, codec, report)


def _fit(training: Sequence[NoteArray]) -> ChainCodec:
    return fitted_codec([notes for notes in training if len(notes)])


def _nothing_usable(sources: Sequence[Path], corpus: FoundPieces) -> str:
    where = ", ".join(map(str, sources))
    if not corpus.skipped:
        return f"{where}: no MIDI files (.mid) in there; name a folder or archive that has some"
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(corpus.reasons.items()))
    first = corpus.skipped[0]
    return (
        f"{where}: none of {len(corpus.skipped)} MIDI files is usable ({counts});"
        f" the first, {first.file}: {first.text}"
    )


def _report(
    corpus: FoundPieces, splits: dict[str, str], codec: ChainCodec, options: PrepareOptions
) -> dict[str, Any]:
    """Return plain data: what was taken, what was left out and why, and with which options."""
    by_split: dict[str, list[Piece]] = {split: [] for split in SPLITS}
    by_corpus: dict[str, list[Piece]] = defaultdict(list)
    for piece in corpus.pieces:
        by_split[splits[piece.work_key]].append(piece)
        by_corpus[piece.corpus].append(piece)
    return {
        "files": len(corpus.pieces) + len(corpus.skipped),
        "kept": len(corpus.pieces),
        "reasons": dict(sorted(corpus.reasons.items())),
        "remarks": [asdict(entry) for entry in corpus.remarks],
        "note_changes": dict(sorted(corpus.changes.items())),
        "joined_works": corpus.joined,
        "splits": {split: _summary(pieces) for split, pieces in by_split.items()},
        "corpora": {name: _summary(pieces) for name, pieces in sorted(by_corpus.items())},
        "licences": dict(
            sorted(Counter(piece.licence or "not stated" for piece in corpus.pieces).items())
        ),
        "codec": codec.name,
        "codec_fingerprint": codec.fingerprint,
        "normalised_entropy": _balance(by_split["train"], codec),
        "skipped": [asdict(entry) for entry in corpus.skipped],
        "options": asdict(options),
    }


def _summary(pieces: Sequence[Piece]) -> dict[str, float]:
    ends = [float((p.notes["onset_ms"] + p.notes["duration_ms"]).max()) for p in pieces]
    return {
        "pieces": len(pieces),
        "works": len({piece.work_key for piece in pieces}),
        "notes": sum(len(piece.notes) for piece in pieces),
        "hours": round(sum(ends) / 3.6e6, 3),
    }


def _balance(pieces: Sequence[Piece], codec: ChainCodec) -> dict[str, float]:
    """Return H/ln K of each argument's classes over the training pieces (docs/design/chain.md)."""
    if not pieces:
        return {}
    classes = np.concatenate([codec.encode(piece.notes) for piece in pieces])
    return {
        name: round(normalised_entropy(classes[:, i], size), 4)
        for i, (name, size) in enumerate(zip(ARGUMENTS, codec.sizes, strict=True))
    }
