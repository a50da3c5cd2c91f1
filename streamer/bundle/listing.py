"""What bundles there are, by what they say of themselves: no graph is read.

In: the places where bundles lie. Out: a :class:`Listed` for each whose manifest can be read, in the
order in which a name is looked up. Whether one can play is known when it is loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.bundle.bundle import MANIFEST_FILE, MAX_MANIFEST_BYTES, bundle_places
from streamer.bundle.decoding import decode_manifest
from streamer.bundle.files import open_files
from streamer.errors import BundleError
from streamer.registry import family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A bundle that lies there.

    Attributes:
        name: What ``--model`` takes.
        family: Which plays it (:attr:`streamer.registry.Family.name`).
        about: One line for people: what plays, and from which corpus it was learnt.
        licence: Of the weights, SPDX identifier.
        styles: Labels that ``--style`` takes.
        path: The folder or ``.zip``.
    """

    name: str
    family: str
    about: str
    licence: str
    styles: tuple[str, ...]
    path: Path


class Shelf:
    """Lists bundles again and again, and reads what has not changed once; any thread.

    Args:
        extra: Bundles, or folders that hold bundles, beside those that ship and were fetched.
    """

    def __init__(self, extra: Callable[[], Sequence[Path]] = tuple) -> None:
        self._extra = extra
        self._reading = threading.Lock()
        self._read: dict[Path, tuple[object, Listed | None]] = {}

    def all(self) -> list[Listed]:
        """Return each bundle; a name that came before hides later ones."""
        with self._reading:
            fresh: dict[Path, tuple[object, Listed | None]] = {}
            found: dict[str, Listed] = {}
            for path in bundle_places(self._extra()):
                state = _state_of(path)
                known = self._read.get(path)
                fresh[path] = known if known and known[0] == state else (state, _listed(path))
                listed = fresh[path][1]
                if listed is not None:
                    found.setdefault(listed.name, listed)
            self._read = fresh
        return list(found.values())


def _listed(path: Path) -> Listed | None:
    try:
        with open_files(path) as files:
            data = files.read(MANIFEST_FILE, MAX_MANIFEST_BYTES)
        manifest, codec = decode_manifest(data, str(path))
    except BundleError:
        return None
    family = family_of(manifest.family, codec.name)
    if family is None:
        return None
    about = family.about or manifest.family
    return Listed(
        name=manifest.name,
        family=family.name,
        about=f"{about}, from {manifest.corpus}" if manifest.corpus else about,
        licence=manifest.licence,
        styles=tuple(manifest.styles),
        path=path,
    )


def _state_of(path: Path) -> object:
    """Return what differs when a bundle was changed."""
    try:
        facts = os.stat(path / MANIFEST_FILE if path.is_dir() else path)
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
