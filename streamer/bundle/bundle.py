"""Bundles: find them, verify them, read them.

A bundle is a folder, or a ``.zip`` of it, with ``manifest.json``, its digest in
``manifest.sha256``, one or more ``.onnx`` and ``CARD.md``. In: a path or a name. Out: a verified
:class:`Bundle`.

A bundle may come from anywhere. Before ONNX Runtime sees a byte: the schema is ours, file names
have no folders and are no links, sizes are bounded, hashes match, the codec matches its
fingerprint, each graph's inputs and outputs are those of the manifest, no graph reaches out
(:mod:`streamer.bundle.onnxfile`), and none can take more memory or work than it may
(:mod:`streamer.bundle.onnxbounds`). Whatever is wrong is one line.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamer.bundle.codecs import Codec
from streamer.bundle.decoding import decode_manifest
from streamer.bundle.files import MAX_BUNDLE_BYTES, BundleFiles, open_files
from streamer.bundle.manifest import GraphSpec, Manifest
from streamer.bundle.onnxbounds import FREE_SIZES, bound
from streamer.bundle.onnxfile import TensorFacts, read_graph_facts
from streamer.errors import BundleError
from streamer.system.folders import fetched_folder
from streamer.system.reading import named_path

logger = logging.getLogger(__name__)

MANIFEST_FILE, CARD_FILE = "manifest.json", "CARD.md"
DIGEST_FILE = "manifest.sha256"
"""A line as ``sha256sum -c`` reads it. A bundle without it is not checked for damage of its
manifest; whoever can write the manifest can write this too, so that it is no seal."""

MAX_DIGEST_BYTES = 256
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CARD_BYTES = 1024 * 1024
MOST_HELD_BYTES = 8 * 1024 * 1024
"""Of graphs that are held in memory between their check and their use."""

SHIPPED = Path(__file__).parents[1] / "models"
"""Where the bundles that come with the program lie, one folder each."""

SEPARATE = ("answer", "band", "piano-competition")
"""Bundles of ours that the wheel leaves out for its size; a checkout has them."""


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
    _held: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def graph_bytes(self, name: str) -> bytes:
        """Return a graph: as it was verified, once, where it is held; else read and hashed again.

        The file may have changed since.

        Raises:
            BundleError: There is no such graph, or it is not what it was.
        """
        if (held := self._held.pop(name, None)) is not None:
            return held
        spec = self.manifest.graph(name)
        with open_files(self.path) as files:
            return _read_graph(files, spec, self.path)

    def let_go(self) -> None:
        """Forget the graphs that are still held, when what plays is open."""
        self._held.clear()


def read_bundle(path: Path, *, hold: bool = False) -> Bundle:
    """Read and verify a folder or ``.zip``.

    Args:
        path: Of it.
        hold: Whether graphs, up to :data:`MOST_HELD_BYTES`, are held until each is first asked for,
            so that none is read and hashed twice.

    Raises:
        BundleError: With path, what is wrong, and what to do.
    """
    path = Path(path)
    with open_files(path) as files:
        manifest_bytes = files.read(MANIFEST_FILE, MAX_MANIFEST_BYTES)
        digest = _check_manifest(files, manifest_bytes, path)
        manifest, codec = decode_manifest(manifest_bytes, str(path))
        card = files.read(CARD_FILE, MAX_CARD_BYTES)
        size = len(manifest_bytes) + len(card) + len(digest)
        greatest, held = _greatest_sizes(manifest), dict[str, bytes]()
        for spec in manifest.graphs:
            data = _read_graph(files, spec, path)
            _check_graph(data, spec, path, greatest)
            size += len(data)
            if hold and size <= MOST_HELD_BYTES:
                held[spec.name] = data
    return Bundle(
        manifest=manifest,
        path=path,
        codec=codec,
        card=card.decode("utf-8", errors="replace"),
        size_bytes=size,
        _held=held,
    )


def digest_line(manifest: bytes) -> bytes:
    """Return what :data:`DIGEST_FILE` holds for the bytes of a manifest."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_FILE}\n".encode()


def find_bundles(extra: Iterable[Path] = ()) -> list[Bundle]:
    """Load every usable bundle: those that ship, those that were fetched, those in ``extra``.

    Args:
        extra: Bundles (folders or ``.zip``), or folders that hold bundles.

    Returns:
        In the order of the places, then by name; a name that came before hides later ones.
        What cannot be used is logged as a warning and left out.
    """
    found: dict[str, Bundle] = {}
    for path in bundle_places(extra):
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            logger.warning("bundle left out: %s", error)
            continue
        found.setdefault(bundle.manifest.name, bundle)
    return list(found.values())


def load_bundle(
    name_or_path: str | os.PathLike[str], extra: Iterable[Path] = (), *, hold: bool = False
) -> Bundle:
    """Load and verify the bundle that a person means.

    Args:
        name_or_path: A bundle's name, or the path of a folder or ``.zip``. Text is looked up as a
            name first; a :class:`pathlib.Path` is a path.
        extra: As in :func:`find_bundles`.
        hold: As in :func:`read_bundle`.

    Raises:
        BundleError: There is none; the nearest names are offered. Or it cannot be used.
    """
    if isinstance(name_or_path, os.PathLike):
        return read_bundle(named_path(name_or_path), hold=hold)
    text = name_or_path
    places = list(bundle_places(extra))
    looks_like_path = os.sep in text or text.endswith(".zip") or text.startswith(".")
    if not looks_like_path:
        for place in places:
            if place.stem == text or place.name == text:
                bundle = read_bundle(place, hold=hold)
                if bundle.manifest.name == text or place.name == text:
                    return bundle
        for bundle in find_bundles(extra):
            if bundle.manifest.name == text:
                return bundle
    path = named_path(text)
    if looks_like_path or path.is_dir():
        return read_bundle(path, hold=hold)
    names = sorted({place.stem for place in places})
    import difflib

    near = difflib.get_close_matches(text, names, n=3, cutoff=0.4) or names[:8]
    remedy = f"did you mean {', '.join(near)}? Or give" if near else "give"
    if text in SEPARATE:
        remedy = "it comes separately: fetch it with `perpetuo models --get SOURCE`, or give"
    raise BundleError(f"no bundle is called {text!r}; {remedy} the path of a bundle")


def bundle_places(extra: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths at which bundles are expected, each once, in the order of a look-up.

    Args:
        extra: As in :func:`find_bundles`.
    """
    seen = set()
    for folder in (SHIPPED, fetched_folder(), *extra):
        folder = named_path(folder)
        try:
            candidates = _candidates(folder)
        except OSError as error:
            level = logging.DEBUG if folder == fetched_folder() else logging.WARNING
            logger.log(level, "%s is left out: it cannot be read (%s)", folder, error.strerror)
            continue
        for path in candidates:
            if path not in seen:
                seen.add(path)
                yield path


def _candidates(folder: Path) -> list[Path]:
    """Return what may be a bundle: a folder itself, or what lies in it (OSError)."""
    if (folder / MANIFEST_FILE).is_file() or folder.suffix == ".zip":
        return [folder]
    if not folder.is_dir():
        return []
    return sorted(
        p for p in folder.iterdir() if p.suffix == ".zip" or (p / MANIFEST_FILE).is_file()
    )


def _check_manifest(files: BundleFiles, manifest: bytes, path: Path) -> bytes:
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


def _read_graph(files: BundleFiles, spec: GraphSpec, path: Path) -> bytes:
    data = files.read(spec.file, MAX_BUNDLE_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    if digest != spec.sha256:
        raise BundleError(
            f"{path}: {spec.file} has SHA-256 {digest[:12]}, but the manifest says "
            f"{spec.sha256[:12]}: it was changed or damaged; copy or export the bundle again"
        )
    return data


def _greatest_sizes(manifest: Manifest) -> dict[str, int]:
    """Return what a graph's free axes are at most while the bundle plays by itself."""
    asked = {
        "batch": manifest.defaults.get("candidates", 1),
        "notes": manifest.defaults.get("phrase_notes", 1),
    }
    return {name: max(size, asked.get(name, 1)) for name, size in FREE_SIZES.items()}


def _check_graph(data: bytes, spec: GraphSpec, path: Path, greatest: Mapping[str, int]) -> None:
    """Refuse a graph that reaches out, takes too much, or has other inputs than the manifest."""
    try:
        facts = read_graph_facts(data)
        bound(facts.graph, greatest)
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
