"""What a person names to be measured or heard: a bundle, a folder, a file, with or without a label.

In: words of the command line. Out: label and source apart, and whether a source is a bundle.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from streamer.bundle.bundle import MANIFEST_FILE
from training.corpora.sources import ARCHIVE_SUFFIXES, MIDI_SUFFIXES

TENSOR_SUFFIX = ".npz"


def label_of(text: str) -> tuple[str, str]:
    """Split ``NAME=SOURCE``; a path that exists is taken as it is.

    Returns:
        The name, "" where none was given, and the source.
    """
    name, mark, source = text.partition("=")
    return (name, source) if mark and name and not Path(text).exists() else ("", text)


def is_bundle(path: Path) -> bool:
    """Tell whether a source is a bundle: a folder or .zip with a manifest, or no path at all."""
    if path.is_dir():
        return (path / MANIFEST_FILE).is_file()
    if path.is_file():
        if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(Path(n).name == MANIFEST_FILE for n in archive.namelist())
    looks_like_path = "/" in str(path) or path.name.lower().endswith(
        (*MIDI_SUFFIXES, *ARCHIVE_SUFFIXES, TENSOR_SUFFIX)
    )
    return not looks_like_path
