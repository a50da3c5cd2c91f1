"""Files that people name: where they are; read whole, and no more of them than may be.

In: a path. Out: its bytes, or an ``OSError`` that says what is wrong. A device has no size and no
end: what asks for its size first reads for ever. Any thread.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

CHUNK_BYTES = 1024 * 1024


def named_path(name: str | os.PathLike[str]) -> Path:
    """Return the path that a person names: ``~`` is a home.

    A home that nobody has stays as it is written, and then there is no such file; pathlib's own
    ``expanduser`` raises ``RuntimeError`` there.
    """
    return Path(os.path.expanduser(name))


def read_at_most(path: Path, most: int) -> bytes:
    """Return what is in a file.

    Args:
        path: A file, a pipe or a device.
        most: Bytes that it may hold.

    Raises:
        OSError: It cannot be opened or read, or holds more; ``strerror`` says which.
    """
    parts, left = [], most
    with path.open("rb") as file:
        while part := file.read(min(left + 1, CHUNK_BYTES)):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise OSError(errno.EFBIG, f"longer than {most} bytes, the most that is read")
    return b"".join(parts)
