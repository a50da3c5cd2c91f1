"""Whether any package that is installed registers something in an entry-point group.

In: the name of a group. Out: yes or no, from the few small files on ``sys.path`` in which packages
say what they register. ``importlib.metadata`` knows more and takes longer to import than the whole
command line; who gets a no here need not ask it. Standard library alone; any thread.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

_FOLDERS = (".dist-info", ".egg-info")
_FILE = "entry_points.txt"


def registers(group: str) -> bool:
    """Whether an installed package may register something in a group.

    Where packages may come from elsewhere than a folder (an archive, a finder of somebody's own)
    the answer is yes: ``importlib.metadata`` will know.

    Args:
        group: Of entry points, such as ``perpetuo.families``.
    """
    if any(hasattr(one, "find_distributions") and one is not PathFinder for one in sys.meta_path):
        return True
    wanted = f"[{group}]".encode()
    return any(_holds(path or os.curdir, wanted) for path in dict.fromkeys(sys.path))


def _holds(path: str, wanted: bytes) -> bool:
    """Whether a place on ``sys.path`` has a package that registers in the group."""
    try:
        names = os.listdir(path)
    except NotADirectoryError:
        return True  # an archive
    except OSError:
        return False
    return any(
        _says(os.path.join(path, name, _FILE), wanted)
        for name in names
        if name.endswith(_FOLDERS)
    )  # fmt: skip


def _says(file: str, wanted: bytes) -> bool:
    try:
        with open(file, "rb") as text:
            return wanted in text.read()
    except OSError:
        return False
