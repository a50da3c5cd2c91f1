"""All studies of family ``musae``, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.studies.bands.musae import compare, figure4, overfit, reconstruction
from training.studies.bands.musae_bench import BandBench
from training.studies.bands.musae_drawing import drawing
from training.studies.bands.musae_genre import control, genre
from training.studies.bands.musae_latent import figure3, figure5
from training.studies.bands.musae_restyle import restyle

BAND_STUDIES: dict[str, Callable[[BandBench, Path], dict[str, Any]]] = {
    "reconstruction": reconstruction,
    "overfit": overfit,
    "compare": compare,
    "figure4": figure4,
    "figure3": figure3,
    "figure5": figure5,
    "genre": genre,
    "control": control,
    "drawing": drawing,
    "restyle": restyle,
}

OF_PETALS = ("figure3", "genre", "control", "drawing", "restyle")
"""Studies that ask for the flower: of the standard normal there are no petals to show."""
