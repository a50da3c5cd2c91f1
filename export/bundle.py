"""Writes a bundle: graphs, manifest with its digest, and card; whole or not at all.

In: a manifest without its graphs, the graphs' bytes, the card. Out: a folder that
:func:`streamer.bundle.bundle.load_bundle` accepts; it is loaded before it gets its name. Needs
neither torch nor onnx.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from streamer.bundle.bundle import (
    CARD_FILE,
    DIGEST_FILE,
    MANIFEST_FILE,
    Bundle,
    digest_line,
    load_bundle,
)
from streamer.bundle.codecs import Codec
from streamer.bundle.manifest import (
    SCHEMA_VERSION,
    GraphSpec,
    Manifest,
    Statistics,
    TensorSpec,
    manifest_json,
)
from streamer.bundle.onnxfile import TensorFacts, read_graph_facts
from streamer.errors import BundleError

STATE_SUFFIX = "_out"
"""A graph's output of the same name with this behind it is the next value of an input."""

INITIAL = {"previous": -1.0, "past": -1.0}
"""What fills a state before a piece where it is not 0: there is no previous note."""

_NUMBERS = re.compile(rb"\[[-+.\deE,\s]+\]")


def describe_graph(name: str, file: str, model: bytes) -> GraphSpec:
    """Return a graph's entry in the manifest, read off its bytes.

    Raises:
        ValueError: The bytes are no model that a bundle may hold.
    """
    facts = read_graph_facts(model)
    inputs = [_tensor(t) for t in facts.inputs]
    outputs = [_tensor(t) for t in facts.outputs]
    after = {t.name for t in outputs}
    state = {t.name: t.name + STATE_SUFFIX for t in inputs if t.name + STATE_SUFFIX in after}
    digest = hashlib.sha256(model).hexdigest()
    initial = {name: value for name, value in INITIAL.items() if name in state}
    return GraphSpec(name, file, digest, facts.opset, inputs, outputs, state, initial)


def make_manifest(
    name: str, codec: Codec, graphs: list[GraphSpec], statistics: Statistics, **more: Any
) -> Manifest:
    """Return a manifest of family ``chain`` and kind ``step`` unless ``more`` says otherwise.

    What of ``more`` is no field of :class:`Manifest` is a part of the bundle's family.
    """
    shared = Manifest.__struct_fields__
    fields = {"family": "chain", "kind": "step"} | {k: v for k, v in more.items() if k in shared}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        codec=codec.to_dict(),
        codec_fingerprint=codec.fingerprint,
        graphs=graphs,
        statistics=statistics,
        **fields,
    )
    return manifest.with_parts(**{k: v for k, v in more.items() if k not in shared})


def write_bundle(
    target: Path, manifest: Manifest, models: Mapping[str, bytes], card: str
) -> Bundle:
    """Write a bundle beside its place, load it, and only then give it its name.

    Args:
        target: The bundle's folder. A bundle that is there already is replaced; anything else that
            is there is left alone.
        manifest: With an entry for each of ``models``.
        models: File name to bytes.
        card: Markdown.

    Returns:
        The bundle, loaded from ``target``.

    Raises:
        BundleError: ``target`` holds something else, or cannot be written.
    """
    target = Path(target)
    if target.exists() and not _replaceable(target):
        raise BundleError(f"{target} exists and is no bundle; choose another place with -o")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise BundleError(
            f"{target} cannot be written ({error.strerror}); choose another place with -o"
        ) from error
    try:
        for file, model in models.items():
            _write(draft / file, model)
        _write(draft / CARD_FILE, card.encode())
        encoded = encode_manifest(manifest)
        _write(draft / MANIFEST_FILE, encoded)
        _write(draft / DIGEST_FILE, digest_line(encoded))
        load_bundle(draft)
        draft.chmod(0o755)
        _put_in_place(draft, target)
    except OSError as error:
        raise BundleError(
            f"{target} cannot be written ({error.strerror}); free some space or choose another "
            "place with -o"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return load_bundle(target)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of ``manifest.json``, indented for people; a list of numbers is one line."""
    indented = msgspec.json.format(manifest_json(manifest), indent=1)
    return (
        _NUMBERS.sub(lambda found: b"".join(found[0].split()).replace(b",", b", "), indented)
        + b"\n"
    )


def _tensor(facts: TensorFacts) -> TensorSpec:
    return msgspec.convert(
        {"name": facts.name, "dtype": facts.dtype, "shape": list(facts.shape)}, TensorSpec
    )


def _replaceable(target: Path) -> bool:
    if not target.is_dir():
        return False
    return (target / MANIFEST_FILE).is_file() or not any(target.iterdir())


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(draft: Path, target: Path) -> None:
    """Give the draft its name; an old bundle is moved aside first and comes back on failure."""
    if not target.exists():
        draft.rename(target)
        return
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    old = aside / target.name
    target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        old.rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
