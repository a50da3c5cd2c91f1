"""A checkpoint and tensors as training leaves them, small and untrained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.families.chain.codec import published_codec
from streamer.music.notes import NOTE_DTYPE, NoteArray
from training.families.chain.model import Chain, ChainConfig
from training.families.chain.tensors import PieceInfo, TensorSet
from training.run.checkpoint import Checkpoint, save_checkpoint

HIDDEN = 8


def make_piece(notes: int, seed: int) -> NoteArray:
    """Return random piano notes."""
    rng = np.random.default_rng(seed)
    piece = np.zeros(notes, NOTE_DTYPE)
    piece["onset_ms"] = np.cumsum(rng.integers(0, 400, notes))
    piece["duration_ms"] = rng.integers(30, 900, notes)
    piece["pitch"] = rng.integers(40, 80, notes)
    piece["velocity"] = rng.integers(40, 90, notes)
    piece["pedal"] = rng.integers(0, 2, notes)
    return piece


def make_model(**config: object) -> Chain:
    """Return an untrained chain."""
    torch.manual_seed(0)
    plain = {"hidden": HIDDEN, "absolute_velocity": True, **config}
    return Chain(ChainConfig(**plain), published_codec()).eval()  # type: ignore[arg-type]


def make_checkpoint(path: Path, model: Chain) -> Path:
    """Write a checkpoint of a model."""
    corpus = {"piano-midi-de": {"pieces": 3, "notes": 300, "licences": ["CC BY-SA 3.0 DE"]}}
    training = {"preset": "chain-tiny", "seed": 5, "corpus": corpus, "device": "cpu",
                "prepared": {"long": "list"}, "versions": {"torch": "2"}}  # fmt: skip
    metrics = {"pitch": 3.0, "total": 12.5}
    save_checkpoint(
        path,
        Checkpoint("chain", model.describe(), model.codec.to_dict(), model.state_dict(), training,
                   metrics, {}),
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("run") / "best.pt", make_model())


@pytest.fixture(scope="session")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = (70, 100, 20, 64)
    notes = [make_piece(n, seed) for seed, n in enumerate(lengths)]
    infos = [
        PieceInfo(f"{i}.mid", "made", f"work {i}", "CC0", "test" if i == 3 else "train")
        for i in range(len(lengths))
    ]
    path = tmp_path_factory.mktemp("tensors") / "made.npz"
    TensorSet.from_pieces(notes, infos, published_codec()).save(path)
    return path
