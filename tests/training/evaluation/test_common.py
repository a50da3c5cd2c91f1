"""Bits on a common quantisation: fine and coarse classes that know the same cost the same."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.families.chain.codec import ChainCodec, ClassTable, published_codec
from streamer.music.notes import ARGUMENTS
from tests.training.evaluation.pieces import tune
from training.evaluation.common import Grid, cell_shares, note_bits, seconds_of


def codec_of(shift: tuple[int, ...]) -> ChainCodec:
    known = published_codec()
    return ChainCodec("made", ClassTable(shift), known.duration, known.velocity)


def even_logs(codec: ChainCodec, notes: int) -> tuple[np.ndarray, ...]:
    """Return log-probabilities of a model that knows nothing but how long each class is."""
    logs = []
    for m, size in enumerate(codec.sizes):
        tables = {1: codec.shift, 2: codec.duration, 3: codec.velocity}
        widths = tables[m].widths if m in tables else np.ones(size)
        logs.append(np.tile(np.log(widths / widths.sum()), (notes, 1)))
    return tuple(logs)


def test_a_cell_takes_of_each_class_the_part_that_lies_in_it():
    row, shares = cell_shares(ClassTable((0, 4, 30, 40)), np.array([1.0, 12.0, 35.0, 99.0]), 10.0)
    assert [0, 1, 2, 2] == row.tolist()
    np.testing.assert_allclose(shares, [[1, 6 / 26, 0], [0, 10 / 26, 0], [0, 0, 1]])


def test_classes_that_know_the_same_cost_the_same_whatever_their_size():
    """An even density over 1,000 ms costs log2(100) bits at 10 ms, in 2, 7 or 1,000 classes."""
    piece = tune(1, 50)
    piece["onset_ms"] = np.arange(50) * 305.0
    for edges in ((0, 500, 1000), (0, 1, 10, 17, 300, 600, 900, 1000), tuple(range(0, 1001, 5))):
        codec = codec_of(edges)
        bits = note_bits(even_logs(codec, 50), piece, codec)
        np.testing.assert_allclose(bits[:, ARGUMENTS.index("shift")], np.log2(100.0))


def test_a_coarser_grid_asks_less():
    piece, codec = tune(2, 80), published_codec()
    logs = even_logs(codec, 80)
    fine, coarse = (note_bits(logs, piece, codec, grid).sum() for grid in
                    (Grid(), Grid(40.0, 40.0, 16.0)))  # fmt: skip
    assert coarse < fine
    assert fine > 0


def test_seconds_are_from_the_first_onset_to_the_last_release():
    piece = tune(3, 10)
    piece["onset_ms"] += 5000.0
    last = float((piece["onset_ms"] + piece["duration_ms"]).max())
    assert seconds_of(piece) == pytest.approx((last - float(piece["onset_ms"][0])) / 1000)
