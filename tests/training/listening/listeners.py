"""Made music to compare, and listeners whose preference is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamer.music.notes import NOTE_DTYPE
from tests.midifiles import write_midi
from training.listening.answers import ANSWERS_FORMAT, SCALES


def write_folder(folder: Path, files: int, step: int) -> Path:
    """Write short files of a scale that rises by so many keys a note."""
    folder.mkdir()
    for number in range(files):
        notes = np.zeros(16, NOTE_DTYPE)
        notes["onset_ms"] = np.arange(16) * 200.0
        notes["duration_ms"], notes["velocity"] = 180.0, 80
        notes["pitch"] = 48 + number + step * np.arange(16) % 36
        write_midi(folder / f"{number:02d}.mid", notes, program=4)
    return folder


def answers_of(
    key: Mapping[str, Any], listener: int, likes: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Return what the page saves of a listener.

    Args:
        key: Of the test.
        listener: Number; also the seed.
        likes: System to scale to what is added to marks about 3.
    """
    rng = np.random.default_rng(listener)
    habit = rng.normal(0.0, 0.5)
    pairs = []
    for pair in key["pairs"]:
        marks = {
            clip["clip"]: {
                scale.name: int(np.clip(np.round(rng.normal(
                    3.0 + habit + likes[clip["system"]].get(scale.name, 0.0), 0.7)), 1, 5))
                for scale in SCALES
            }
            for clip in pair["clips"]
        }  # fmt: skip
        order = [clip["clip"] for clip in pair["clips"]]
        if rng.random() < 0.5:
            order.reverse()
        pairs.append({"id": pair["id"], "order": order, "marks": marks,
                      "heard_s": dict.fromkeys(order, 20.0)})  # fmt: skip
    return {"format": ANSWERS_FORMAT, "test": key["test"], "session": f"{listener:016x}",
            "begun": "2026-11-30T16:00:00Z", "ended": "2026-11-30T16:20:00Z",
            "pairs": pairs}  # fmt: skip
