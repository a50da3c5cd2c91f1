"""Checkpoints: plain data and tensors, written whole or not at all, read without running code.

A run folder holds ``last.pt`` (everything that training needs to go on as if never stopped) and
``best.pt`` (the best held-out weights, what ``perpetuo export`` takes).
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamer.bundle.codecs import Codec, codec_from_dict
from streamer.errors import DataError
from streamer.system.atomic import atomic_file

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """A trained model as data.

    Attributes:
        family: Registry name.
        config: The model's configuration.
        codec: Class tables it was trained with.
        weights: State dict.
        training: Preset, seed, corpus, licences, hours and versions, for the model card.
        metrics: Held-out figures of these weights.
        progress: What ``last.pt`` needs to resume; empty in ``best.pt``.
        unit: What the metrics are counted in (:class:`training.run.unit.Unit`, plain); empty in
            files of versions that did not say.
    """

    family: str
    config: dict[str, Any]
    codec: dict[str, Any]
    weights: dict[str, Tensor]
    training: dict[str, Any]
    metrics: dict[str, float]
    progress: dict[str, Any]
    unit: dict[str, Any] = field(default_factory=dict)

    def codec_tables(self) -> Codec:
        """Return the codec as an object."""
        return codec_from_dict(self.codec)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file whole or not at all: a kill leaves the old one as it was."""
    with atomic_file(path) as file:
        torch.save({"format_version": FORMAT_VERSION, **vars(checkpoint)}, file)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: It is missing, half-written, of another format, or holds more than plain data.
    """
    if path.is_dir():
        path = path / "best.pt"
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such checkpoint; train one with perpetuo train") from error
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not a whole checkpoint (half-written or damaged); take best.pt of the same"
            " run, or begin from that with perpetuo train --start-from"
        ) from error
    if not isinstance(data, dict) or data.pop("format_version", None) != FORMAT_VERSION:
        raise DataError(f"{path}: not a checkpoint of format {FORMAT_VERSION}; train it again")
    try:
        return Checkpoint(**data)
    except TypeError as error:
        raise DataError(f"{path}: entries are missing ({error}); train it again") from error
