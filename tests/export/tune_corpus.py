"""Tunes and a melody model as training leaves them, small and untrained."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.tunes.codec import END
from tests.bundles import tiny_tune_codec
from training.families.tunes.model import Vrash, VrashConfig
from training.families.tunes.tuneset import TRACK_DTYPE, TuneInfo, TuneSet
from training.run.checkpoint import Checkpoint, save_checkpoint

STYLES = ("bach", "jazz")
SMALL: dict[str, Any] = {
    "hidden": 8, "depth": 2, "latent": 4, "embeddings": (3, 2, 4), "style_size": 3, "head": 6,
    "programme_size": 2, "encoder_hidden": 5,
}  # fmt: skip


def make_track(notes: int, seed: int) -> NDArray[Any]:
    """Return a random line of eighths and quarters (unit a quarter)."""
    rng = np.random.default_rng(seed)
    track = np.zeros(notes, TRACK_DTYPE)
    track["pitch"] = np.clip(64 + np.cumsum(rng.integers(-3, 4, notes)), 55, 79)
    track["length"] = rng.choice([6, 12], notes)
    track["length"][-1] = END
    beats = np.concatenate([[0.0], np.cumsum(track["length"][:-1] / 12)])
    track["position"] = beats % 4
    track["velocity"], track["articulation"] = 80, 0.9
    return track


def make_info(number: int, style: str, split: str = "train", **more: Any) -> TuneInfo:
    """Return what a track is."""
    plain = {"file": f"{number}.mid", "corpus": style, "work_key": f"work {number}",
             "licence": "CC0-1.0", "split": split, "style": style, "programme": 0,
             "unit_beats": 1.0, "bpm": 100.0 + number, "metre": 4.0, "track": "1"}  # fmt: skip
    return TuneInfo(**{**plain, **more})


def make_tunes() -> TuneSet:
    """Return three tracks of bach and two of jazz to train on, and one of each held out."""
    lengths = (40, 70, 33, 50, 45, 36, 60)
    styles = ("bach", "jazz", "bach", "jazz", "bach", "bach", "jazz")
    infos = [
        make_info(i, style, "train" if i < 5 else "test", metre=3.0 if i == 4 else 4.0)
        for i, style in enumerate(styles)
    ]
    tracks = [make_track(n, seed) for seed, n in enumerate(lengths)]
    return TuneSet.from_tracks(tracks, infos, tiny_tune_codec())


def make_tune_model(family: str = "vrash", **config: Any) -> Vrash:
    """Return an untrained melody model of which every weight counts."""
    torch.manual_seed(0)
    model = Vrash(VrashConfig(family=family, **{**SMALL, **config}), tiny_tune_codec(), STYLES)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name or "b_in" in name or "b_state" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def make_tune_checkpoint(path: Path, model: Vrash) -> Path:
    """Write a checkpoint of a model."""
    corpus = {
        "bach": {"pieces": 3, "notes": 118, "licences": ["Public Domain", "CC BY 4.0"]},
        "jazz": {"pieces": 2, "notes": 120, "licences": ["ODbL-1.0"]},
    }
    training = {"preset": "vrash-tiny", "seed": 5, "corpus": corpus, "versions": {"torch": "2"}}
    metrics = {"pitch_class": 2.0, "octave": 0.5, "length": 1.0, "kl": 0.1, "total": 3.6}
    codec = model.codec.to_dict()
    weights = model.state_dict()
    save_checkpoint(
        path,
        Checkpoint(model.family, model.describe(), codec, weights, training, metrics, {}),
    )
    return path
