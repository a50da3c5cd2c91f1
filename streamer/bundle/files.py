"""The files of a bundle, in a folder or a ``.zip``: read in bounded pieces, never unpacked.

In: a path that may come from anywhere. Out: bytes of plain files, at most :data:`MAX_BUNDLE_BYTES`
of all together; what the system or the ``.zip`` refuses is a BundleError. One thread.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import BundleError

if TYPE_CHECKING:
    from zipfile import ZipFile

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
"""Of all files of a bundle, uncompressed. The largest of ours has 18 MB."""

_MAX_DIRECTORY_BYTES = 256 * 1024
"""Of the list of files in a ``.zip``, which is read whole: thousands of files."""

_END, _END_BYTES, _MOST_COMMENT = b"PK\x05\x06", 22, 0xFFFF
TRAINED = "best.pt"
"""What a run of training leaves in its folder, and no bundle has."""

_END_64 = b"PK\x06\x07"


class BundleFiles:
    """What a bundle's files have in common, wherever they lie.

    Args:
        path: Of the bundle, for error lines.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def read(self, name: str, limit: int) -> bytes:
        """Return a file's bytes.

        Args:
            name: Beside the manifest.
            limit: Most bytes that it may have.

        Raises:
            BundleError: It is missing, not readable or over the limit, or all together are over
                theirs.
        """
        left = MAX_BUNDLE_BYTES - self._read
        data = self._bytes(name, min(limit, left) + 1)
        if len(data) > limit:
            raise BundleError(f"{self._path}: {name} is larger than {limit // 1024} KiB, the limit")
        if len(data) > left:
            raise BundleError(
                f"{self._path}: its files are larger than {MAX_BUNDLE_BYTES >> 20} MiB together, "
                "the limit"
            )
        self._read += len(data)
        return data

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        raise NotImplementedError

    def _bytes(self, name: str, most: int) -> bytes:
        """Return the first ``most`` bytes of a file."""
        raise NotImplementedError

    def _missing(self, name: str) -> BundleError:
        if self.has(TRAINED):
            return BundleError(
                f"{self._path}: a run of training and no bundle; make one of it with perpetuo "
                f"export {self._path} -o NAME"
            )
        return BundleError(f"{self._path}: has no {name}; it is no bundle, or was not copied whole")


@contextmanager
def open_files(path: Path) -> Iterator[BundleFiles]:
    """Open a folder or ``.zip`` for reading; what the system refuses becomes a BundleError."""
    try:
        if path.is_dir():
            yield _Folder(path)
        elif path.is_file():
            _check_directory(path)
            with _archive(path) as files:
                yield files
        else:
            raise BundleError(f"{path}: no such bundle; give the path of a folder or a .zip")
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def _archive(path: Path) -> Iterator[BundleFiles]:
    """Open a ``.zip``; what is wrong with it becomes a BundleError (OSError as it comes)."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            yield _Archive(path, archive, (ZIP_STORED, ZIP_DEFLATED))
    except (
        BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error
    ) as error:  # fmt: skip
        raise BundleError(
            f"{path}: is no readable .zip ({error}); copy the bundle again"
        ) from error


class _Folder(BundleFiles):
    def has(self, name: str) -> bool:
        return (self._path / name).exists()

    def _bytes(self, name: str, most: int) -> bytes:
        file = self._path / name
        try:
            mode = file.lstat().st_mode
        except FileNotFoundError as error:
            raise self._missing(name) from error
        if not stat.S_ISREG(mode):
            raise BundleError(f"{self._path}: {name} must be a plain file, not a link or a device")
        with file.open("rb") as stream:
            return stream.read(most)


class _Archive(BundleFiles):
    def __init__(self, path: Path, archive: ZipFile, packings: tuple[int, ...]) -> None:
        super().__init__(path)
        self._archive, self._packings = archive, packings
        names = archive.namelist()
        for name in names:
            if name.startswith(("/", "\\")) or ":" in name or ".." in Path(name).parts:
                raise BundleError(f"{path}: holds a file that would leave the bundle, {name!r}")
        folders = sorted(n.rpartition("/")[0] for n in names if n.split("/")[-1] == "manifest.json")
        self._prefix = f"{folders[0]}/" if folders and folders[0] else ""

    def has(self, name: str) -> bool:
        return self._prefix + name in self._archive.namelist()

    def _bytes(self, name: str, most: int) -> bytes:
        try:
            info = self._archive.getinfo(self._prefix + name)
        except KeyError as error:
            raise self._missing(name) from error
        if info.compress_type not in self._packings:
            raise BundleError(f"{self._path}: {name} is packed otherwise than by deflate")
        if info.file_size >= most:  # as it says itself; not a byte is unpacked
            return bytes(most)
        with self._archive.open(info) as stream:
            return stream.read(most)


def _check_directory(path: Path) -> None:
    """Refuse a ``.zip`` whose list of files alone would fill the memory (OSError as it comes)."""
    size = path.stat().st_size
    if size > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{path}: is larger than {MAX_BUNDLE_BYTES >> 20} MiB, the limit of a bundle"
        )
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES - _MOST_COMMENT), os.SEEK_SET)
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0:
        return  # no .zip; zipfile says so
    listed = int.from_bytes(tail[at + 12 : at + 16], "little")
    if listed > _MAX_DIRECTORY_BYTES or _END_64 in tail[max(0, at - _END_BYTES) : at]:
        raise BundleError(f"{path}: holds more files than any bundle; copy the bundle again")
