"""The band file: a prepared corpus of four-track songs, and the windows that are cut out of it.

``perpetuo prepare bands`` writes it, training and export of ``musae`` read it. One ``.npz`` with
the states of every song, step after step (:func:`streamer.families.bands.codec.song_states`, every
strike kept), where each begins, and a JSON text with what each is. Windows of any number of bars,
in either way of writing held notes, are cut at reading ([Valenti2020], section 4.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.bands.codec import BAR_STEPS as BAR_STEPS
from streamer.families.bands.codec import (
    HOLD,
    SILENCE,
    TRACKS,
    BandCodec,
    States,
    longest_silence,
    merge_repeats,
    sounding_pitches,
)
from streamer.families.bands.codec import STEPS_PER_BEAT as STEPS_PER_BEAT
from training.corpora.prepared import FileKind, summary_by_collection
from training.corpora.splits import checked_split, in_split

FILE = FileKind(holds="bands", name="band file", mark="bands")


@dataclass(frozen=True)
class BandInfo:
    """Where a song comes from, and what it is.

    Attributes:
        file: Path inside its corpus.
        corpus: Name of the corpus.
        work_key: The composition; versions of one work share it and stay in one split.
        licence: As the corpus states it, or empty.
        split: ``train``, ``valid`` or ``test``.
        bpm: Quarter notes a minute; the mean over the song where the tempo moves.
        tags: Genres; none where nothing is known.
        programs: General MIDI programme of each track, 0..127.
        notes: Strikes of each track.
        take: Which combination of the file's bass and harmony tracks this is, from 0.
    """

    file: str
    corpus: str
    work_key: str
    licence: str
    split: str
    bpm: float
    tags: tuple[str, ...]
    programs: tuple[int, ...]
    notes: tuple[int, ...]
    take: int = 0

    def __post_init__(self) -> None:
        checked_split(self.split)


@dataclass(frozen=True)
class BandSet:
    """A prepared corpus of bands.

    Attributes:
        states: ``(steps of all songs, 4)`` uint8, song after song.
        offsets: First step of each song and the end, ``(songs + 1,)`` int64.
        pieces: One entry a song.
        report: Counts by reason of what was left out, and the options of the run.
    """

    states: States
    offsets: NDArray[np.int64]
    pieces: tuple[BandInfo, ...]
    report: dict[str, Any]

    @classmethod
    def from_songs(
        cls,
        songs: Sequence[States],
        pieces: Sequence[BandInfo],
        report: dict[str, Any] | None = None,
    ) -> BandSet:
        """Pack the states of songs."""
        if len(songs) != len(pieces):
            raise ValueError(f"{len(songs)} songs for {len(pieces)} entries")
        states = np.concatenate([np.empty((0, len(TRACKS)), np.uint8), *songs])
        offsets = np.cumsum([0, *(len(song) for song in songs)], dtype=np.int64)
        return cls(states, offsets, tuple(pieces), report or {})

    def __len__(self) -> int:
        return len(self.pieces)

    def indices(self, split: str) -> list[int]:
        """Return the songs of a split."""
        return in_split(self.pieces, split)

    def song(self, index: int) -> States:
        """Return the states of a song, ``(steps, 4)``."""
        return self.states[int(self.offsets[index]) : int(self.offsets[index + 1])]

    def summary(self) -> dict[str, Any]:
        """Return files, notes and licences by corpus; takes of one file count once."""
        return summary_by_collection(
            (piece, sum(piece.notes) if piece.take == 0 else None) for piece in self.pieces
        )

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        meta = {
            "tracks": list(TRACKS),
            "steps_per_beat": STEPS_PER_BEAT,
            "pieces": [asdict(piece) for piece in self.pieces],
            "report": self.report,
        }
        FILE.write(path, meta, {"offsets": self.offsets, "states": self.states})

    @classmethod
    def load(cls, path: Path) -> BandSet:
        """Read a band file.

        Raises:
            DataError: It is missing, damaged, of another kind or format.
        """
        meta, columns = FILE.read(path, ("states", "offsets"))
        states, offsets = columns["states"], columns["offsets"]
        if meta["tracks"] != list(TRACKS):
            raise FILE.wrong(path, f"its tracks are {', '.join(meta['tracks'])}")
        rows = ("tags", "programs", "notes")
        pieces = tuple(
            BandInfo(**{**piece, **{name: tuple(piece[name]) for name in rows}})
            for piece in meta["pieces"]
        )
        whole = len(offsets) == len(pieces) + 1 and offsets[-1] == len(states)
        if not whole or states.ndim != 2 or states.shape[1] != len(TRACKS):
            raise FILE.wrong(path, f"its {len(pieces)} songs do not cover its states")
        if states.size and states.max() > SILENCE:
            raise FILE.wrong(path, f"states must be in range 0..{SILENCE}")
        return cls(states, offsets, pieces, meta["report"])


@dataclass(frozen=True)
class Windows:
    """Windows of a corpus.

    Attributes:
        states: ``(windows, steps, 4)`` uint8.
        song: The song that each is of, ``(windows,)``.
        codec: What the states mean.
        dropped: Windows left out, by reason.
    """

    states: States
    song: NDArray[np.int64]
    codec: BandCodec
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.states)


def cut_windows(bands: BandSet, indices: Sequence[int], codec: BandCodec) -> Windows:
    """Cut songs into windows, a new one at each bar ([Valenti2020], section 4.1).

    Left out, and counted: windows in which a track is silent for more than a bar on end
    (``silent-TRACK``, the first such), and those that equal an earlier one (``repeated``).

    Args:
        bands: The corpus.
        indices: Its songs to cut.
        codec: Length of a window, and how held notes are written.

    Raises:
        ValueError: The codec's steps are not the file's.
    """
    if codec.steps_per_beat != STEPS_PER_BEAT:
        raise ValueError(
            f"steps_per_beat must be {STEPS_PER_BEAT}, as in the band file, not"
            f" {codec.steps_per_beat}"
        )
    dropped: Counter[str] = Counter()
    found, owners = [np.empty((0, *codec.shape), np.uint8)], [np.empty(0, np.int64)]
    for index in indices:
        song = bands.song(index)
        kept = _of_song(song, codec, dropped)
        found.append(kept)
        owners.append(np.full(len(kept), index, dtype=np.int64))
    states, song_of = np.concatenate(found), np.concatenate(owners)
    if codec.hold == "release":
        states = merge_repeats(states)
    _, first = np.unique(
        states.reshape(len(states), codec.steps * len(TRACKS)), axis=0, return_index=True
    )
    if len(first) < len(states):
        dropped["repeated"] += len(states) - len(first)
    first.sort()
    return Windows(states[first], song_of[first], codec, dict(sorted(dropped.items())))


def _of_song(song: States, codec: BandCodec, dropped: Counter[str]) -> States:
    """Return the windows of a song in which every track plays."""
    starts = np.arange(0, len(song) - codec.steps + 1, BAR_STEPS)
    if not len(starts):
        dropped["too-short"] += 1
        return np.empty((0, *codec.shape), np.uint8)
    rows = starts[:, None] + np.arange(codec.steps)
    states, sounding = song[rows], sounding_pitches(song)
    held = states[:, 0] == HOLD
    states[:, 0][held] = sounding[starts][held]
    silent = longest_silence(states) > BAR_STEPS
    for track, name in enumerate(TRACKS):
        first = silent[:, track] & ~silent[:, :track].any(axis=1)
        if first.any():
            dropped[f"silent-{name}"] += int(first.sum())
    return np.asarray(states[~silent.any(axis=1)])
