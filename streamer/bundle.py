"""Bundles: find them, verify them, read them.

A bundle is a folder, or a ``.zip`` of it, with ``manifest.json``, its digest in
``manifest.sha256``, one or more ``.onnx`` and ``CARD.md``. In: a path or a name. Out: a verified
:class:`Bundle`. Called by the daemon, by ``perpetuo models`` and ``check``, and by the exporter,
which proves what it wrote by loading it.

A bundle may come from anywhere. Before ONNX Runtime sees a byte: the schema is ours, file names
have no folders and are no links, sizes are bounded, hashes match, the codec matches its
fingerprint, each graph's inputs and outputs are those of the manifest, and no graph reaches out
(:mod:`streamer.onnxfile`). Whatever is wrong is one line.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamer.codecs import Codec
from streamer.errors import BundleError
from streamer.manifest import GraphSpec, Manifest, decode_manifest
from streamer.onnxfile import TensorFacts, read_graph_facts

logger = logging.getLogger(__name__)

MANIFEST_FILE, CARD_FILE = "manifest.json", "CARD.md"
DIGEST_FILE = "manifest.sha256"
"""A line as ``sha256sum -c`` reads it. A bundle without it is not checked for damage of its
manifest; whoever can write the manifest can write this too, so that it is no seal."""

MAX_DIGEST_BYTES = 256
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CARD_BYTES = 1024 * 1024
MAX_GRAPH_BYTES = 512 * 1024 * 1024
"""Beyond any model of ours; keeps a zip bomb from filling the memory of a Pi."""

SHIPPED = Path(__file__).parent / "models"
"""Where the bundles that come with the program lie, one folder each."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that passed every check.

    Attributes:
        manifest: What it says of itself.
        path: The folder or ``.zip``.
        codec: The class tables.
        card: Text of ``CARD.md``, Markdown.
        size_bytes: Size of all files, uncompressed.
    """

    manifest: Manifest
    path: Path
    codec: Codec
    card: str
    size_bytes: int

    def graph_bytes(self, name: str) -> bytes:
        """Read a graph again, and check its hash again: the file may have changed since.

        Raises:
            BundleError: There is no such graph, or it is not what it was.
        """
        spec = self.manifest.graph(name)
        with _open(self.path) as files:
            return _read_graph(files, spec, self.path)


def load_bundle(path: Path) -> Bundle:
    """Load and verify a folder or ``.zip``.

    Raises:
        BundleError: With path, what is wrong, and what to do.
    """
    path = Path(path)
    with _open(path) as files:
        manifest_bytes = files.read(MANIFEST_FILE, MAX_MANIFEST_BYTES)
        digest = _check_manifest(files, manifest_bytes, path)
        manifest, codec = decode_manifest(manifest_bytes, str(path))
        card = files.read(CARD_FILE, MAX_CARD_BYTES)
        size = len(manifest_bytes) + len(card) + len(digest)
        for spec in manifest.graphs:
            data = _read_graph(files, spec, path)
            _check_graph(data, spec, path)
            size += len(data)
    return Bundle(manifest, path, codec, card.decode("utf-8", errors="replace"), size)


def digest_line(manifest: bytes) -> bytes:
    """Return what :data:`DIGEST_FILE` holds for the bytes of a manifest."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_FILE}\n".encode()


def find_bundles(extra: Iterable[Path] = ()) -> list[Bundle]:
    """Load every usable bundle: those that ship, then those in ``extra`` folders.

    Args:
        extra: Bundles (folders or ``.zip``), or folders that hold bundles.

    Returns:
        In the order of the places, then by name; a name that came before hides later ones.
        What cannot be used is logged as a warning and left out.
    """
    found: dict[str, Bundle] = {}
    for path in _places(extra):
        try:
            bundle = load_bundle(path)
        except BundleError as error:
            logger.warning("bundle left out: %s", error)
            continue
        found.setdefault(bundle.manifest.name, bundle)
    return list(found.values())


def resolve_bundle(name_or_path: str | os.PathLike[str], extra: Iterable[Path] = ()) -> Bundle:
    """Load the bundle that a person means.

    Args:
        name_or_path: A bundle's name, or the path of a folder or ``.zip``.
        extra: As in :func:`find_bundles`.

    Raises:
        BundleError: There is none; the nearest names are offered. Or it cannot be used.
    """
    text = os.fspath(name_or_path)
    places = list(_places(extra))
    looks_like_path = os.sep in text or text.endswith(".zip") or text.startswith(".")
    if not looks_like_path:
        for place in places:
            if place.stem == text or place.name == text:
                bundle = load_bundle(place)
                if bundle.manifest.name == text or place.name == text:
                    return bundle
        for bundle in find_bundles(extra):
            if bundle.manifest.name == text:
                return bundle
    path = Path(text).expanduser()
    if looks_like_path or path.is_dir():
        return load_bundle(path)
    names = sorted({place.stem for place in places})
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.4) or names[:8]
    remedy = f"did you mean {', '.join(near)}? Or give" if near else "give"
    raise BundleError(f"no bundle is called {text!r}; {remedy} the path of a bundle")


def _places(extra: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths at which bundles are expected, each once."""
    seen = set()
    for folder in (SHIPPED, *extra):
        folder = Path(folder).expanduser()
        if (folder / MANIFEST_FILE).is_file() or folder.suffix == ".zip":
            candidates = [folder]
        elif folder.is_dir():
            candidates = sorted(
                p for p in folder.iterdir() if p.suffix == ".zip" or (p / MANIFEST_FILE).is_file()
            )
        else:
            candidates = []
        for path in candidates:
            if path not in seen:
                seen.add(path)
                yield path


def _check_manifest(files: _Files, manifest: bytes, path: Path) -> bytes:
    """Refuse a manifest that is not what was exported: a changed statistic is still good JSON.

    Returns:
        The bytes of its digest's file, empty where there is none.
    """
    if not files.has(DIGEST_FILE):
        return b""
    stated = files.read(DIGEST_FILE, MAX_DIGEST_BYTES)
    if stated.split() != digest_line(manifest).split():
        raise BundleError(
            f"{path}: {MANIFEST_FILE} is not what {DIGEST_FILE} says: it was changed or damaged; "
            f"copy or export the bundle again, or remove {DIGEST_FILE} if you changed it yourself"
        )
    return stated


def _read_graph(files: _Files, spec: GraphSpec, path: Path) -> bytes:
    data = files.read(spec.file, MAX_GRAPH_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    if digest != spec.sha256:
        raise BundleError(
            f"{path}: {spec.file} has SHA-256 {digest[:12]}, but the manifest says "
            f"{spec.sha256[:12]}: it was changed or damaged; copy or export the bundle again"
        )
    return data


def _check_graph(data: bytes, spec: GraphSpec, path: Path) -> None:
    """Refuse a graph that reaches out, or whose inputs and outputs are not the manifest's."""
    try:
        facts = read_graph_facts(data)
    except ValueError as error:
        raise BundleError(
            f"{path}: {spec.file} {error}; only a bundle that perpetuo exported is safe to load"
        ) from error
    if facts.opset != spec.opset:
        raise BundleError(
            f"{path}: {spec.file} has opset {facts.opset}, but the manifest says {spec.opset}; "
            "export the bundle again"
        )
    for kind, stated, real in (
        ("inputs", spec.inputs, facts.inputs),
        ("outputs", spec.outputs, facts.outputs),
    ):
        wanted = [TensorFacts(t.name, t.dtype, tuple(t.shape)) for t in stated]
        if sorted(wanted) != sorted(real):
            odd = sorted({*map(_shown, wanted)} ^ {*map(_shown, real)})
            raise BundleError(
                f"{path}: {spec.file} differs from its manifest in {kind}: {', '.join(odd[:4])}; "
                "export the bundle again"
            )


def _shown(tensor: TensorFacts) -> str:
    return f"{tensor.name} {tensor.dtype}[{', '.join(map(str, tensor.shape))}]"


class _Files(Protocol):
    """The files of a bundle, wherever they lie."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a file's bytes (BundleError: it is missing, not readable, or over ``limit``)."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""


@contextmanager
def _open(path: Path) -> Iterator[_Files]:
    """Open a folder or ``.zip`` for reading; what the system refuses becomes a BundleError."""
    try:
        if path.is_dir():
            yield _Folder(path)
        elif path.is_file():
            with zipfile.ZipFile(path) as archive:
                yield _Archive(path, archive)
        else:
            raise BundleError(f"{path}: no such bundle; give the path of a folder or a .zip")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(
            f"{path}: is no readable .zip ({error}); copy the bundle again"
        ) from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, limit: int) -> bytes:
        file = self._path / name
        try:
            mode = file.lstat().st_mode
        except FileNotFoundError as error:
            raise _missing(self._path, name) from error
        if not stat.S_ISREG(mode):
            raise BundleError(f"{self._path}: {name} must be a plain file, not a link or a device")
        with file.open("rb") as stream:
            return _bounded(stream.read(limit + 1), limit, self._path, name)

    def has(self, name: str) -> bool:
        return (self._path / name).exists()


class _Archive:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        names = archive.namelist()
        for name in names:
            if name.startswith(("/", "\\")) or ":" in name or ".." in Path(name).parts:
                raise BundleError(f"{path}: holds a file that would leave the bundle, {name!r}")
        folders = sorted(n.rpartition("/")[0] for n in names if n.split("/")[-1] == MANIFEST_FILE)
        self._prefix = f"{folders[0]}/" if folders and folders[0] else ""

    def read(self, name: str, limit: int) -> bytes:
        try:
            info = self._archive.getinfo(self._prefix + name)
        except KeyError as error:
            raise _missing(self._path, name) from error
        with self._archive.open(info) as stream:
            return _bounded(stream.read(limit + 1), limit, self._path, name)

    def has(self, name: str) -> bool:
        return self._prefix + name in self._archive.namelist()


def _missing(path: Path, name: str) -> BundleError:
    return BundleError(f"{path}: has no {name}; it is no bundle, or was not copied whole")


def _bounded(data: bytes, limit: int, path: Path, name: str) -> bytes:
    if len(data) > limit:
        raise BundleError(f"{path}: {name} is larger than {limit // 1024} KiB, the limit")
    return data
