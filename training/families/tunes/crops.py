"""Crops of tunes for training: each epoch cuts every track anew, moves it, and follows it.

A track is cut into pieces of at most ``crop`` notes. A batch row plays the pieces of a track one
after another and then takes the next track, so that the model's state can be carried from batch to
batch: it learns to play on for longer than it learns from at a time. A crop knows the note before
it (none at a track's start) and holds END only where the track's end is in it.

In: a :class:`TuneSet`. Out: torch tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streamer.errors import DataError
from streamer.families.tunes.codec import TUNE_ARGUMENTS, to_tune
from training.families.tunes.tuneset import TRANSPOSITIONS, TuneSet, transposed

_FILL = 0.95
"""How full crops may be on average: the rest is room to draw the cuts in."""


class Crops(NamedTuple):
    """A batch of B crops of at most N notes.

    ``classes`` ``(B, N, 3)`` int64; ``before`` ``(B, 3)`` the note before each crop, -1 for none;
    ``lengths`` ``(B,)`` the notes of each, at least 1; ``style`` ``(B, S)`` float32, 1 for the
    track's own; ``programme`` ``(B,)`` int64, its instrument family. Where ``before`` is a note,
    the crop goes on where the same row of the last batch ended.

    ``heard`` ``(B, W, 3)`` int64 and ``heard_lengths`` ``(B,)`` are what the encoder hears of each
    track, the same for all its crops; ``share`` ``(B,)`` float32 is the crop's part of the track.
    """

    classes: Tensor
    before: Tensor
    lengths: Tensor
    style: Tensor
    programme: Tensor
    heard: Tensor
    heard_lengths: Tensor
    share: Tensor

    def previous(self) -> Tensor:
        """Return the note before each note, ``(B, N, 3)``, -1 where there is none."""
        return torch.cat((self.before[:, None], self.classes[:, :-1]), dim=1)

    def padded(self, notes: int, heard: int) -> Crops:
        """Return the batch with room for ``notes``, of which ``heard`` are heard."""
        return self._replace(classes=_room(self.classes, notes), heard=_room(self.heard, heard))

    def to(self, device: torch.device) -> Crops:
        """Return the batch on another device."""
        return Crops(*(x.to(device, non_blocking=True) for x in self))


class _Crop(NamedTuple):
    classes: NDArray[np.uint8]
    before: NDArray[Any]
    track: int
    heard: NDArray[np.uint8]
    share: float


def cuts(notes: int, crop: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return where a track is cut: from 0 to ``notes``, at most ``crop`` apart."""
    pieces = max(1, int(np.ceil(notes / (_FILL * crop)))) if notes > crop else 1
    even = np.linspace(0, notes, pieces + 1)
    room = max(0.0, (crop - 1 - notes / pieces) / 2)
    even[1:-1] += rng.uniform(-room, room, pieces - 1)
    return even.round().astype(np.int64)


def moved_classes(tunes: TuneSet, index: int, semitones: int) -> NDArray[np.uint8]:
    """Return a track's classes, transposed and moved back by octaves, ``(notes, 3)``.

    A move that would leave the codec's octaves is left out.
    """
    tune = tunes.tune(index)
    pitch = transposed(tune["pitch"], semitones)
    low, high = tunes.codec.pitch_range
    if pitch.min() < low or pitch.max() > high:
        return tunes.codec.encode(tune)
    return tunes.codec.encode(to_tune(pitch, tune["length"]))


def style_weights(tunes: TuneSet, indices: Sequence[int]) -> Tensor:
    """Return 1 for each track's own style, ``(tracks, S)`` float32.

    Raises:
        DataError: A track's style is not among those of the file.
    """
    out = torch.zeros(len(indices), len(tunes.styles))
    for row, index in enumerate(indices):
        track = tunes.tracks[index]
        if track.style not in tunes.styles:
            raise DataError(
                f"{track.file}: style {track.style!r} is none of {', '.join(tunes.styles)};"
                " make the tunes again with perpetuo prepare tunes"
            )
        out[row, tunes.styles.index(track.style)] = 1.0
    return out


def balanced(
    tunes: TuneSet, indices: Sequence[int], balance: float, rng: np.random.Generator
) -> list[int]:
    """Return tracks of which those of small styles come more than once.

    Args:
        tunes: The corpus.
        indices: Tracks to draw from; each comes at least once.
        balance: 0 leaves them as they are, 1 gives each style as many notes as the largest.
        rng: Decides who comes once more where the number is not whole.
    """
    lengths = np.diff(tunes.offsets)
    notes: dict[str, int] = {}
    for i in indices:
        style = tunes.tracks[i].style
        notes[style] = notes.get(style, 0) + int(lengths[i])
    largest = max(notes.values(), default=0)
    out: list[int] = []
    for i in indices:
        times = float((largest / notes[tunes.tracks[i].style]) ** balance)
        out += [i] * int(times + rng.random())
    return out


def epoch_crops(
    tunes: TuneSet,
    indices: Sequence[int],
    seed: int,
    *,
    rows: int,
    crop: int,
    transpose: bool,
    balance: float = 0.0,
    hear: int = 0,
) -> Iterator[Crops]:
    """Yield the batches of one epoch; the same seed gives the same batches.

    The epoch ends when a row is free and no track is left; what other rows had not yet played is
    left out.

    Args:
        tunes: The corpus.
        indices: Tracks to cut.
        seed: Decides cuts, moves and order.
        rows: Crops in a batch; fewer tracks make fewer rows.
        crop: Most notes of a crop.
        transpose: Whether tracks are moved.
        balance: See :func:`balanced`.
        hear: Most notes that the encoder hears of a track, a window drawn for all its crops; 0
            lets it hear each crop, which then is a track of its own to it.
    """
    rng = np.random.default_rng(seed)
    waiting = balanced(tunes, indices, balance, rng)
    rng.shuffle(waiting)
    playing: list[Iterator[_Crop]] = [iter(()) for _ in range(min(rows, len(waiting)))]
    while playing:
        batch = []
        for row, pieces in enumerate(playing):
            piece = next(pieces, None)
            if piece is None:
                if not waiting:
                    return
                move = int(rng.choice(TRANSPOSITIONS)) if transpose else 0
                playing[row] = _pieces(tunes, waiting.pop(), crop, move, rng, hear)
                piece = next(playing[row])
            batch.append(piece)
        yield collate(tunes, batch)


def _pieces(
    tunes: TuneSet, index: int, crop: int, move: int, rng: np.random.Generator, hear: int
) -> Iterator[_Crop]:
    classes = moved_classes(tunes, index, move)
    places = cuts(len(classes), crop, rng)
    none = np.full(len(TUNE_ARGUMENTS), -1)
    window = _window(classes, hear, rng)
    for a, b in zip(places[:-1], places[1:], strict=True):
        part = classes[a:b]
        heard, share = (window, (b - a) / len(classes)) if hear else (part, 1.0)
        yield _Crop(part, classes[a - 1] if a else none, index, heard, share)


def _window(classes: NDArray[np.uint8], notes: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    first = int(rng.integers(max(1, len(classes) - notes + 1))) if notes else 0
    return classes[first : first + notes]


def heard_window(
    tunes: TuneSet, index: int, notes: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return what training lets the encoder hear of a track: a window of it, moved by chance."""
    move = int(rng.choice(TRANSPOSITIONS))
    return _window(moved_classes(tunes, index, move), notes, rng)


def whole_tracks(tunes: TuneSet, indices: Sequence[int]) -> Crops:
    """Return tracks from start to end, as they stand, as one batch."""
    none = np.full(len(TUNE_ARGUMENTS), -1)
    whole = [(tunes.codec.encode(tunes.tune(i)), i) for i in indices]
    return collate(tunes, [_Crop(classes, none, i, classes, 1.0) for classes, i in whole])


def collate(tunes: TuneSet, crops: Sequence[_Crop]) -> Crops:
    """Return crops side by side, padded behind with class 0."""
    tracks = [c.track for c in crops]
    heard = [c.heard for c in crops]
    return Crops(
        padded([c.classes for c in crops]),
        torch.tensor(np.stack([c.before for c in crops]), dtype=torch.long),
        torch.tensor([len(c.classes) for c in crops]),
        style_weights(tunes, tracks),
        torch.tensor([tunes.tracks[i].programme for i in tracks]),
        padded(heard),
        torch.tensor([len(x) for x in heard]),
        torch.tensor([c.share for c in crops], dtype=torch.float32),
    )


def _room(classes: Tensor, notes: int) -> Tensor:
    return F.pad(classes, (0, 0, 0, max(0, notes - classes.shape[1])))


def padded(parts: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Return classes side by side, ``(B, N, 3)`` int64, padded behind with class 0."""
    out = np.zeros((len(parts), max(map(len, parts)), len(TUNE_ARGUMENTS)), dtype=np.int64)
    for row, part in enumerate(parts):
        out[row, : len(part)] = part
    return torch.from_numpy(out)
