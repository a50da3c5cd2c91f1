"""A made corpus of piano pieces, a few kilobytes: to try training and export without any file."""

from __future__ import annotations

import numpy as np

from streamer.families.chain.codec import published_codec
from streamer.music.notes import NOTE_DTYPE, NoteArray
from training.families.chain.tensors import PieceInfo, TensorSet

_SPLITS = ("train", "train", "train", "train", "valid", "test")
_NOTES = 90
_CHORD = (0, 4, 7, 12, 16)


def tiny_pieces() -> TensorSet:
    """Return six pieces of broken chords, four of them to train on; always the same."""
    infos = [
        PieceInfo(f"{i}.mid", "made", f"work {i}", "CC0-1.0", split)
        for i, split in enumerate(_SPLITS)
    ]
    return TensorSet.from_pieces([_piece(i) for i in range(len(infos))], infos, published_codec())


def _piece(seed: int) -> NoteArray:
    rng = np.random.default_rng(seed)
    notes = np.zeros(_NOTES, NOTE_DTYPE)
    bar = np.arange(_NOTES) // 8
    notes["onset_ms"] = np.cumsum(rng.choice([0, 120, 250, 480], _NOTES))
    notes["duration_ms"] = rng.choice([110, 240, 700], _NOTES)
    notes["pitch"] = 50 + 5 * (bar % 3) + rng.choice(_CHORD, _NOTES)
    notes["velocity"] = 60 + 8 * (bar % 2) + rng.integers(-6, 7, _NOTES)
    notes["pedal"] = bar % 2
    return notes
