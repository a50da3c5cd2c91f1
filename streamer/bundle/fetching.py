"""Bundles that come separately: verified, then kept in a folder where every verb finds them.

In: a ``.zip``, a bundle's folder, a folder of ``.zip`` files, or an http(s) address with the
SHA-256 of what lies there. Out: ``NAME.zip`` in the folder for fetched bundles, written whole or
not at all, after the same checks that any bundle passes. One thread; a download is bounded in
size and in the time that nothing may come.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from streamer.bundle.bundle import MANIFEST_FILE, Bundle, load_bundle
from streamer.errors import BundleError
from streamer.system.atomic import atomic_file
from streamer.system.reading import named_path, read_at_most

MAX_ZIP_BYTES = 64 * 1024 * 1024
"""Far beyond any bundle of ours; what is larger is not fetched."""

MOST_SUMS_BYTES = 64 * 1024
SUMS_FILE = "SHA256SUMS"
"""Beside several ``.zip`` files: a line for each, as ``sha256sum`` writes it."""

SILENT_SECONDS = 30.0
"""How long a server may say nothing."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def fetch_bundles(source: str, sha256: str | None, folder: Path, replace: bool) -> list[Bundle]:
    """Fetch what lies at ``source`` and return the bundles, each verified and in its place.

    Args:
        source: A path, or an http(s) address of a ``.zip``; ``#sha256=HEX`` may follow it.
        sha256: Of the ``.zip``, lower-case hexadecimal; an address needs one.
        folder: Where fetched bundles are kept.
        replace: Whether another bundle of the same name may be replaced.

    Raises:
        BundleError: It is not there, is too large, has another hash, or is no usable bundle.
        OSError: The folder cannot be written.
    """
    address, _, fragment = source.partition("#sha256=")
    sha256 = _checked_sha256(sha256 or fragment or None, address)
    if urlsplit(address).scheme in ("http", "https"):
        if sha256 is None:
            raise BundleError(
                f"{address}: give the SHA-256 of the file too (--sha256 HEX, or #sha256=HEX behind "
                "the address); whoever offers the bundle states it"
            )
        return [_keep(_download(address), sha256, address, folder, replace)]
    path = named_path(address)
    if path.is_dir() and not (path / MANIFEST_FILE).is_file():
        sums = _sums(path / SUMS_FILE)
        zips = sorted(path.glob("*.zip"))
        if not zips:
            raise BundleError(
                f"{path}: holds no .zip; give a bundle's folder, or one of .zip files"
            )
        return [_keep(_read(z), sums.get(z.name, sha256), str(z), folder, replace) for z in zips]
    data = _packed(path) if path.is_dir() else _read(path)
    return [_keep(data, sha256, str(path), folder, replace)]


def pack_bundle(path: Path) -> bytes:
    """Return a bundle's folder as a ``.zip``; the same files give the same bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in path.iterdir() if p.is_file() and not p.is_symlink()):
            info = zipfile.ZipInfo(f"{path.name}/{file.name}", (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes())
    return held.getvalue()


def _packed(path: Path) -> bytes:
    load_bundle(path)  # whatever is wrong with it is said of the folder that the person named
    return pack_bundle(path)


def _keep(data: bytes, sha256: str | None, origin: str, folder: Path, replace: bool) -> Bundle:
    """Verify a ``.zip`` and put it into its place."""
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256:
        raise BundleError(
            f"{origin}: has SHA-256 {digest[:12]}, not {sha256[:12]}: it was changed or damaged; "
            "fetch it again, or ask whoever offers it for the right one"
        )
    with tempfile.TemporaryDirectory(prefix="perpetuo-") as work:
        trial = Path(work) / "bundle.zip"
        trial.write_bytes(data)
        try:
            name = load_bundle(trial).manifest.name
        except BundleError as error:
            raise BundleError(str(error).replace(str(trial), origin)) from error
    target = folder / f"{name}.zip"
    if target.exists() and target.read_bytes() != data and not replace:
        raise BundleError(
            f"{origin}: another bundle called {name} is in {target}; "
            "say --replace, or remove that file"
        )
    with atomic_file(target) as file:
        file.write(data)
    return load_bundle(target)


def _download(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": "perpetuo"})
    try:
        with urllib.request.urlopen(request, timeout=SILENT_SECONDS) as answer:
            return _bounded(answer, address)
    except urllib.error.HTTPError as error:
        raise BundleError(f"{address}: the server says {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(f"{address}: cannot be fetched ({reason})") from error


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BundleError(f"{path}: no such file; give a .zip, a bundle's folder or an address")
        with path.open("rb") as file:
            return _bounded(file, str(path))
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error


def _bounded(stream: BinaryIO, origin: str) -> bytes:
    data = stream.read(MAX_ZIP_BYTES + 1)
    if len(data) > MAX_ZIP_BYTES:
        raise BundleError(f"{origin}: is larger than {MAX_ZIP_BYTES >> 20} MiB, the limit")
    return data


def _sums(path: Path) -> dict[str, str]:
    """Return the hashes of a folder of ``.zip`` files by name; none where it states none."""
    try:
        lines = read_at_most(path, MOST_SUMS_BYTES).decode("ascii").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from error
    rows = (line.split(maxsplit=1) for line in lines if line.strip())
    return {row[1].lstrip("*"): row[0] for row in rows if len(row) == 2}


def _checked_sha256(text: str | None, address: str) -> str | None:
    if text is not None and not _SHA256.fullmatch(text.lower()):
        raise BundleError(f"{address}: --sha256 must be 64 hexadecimal digits, not {text}")
    return None if text is None else text.lower()
