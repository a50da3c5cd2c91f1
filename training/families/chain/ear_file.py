"""The file of an ear: what ``perpetuo train ear`` writes and ``perpetuo bundle ear`` reads.

A folder with ``ear.npz``, weights that are exact in float16 and some places with what the judge
answered there, for the proof of the export; and ``ear.json``, what it is and how much it hears.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DataError
from streamer.system.atomic import atomic_file

EAR_FILE, REPORT_FILE = "ear.npz", "ear.json"
PROVEN = 64
"""Places with which an export is proven."""

FLOOR_SHARES = (0.01, 0.25)
"""Shares of real phrases and of drawn ones, of works that the ear was not trained on, that lie
below the floor at most."""

Array = NDArray[np.float32]
_AGAIN = "make it again with perpetuo train ear"


@dataclass(frozen=True)
class TrainedEar:
    """What the file holds.

    Attributes:
        weights: By the names of :class:`training.families.chain.ear.Judge`'s state.
        past: ``(CONTEXT, places, FEATURES)``, and ``ahead`` ``(PHRASE, places, FEATURES)``.
        ahead: What was judged.
        logits: What the judge answered, ``(places,)``.
        report: Plain data.
    """

    weights: dict[str, Array]
    past: Array
    ahead: Array
    logits: Array
    report: dict[str, Any]


def write_ear(folder: Path, ear: TrainedEar) -> None:
    """Write an ear; what an earlier run left there is replaced (OSError)."""
    with atomic_file(folder / EAR_FILE) as file:
        arrays: dict[str, Any] = {f"weights.{name}": w for name, w in ear.weights.items()}
        np.savez(file, past=ear.past, ahead=ear.ahead, logits=ear.logits, **arrays)
    with atomic_file(folder / REPORT_FILE) as file:
        file.write(json.dumps(ear.report, indent=1).encode() + b"\n")


def read_ear(folder: Path) -> TrainedEar:
    """Read an ear.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = folder / EAR_FILE
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: np.asarray(data[name], dtype=np.float32) for name in data.files}
        weights = {
            k.removeprefix("weights."): v for k, v in arrays.items() if k.startswith("weights.")
        }
        proof = (arrays["past"], arrays["ahead"], arrays["logits"])
        return TrainedEar(weights, *proof, {**report, "floor": float(report["floor"])})
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is none; {_AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
