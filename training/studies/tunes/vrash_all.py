"""The studies of the tune families by name, in the order of docs/design/tunes.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.studies.tunes.vrash import TuneBench, latent, likelihood
from training.studies.tunes.vrash_endless import endless
from training.studies.tunes.vrash_information import information
from training.studies.tunes.vrash_stream import TuneStage, edge, judged

TUNE_STUDIES: dict[str, Callable[[TuneBench, Path], dict[str, Any]]] = {
    "likelihood": likelihood,
    "latent": latent,
    "information": information,
}
"""Name to study; each needs a checkpoint, the first and the last runs beside it."""

TUNE_STREAM_STUDIES: dict[str, Callable[[TuneStage, Path], dict[str, Any]]] = {
    "filter": judged,
    "endless": endless,
    "edge": edge,
}
"""Name to study; each needs a bundle."""
