"""A tiny bundle of each kind, by a name that tests call it by, and a query to be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from streamer.bundle.bundle import Bundle
from streamer.music.notes import Note, to_array
from tests.bandbundles import write_tiny_band_bundle
from tests.bundles import (
    write_tiny_bundle,
    write_tiny_draw_bundle,
    write_tiny_query_bundle,
    write_tiny_tunes_bundle,
)
from tests.midifiles import write_midi

MAKERS: Mapping[str, Callable[..., Bundle]] = {
    "chain": write_tiny_bundle,
    "tunes": write_tiny_tunes_bundle,
    "draw": write_tiny_draw_bundle,
    "query": write_tiny_query_bundle,
    "band": write_tiny_band_bundle,
}
"""Each takes a folder, and if need be a name and a seed."""

FAMILIES = {"chain": "chain", "tunes": "tunes", "windows": "draw", "bands": "band"}
"""Family to the one of them that stands for it."""


def write_every_bundle(folder: Path) -> dict[str, Path]:
    """Write one of each kind into a folder, each under its name; return where they lie."""
    return {name: make(folder / name).path for name, make in MAKERS.items()}


def write_query(path: Path) -> Path:
    """Write a melody of 64 notes as a MIDI file, and return where it lies."""
    write_midi(path, to_array(Note(60 + i % 12, i * 250.0, 240.0, 80) for i in range(64)))
    return path
