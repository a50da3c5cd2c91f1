"""Rows of an epoch end close together, whatever part of the pieces is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.families.chain.codec import published_codec
from streamer.music.notes import NOTE_DTYPE, NoteArray
from tests.training.test_chain_training import made_tensors
from training.families.chain.batches import Augmentation, Window, epoch
from training.families.chain.tensors import PieceInfo, TensorSet

ROWS, STEPS = 4, 8
LENGTHS = [*[20] * 24, 120]
STILL = Augmentation(0, 0.0, 0)


def corpus() -> TensorSet:
    """Return training pieces of :data:`LENGTHS`, each of a pitch of its own."""
    pieces: list[NoteArray] = []
    for index, length in enumerate(LENGTHS):
        piece = np.zeros(length, NOTE_DTYPE)
        piece["onset_ms"] = 100.0 * np.arange(length)
        piece["duration_ms"], piece["velocity"], piece["pitch"] = 90, 64, 30 + index
        pieces.append(piece)
    about = [PieceInfo(f"{i}.mid", "made", f"work{i}", "", "train") for i in range(len(pieces))]
    return TensorSet.from_pieces(pieces, about, published_codec())


def drawn(seed: int) -> list[Window]:
    return list(epoch(corpus(), range(len(LENGTHS)), STILL, seed, batch=ROWS, steps=STEPS))


@pytest.mark.parametrize("seed", range(6))
def test_a_long_piece_does_not_play_on_alone(seed: int) -> None:
    """600 notes in 4 rows are 150 a row, which no dealing of these pieces misses by a piece."""
    weight = np.concatenate([window.weight.numpy() for window in drawn(seed)])
    notes = weight.sum(axis=0)
    assert notes.sum() == sum(LENGTHS)
    assert notes.max() - notes.min() <= min(LENGTHS)


def test_every_piece_is_played_whole_and_once_and_seeds_differ_in_the_order() -> None:
    orders = []
    for seed in range(6):
        windows = drawn(seed)
        pitch = np.concatenate([w.current[..., 0].numpy() for w in windows]).T
        weight = np.concatenate([w.weight.numpy() for w in windows]).T > 0
        keep = np.concatenate([w.keep.numpy() for w in windows]).T
        rows = [row[here].tolist() for row, here in zip(pitch, weight, strict=True)]
        played = [one for row in rows for one in row]
        assert sorted(LENGTHS) == sorted(played.count(one) for one in set(played))
        assert len(LENGTHS) == (keep == 0).sum()
        assert len(LENGTHS) == sum(1 + int(np.count_nonzero(np.diff(row))) for row in rows)
        orders.append(rows[0])
    assert 6 == len({tuple(order) for order in orders})
    # The long piece is dealt first, and does not begin its row in every epoch.
    assert 1 < len({row.index(max(played)) for row in orders if max(played) in row})


def test_a_baseline_trains_on_the_share_that_it_is_told(tmp_path: Path) -> None:
    """A run of half the pieces takes half the updates, and its schedule ends with them."""
    made_tensors(10).save(tmp_path / "tensors.npz")
    updates = {}
    for share in ("1", "0.5"):
        line = ["train", "baseline", "gated", "--tensors", str(tmp_path / "tensors.npz")]
        line += ["-o", str(tmp_path / share), "--share", share, "--width", "8", "--layers", "1"]
        line += ["--epochs", "1", "--batch", "2", "--steps", "16", "--device", "cpu"]
        assert 0 == main([*line, "--threads", "1"])
        row = json.loads((tmp_path / share / "metrics.jsonl").read_text())
        updates[share] = row["update"]
        assert row["learning_rate"] == pytest.approx(1e-3 * 0.02, rel=0.5)
    assert updates["0.5"] == pytest.approx(updates["1"] / 2, abs=1)


def test_a_share_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "baseline", "gated", "--tensors", "x.npz", "-o", str(tmp_path)]
    assert 2 == main([*line, "--share", "0"])
    assert "must be in range 1e-09..1, not 0" in capsys.readouterr().err
