"""MIDI files -> one score file: what ``perpetuo prepare scores`` does.

Files are found as for any corpus (:mod:`training.corpora.sources`), read in quarter notes
(:mod:`streamer.midi.beatfile`), chosen by path and licence, freed of copies, and split by
composition (:mod:`training.corpora.works`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.midi.beatfile import BeatPiece
from training.corpora.reading import (
    FileOptions,
    FoundFile,
    Progress,
    Record,
    Refused,
    no_progress,
    read_files,
    with_splits,
)
from training.corpora.splits import SPLITS
from training.families.windows.scoreset import ScoreInfo, ScoreSet

LEAST_SCORE_NOTES = 16
_LABELS_KEPT = ("title", "style", "genre", "keys", "source", "timing", "variant", "name", "artist")


@dataclass(frozen=True)
class ScoreOptions(FileOptions):
    """Which files are taken, and what of them.

    Attributes:
        tracks: Names of tracks to take, in any case; none takes all.
        drums: Whether channel 10 is kept.
    """

    tracks: tuple[str, ...] = ()
    drums: bool = False


@dataclass
class _Found(Record):
    notes: list[NDArray[Any]] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)


def read_scores(
    sources: Sequence[Path],
    options: ScoreOptions = ScoreOptions(),
    *,
    progress: Progress = no_progress,
) -> ScoreSet:
    """Read corpora into a score set.

    Args:
        sources: Folders, archives or files. Of copies the first is kept.
        options: What to take.
        progress: Called with the files read and the files found.

    Raises:
        DataError: A source cannot be read, or nothing in any of them is usable.
    """
    found = _Found()
    read_files(sources, lambda file: _take(file, options, found), found, progress)
    if not found.notes:
        raise found.nothing(sources, "usable MIDI file")
    infos = with_splits(ScoreInfo, found.infos, options)
    return ScoreSet.from_pieces(found.notes, infos, _report(found, infos, options))


def _take(source: FoundFile, options: ScoreOptions, found: _Found) -> None:
    """Read one file into ``found`` (:class:`Refused` and what keeps it from being read)."""
    licence = source.licence or options.licence
    options.check_path(source.file)
    options.check_licence(licence)
    piece = source.beats()
    notes = _choose(piece, options)
    if len(notes) < LEAST_SCORE_NOTES:
        raise Refused("too-short", f"{len(notes)} notes; at least {LEAST_SCORE_NOTES}")
    digest = hashlib.sha256(np.ascontiguousarray(notes[["onset", "pitch"]]).tobytes()).digest()
    if digest in found.seen:
        raise Refused("duplicate", "the same notes as another file")
    found.seen.add(digest)
    found.notes.append(notes)
    found.infos.append(
        {
            "file": source.file,
            "corpus": source.corpus,
            "work_key": source.work_key,
            "licence": licence,
            "metres": tuple((m.onset, m.beats, m.unit) for m in piece.metres),
            "bpm": _mean_tempo(piece, notes),
            "labels": {key: source.labels[key] for key in _LABELS_KEPT if source.labels.get(key)},
        }
    )


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
        "files": found.files,
        "kept": len(infos),
        "splits": splits,
        **found.report((info.licence for info in infos), options),
    }
