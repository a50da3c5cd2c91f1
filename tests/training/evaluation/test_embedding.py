"""The encoder's space: what is alike lies near, distances are those of the textbooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.cli import main
from streamer.errors import DataError
from tests.training.evaluation.pieces import tune
from training.evaluation.embedding import (
    WEIGHTS,
    Encoder,
    distances,
    excerpts_of,
    features,
    frechet,
    mmd,
)
from training.lab.encoder import EncoderConfig, _frozen, _Net, save_encoder

MOST_WEIGHTS_BYTES = 1_000_000


def test_the_frechet_distance_is_that_of_gaussians():
    """Two sets that differ by a shift: the square of it; by a factor: Σ(σ1 − σ2)²."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((400, 5))
    assert frechet(one, one) == pytest.approx(0.0, abs=1e-6)
    assert frechet(one, one + 2.0) == pytest.approx(20.0, abs=1e-6)
    spread = np.linalg.svd(one - one.mean(0), compute_uv=False) / np.sqrt(399)
    assert frechet(one, 3 * (one - one.mean(0)) + one.mean(0)) == pytest.approx(
        4 * (spread**2).sum(), rel=1e-3
    )


def test_the_discrepancy_is_0_on_average_for_two_halves_and_grows_with_what_differs():
    rng = np.random.default_rng(1)
    found = [mmd(rng.standard_normal((40, 4)), rng.standard_normal((40, 4))) for _ in range(60)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    one = rng.standard_normal((60, 4))
    grows = [mmd(one + by, rng.standard_normal((60, 4))) for by in (0.0, 0.5, 1.0, 2.0)]
    assert grows == sorted(grows)


def test_what_the_network_gives_in_training_is_what_the_frozen_one_gives():
    torch.manual_seed(0)
    net = _Net(EncoderConfig(channels=6, layers=2, vector=5))
    excerpts = excerpts_of(tune(3, 300), 3)
    theirs = net(torch.from_numpy(np.stack([features(one) for one in excerpts]))).detach().numpy()
    np.testing.assert_allclose(_frozen(net)(excerpts), theirs, atol=1e-5)


def test_the_encoder_that_ships_is_small_and_parts_kinds_of_music():
    """Slow low music lies farther from a set than more of the same does."""
    assert WEIGHTS.stat().st_size < MOST_WEIGHTS_BYTES
    encoder = Encoder.load()
    same = [encoder.of_pieces([tune(seed, 500) for seed in seeds]) for seeds in
            (range(8), range(8, 16))]  # fmt: skip
    low = [tune(seed, 500) for seed in range(16, 24)]
    for piece in low:
        piece["pitch"] -= 12
        piece["duration_ms"] *= 2
        piece["onset_ms"] *= 2
    other = encoder.of_pieces(low)
    near, far = distances(same[0], same[1]), distances(other, same[1])
    assert near["frechet"] < far["frechet"]
    assert near["mmd"] < far["mmd"]


def test_too_few_excerpts_are_told():
    with pytest.raises(DataError, match="5 excerpts of 64 notes in a set; 24 are the least"):
        frechet(np.zeros((5, 3)), np.zeros((50, 3)))


def test_an_encoder_is_taught_by_one_command_and_found_again(tmp_path, capsys):
    from streamer.families.chain.codec import published_codec
    from tests.training.test_chain_training import made_piece
    from training.families.chain.tensors import PieceInfo, TensorSet

    infos = [PieceInfo(f"{i}.mid", "made", f"w{i}", "", "valid" if i % 2 else "train")
             for i in range(10)]  # fmt: skip
    notes = [made_piece(i, 200) for i in range(10)]
    TensorSet.from_pieces(notes, infos, published_codec()).save(tmp_path / "t.npz")
    line = ["train", "encoder", "--tensors", str(tmp_path / "t.npz"), "--seconds", "0.3"]
    assert 0 == main([*line, "-o", str(tmp_path / "e.npz")])
    assert "an excerpt finds its partner" in capsys.readouterr().out
    vectors = Encoder.load(tmp_path / "e.npz").of_pieces(notes)
    assert (30, 32) == vectors.shape
    assert np.isfinite(vectors).all()


def test_an_encoder_that_is_damaged_or_missing_is_one_line(tmp_path: Path):
    with pytest.raises(DataError, match="no encoder; train one with perpetuo train encoder"):
        Encoder.load(tmp_path / "no.npz")
    save_encoder(tmp_path / "e.npz", _frozen(_Net(EncoderConfig(channels=2, layers=1, vector=2))))
    whole = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "e.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a whole encoder"):
        Encoder.load(tmp_path / "e.npz")
