"""Crops hold every note once, know what came before them, and stay on the codec's pitches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from streamer.errors import DataError
from tests.training.made_tunes import made_tunes
from training.families.tunes.crops import balanced, cuts, epoch_crops, moved_classes, whole_tracks


@pytest.mark.parametrize("notes", [1, 31, 32, 33, 40, 64, 65, 1000])
def test_cuts_cover_a_track_in_pieces_that_fit(notes: int) -> None:
    for seed in range(20):
        places = cuts(notes, 32, np.random.default_rng(seed))
        assert (places[0], places[-1]) == (0, notes)
        assert (np.diff(places) >= 1).all()
        assert np.diff(places).max() <= 32


def test_an_epoch_holds_every_note_once() -> None:
    tunes = made_tunes()
    indices = tunes.indices("train")
    batches = list(epoch_crops(tunes, indices, 0, rows=1, crop=32, transpose=False))
    notes = sum(int(b.lengths.sum()) for b in batches)
    assert sum(len(tunes.tune(i)) for i in indices) == notes
    ends = sum(int((b.classes[..., 2] == tunes.codec.end_class).sum()) for b in batches)
    assert ends == len(indices)


def test_a_crop_begins_with_the_note_before_it() -> None:
    tunes = made_tunes(tracks=2, notes=100)
    classes = tunes.codec.encode(tunes.tune(0)).astype(np.int64)
    starts = 0
    for crops in epoch_crops(tunes, [0], 3, rows=1, crop=32, transpose=False):
        crop = crops.classes[0, : crops.lengths[0]].numpy()
        places = [p for p in range(101) if np.array_equal(classes[p : p + len(crop)], crop)]
        befores = [classes[p - 1].tolist() if p else [-1, -1, -1] for p in places]
        assert crops.before[0].tolist() in befores
        assert crops.previous()[0, 1:].equal(crops.classes[0, :-1])
        starts += int(crops.before[0, 0] == -1)
    assert starts == 1


def test_the_same_epoch_gives_the_same_batches_and_another_one_others() -> None:
    tunes = made_tunes()

    def epoch(seed: int) -> list[torch.Tensor]:
        return [
            b.classes for b in epoch_crops(tunes, range(10), seed, rows=4, crop=32, transpose=True)
        ]

    assert all(a.equal(b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not all(a.equal(b) for a, b in zip(epoch(1), epoch(2), strict=True))


def test_a_moved_tune_keeps_its_intervals_and_its_median_octave() -> None:
    tunes = made_tunes()
    pitch = tunes.codec.decode(moved_classes(tunes, 1, 0))["pitch"].astype(int)
    for semitones in range(-6, 6):
        moved = tunes.codec.decode(moved_classes(tunes, 1, semitones))["pitch"].astype(int)
        assert np.array_equal(np.diff(pitch), np.diff(moved))
        assert (moved[0] - pitch[0] - semitones) % 12 == 0
        assert 60 <= np.median(moved) < 72


def test_small_styles_come_more_often_where_that_is_asked_for() -> None:
    tunes = made_tunes()
    few = [0, 1, 3, 5, 7]  # one track of "down"
    rng = np.random.default_rng(0)
    assert balanced(tunes, few, 0.0, rng) == few
    counts = [balanced(tunes, few, 1.0, rng).count(0) for _ in range(20)]
    assert 4 <= min(counts) <= max(counts) <= 5


def test_a_style_that_the_file_does_not_list_is_named() -> None:
    tunes = replace(made_tunes(), styles=("up",))
    with pytest.raises(DataError, match=r"0\.mid: style 'down' is none of up"):
        whole_tracks(tunes, [0])
