"""The tune file: melodic tracks with their styles, as plain columns to train and fit with.

``perpetuo prepare tunes`` writes it (reader.py), the tune families, the filters and the
performance layer read it. One ``.npz`` with one row a note, where each track begins, and a JSON
text with what each track is (file, corpus, work, licence, split, style, ...) and the codec.

Two things are kept of each note: what the models learn (pitch and length, see
:mod:`streamer.families.tunes.codec`) and how it was played (velocity, articulation, deviation,
position), which the performance layer learns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.families.tunes.codec import END, PITCH_CLASSES, TUNE_DTYPE, TuneArray, TuneCodec
from streamer.families.tunes.melody import octave_shift
from training.corpora.prepared import FileKind, summary_by_collection
from training.corpora.splits import checked_split, in_split

FILE = FileKind(holds="tunes", name="tune file", mark="tunes")

TRACK_DTYPE = np.dtype(
    [
        ("pitch", np.uint8),
        ("length", np.uint16),
        ("velocity", np.uint8),
        ("articulation", np.float32),
        ("deviation", np.float32),
        ("position", np.float32),
    ]
)
"""One note of a track, as the columns of :class:`TuneSet` say."""

_COLUMNS = ("offsets", *(TRACK_DTYPE.names or ()))

TRANSPOSITIONS = range(-6, 6)
"""How far training moves a tune, semitones, before its median goes back into 60..71."""

LENGTHS_IN_CODEC, COVERED = 47, 0.999
"""The codec has at most this many lengths, and as many as cover this share of the notes."""

_RANGES = (
    ("pitch", 0, 127),
    ("velocity", 1, 127),
    ("articulation", 0.0, 2.0),
    ("deviation", -4.0, 4.0),
    ("position", 0.0, 64.0),
)


@dataclass(frozen=True)
class TuneInfo:
    """What a track is. Beats are quarter notes.

    Attributes:
        file: Path inside its corpus.
        corpus: Name of the corpus.
        work_key: The composition; its tracks and arrangements share it and stay in one split.
        licence: As the corpus states it, or empty.
        split: ``train``, ``valid`` or ``test``.
        style: Style label.
        programme: General MIDI family, 0..15 (8 programs each).
        unit_beats: What twelve twelfths of length are, in beats.
        bpm: Beats a minute.
        metre: Beats in a bar.
        track: Number and name of the file's track, as in ``2 MELODY``.
    """

    file: str
    corpus: str
    work_key: str
    licence: str
    split: str
    style: str
    programme: int
    unit_beats: float
    bpm: float
    metre: float
    track: str

    def __post_init__(self) -> None:
        checked_split(self.split)
        if not 0 <= self.programme <= 15:
            raise ValueError(f"programme must be in range 0..15, not {self.programme}")
        for name in ("unit_beats", "bpm", "metre"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class TuneSet:
    """Melodic tracks, normalised.

    Attributes:
        pitch: MIDI numbers, ``(notes,)`` uint8; each track's median lies in 60..71.
        length: Time to the next onset in twelfths of the track's unit, ``(notes,)`` uint16; END
            (0) in each track's last note.
        velocity: 1..127, ``(notes,)`` uint8, as in the file.
        articulation: Sounding time over time to the next onset, ``(notes,)`` float32, 0..2.
        deviation: Onset as played minus onset as written, beats, ``(notes,)`` float32; 0 where
            the corpus is quantised.
        position: Onset as written from the start of its bar, beats, ``(notes,)`` float32.
        offsets: First row of each track and the end, ``(tracks + 1,)`` int64.
        tracks: One entry a track.
        styles: All style labels, sorted.
        codec: Classes for models trained on this file.
        report: What was left out, by reason, and the options of the run.
    """

    pitch: NDArray[np.uint8]
    length: NDArray[np.uint16]
    velocity: NDArray[np.uint8]
    articulation: NDArray[np.float32]
    deviation: NDArray[np.float32]
    position: NDArray[np.float32]
    offsets: NDArray[np.int64]
    tracks: tuple[TuneInfo, ...]
    styles: tuple[str, ...]
    codec: TuneCodec
    report: dict[str, Any]

    @classmethod
    def from_tracks(
        cls,
        notes: Sequence[NDArray[Any]],
        tracks: Sequence[TuneInfo],
        codec: TuneCodec | None = None,
        report: dict[str, Any] | None = None,
    ) -> TuneSet:
        """Pack tracks.

        Args:
            notes: :data:`TRACK_DTYPE` rows of each track, END in the last row and only there.
            tracks: What each is.
            codec: None fits one, see :func:`fit_codec`.
            report: See the class.
        """
        if len(notes) != len(tracks):
            raise ValueError(f"{len(notes)} note arrays for {len(tracks)} tracks")
        rows = np.concatenate([np.empty(0, TRACK_DTYPE), *notes])
        return cls(
            pitch=rows["pitch"].copy(),
            length=rows["length"].copy(),
            velocity=rows["velocity"].copy(),
            articulation=rows["articulation"].copy(),
            deviation=rows["deviation"].copy(),
            position=rows["position"].copy(),
            offsets=np.cumsum([0, *(len(n) for n in notes)], dtype=np.int64),
            tracks=tuple(tracks),
            styles=tuple(sorted({track.style for track in tracks})),
            codec=codec or fit_codec(notes),
            report=report or {},
        )

    def __len__(self) -> int:
        return len(self.tracks)

    def indices(self, split: str, style: str | None = None) -> list[int]:
        """Return the tracks of a split, of one style or of all."""
        found = in_split(self.tracks, split)
        return [i for i in found if style in (None, self.tracks[i].style)]

    def rows(self, index: int) -> NDArray[Any]:
        """Return one track as :data:`TRACK_DTYPE` rows."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        out = np.zeros(part.stop - part.start, dtype=TRACK_DTYPE)
        for name in TRACK_DTYPE.names or ():
            out[name] = getattr(self, name)[part]
        return out

    def tune(self, index: int) -> TuneArray:
        """Return one track as a tune."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        out = np.zeros(part.stop - part.start, dtype=TUNE_DTYPE)
        out["pitch"], out["length"] = self.pitch[part], self.length[part]
        return out

    def summary(self) -> dict[str, Any]:
        """Return tracks, notes and licences by collection."""
        lengths = np.diff(self.offsets).tolist()
        return summary_by_collection(zip(self.tracks, lengths, strict=True))

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        meta = {
            "codec": self.codec.to_dict(),
            "codec_fingerprint": self.codec.fingerprint,
            "tracks": [asdict(track) for track in self.tracks],
            "styles": self.styles,
            "report": self.report,
        }
        FILE.write(path, meta, {name: getattr(self, name) for name in _COLUMNS})

    @classmethod
    def load(cls, path: Path) -> TuneSet:
        """Read a tune file.

        Raises:
            DataError: It is missing, damaged, of another kind or format, or its codec was changed.
        """
        meta, columns = FILE.read(path, _COLUMNS)
        codec = TuneCodec.from_dict(meta["codec"])
        if codec.fingerprint != meta["codec_fingerprint"]:
            raise FILE.wrong(path, "class tables do not match their fingerprint")
        tracks = tuple(TuneInfo(**track) for track in meta["tracks"])
        for problem in _problems(columns, len(tracks), codec):
            raise FILE.wrong(path, problem)
        return cls(
            **columns,
            tracks=tracks,
            styles=tuple(meta["styles"]),
            codec=codec,
            report=meta["report"],
        )


def fit_codec(
    notes: Sequence[NDArray[Any]], training: Sequence[NDArray[Any]] | None = None
) -> TuneCodec:
    """Return the classes that a corpus needs.

    Octaves are those that any note reaches when its tune is moved by :data:`TRANSPOSITIONS`;
    lengths are the most frequent ones, until :data:`COVERED` of the notes have theirs.

    Args:
        notes: All tracks, :data:`TRACK_DTYPE` rows.
        training: The tracks that say which lengths there are; None takes all.

    Raises:
        ValueError: There is no note that has a length.
    """
    counts: Counter[int] = Counter()
    lows, highs = [], []
    for track in notes if training is None else training:
        counts.update(track["length"][track["length"] != END].tolist())
    for track in notes:
        for semitones in TRANSPOSITIONS:
            moved = transposed(track["pitch"], semitones)
            lows.append(moved.min() // PITCH_CLASSES)
            highs.append(moved.max() // PITCH_CLASSES)
    if not counts:
        raise ValueError("no note has a length")
    lengths: list[int] = []
    covered, total = 0, counts.total()
    for length, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= COVERED * total or len(lengths) == LENGTHS_IN_CODEC:
            break
        lengths.append(length)
        covered += count
    low = max(0, int(min(lows)))
    high = min(9, int(max(highs)))
    return TuneCodec(low, high - low + 1, tuple(sorted(lengths)))


def transposed(pitch: NDArray[np.uint8], semitones: int) -> NDArray[np.int64]:
    """Return pitches moved by ``semitones`` and then by octaves until their median is in 60..71."""
    moved = pitch.astype(np.int64) + semitones
    return moved + octave_shift(moved)


def _problems(columns: dict[str, NDArray[Any]], tracks: int, codec: TuneCodec) -> Iterator[str]:
    """Yield what no track can have: found here, it costs a line; later, a training."""
    notes, offsets = len(columns["pitch"]), columns["offsets"]
    if any(len(column) != notes for name, column in columns.items() if name != "offsets"):
        yield "its columns are not of equal length"
        return
    if len(offsets) != tracks + 1 or offsets[0] != 0 or offsets[-1] != notes:
        yield f"its {tracks} tracks do not cover its {notes} notes"
        return
    if (np.diff(offsets) <= 0).any():
        yield "its tracks overlap or are empty"
        return
    for name, low, high in _RANGES:
        column = columns[name]
        wrong = ~((column >= low) & (column <= high))  # NaN is in no range
        if wrong.any():
            yield f"{name} must be in range {low:g}..{high:g}, not {column[wrong][0]}"
    last = np.zeros(notes, dtype=np.bool_)
    last[offsets[1:] - 1] = True
    if ((columns["length"] == END) != last).any():
        yield "a track does not end where its last note says"
    low, high = codec.pitch_range
    if notes and (columns["pitch"].min() < low or columns["pitch"].max() > high):
        yield f"pitch must be in the codec's range {low}..{high}"
