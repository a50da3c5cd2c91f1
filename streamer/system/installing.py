"""How this copy of the program was installed, and the words that add what it lacks.

In: the name of an extra (``train``, ``export``, ``metrics``, ``midi``) or of a library. Out: one
command that works from where it is read: in a checkout, after an installation from a wheel, or
from the package index. Standard library alone; any thread.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "perpetuo-midi"
"""Name on the package index. ``perpetuo`` there is another project's."""

LAB = "perpetuo-midi-lab"
"""What holds the packages ``training`` and ``export`` where the edge is installed alone."""

MADE_BY_MAKE = ("train", "export")
"""Extras that ``make install`` of a checkout brings, with a CPU build of torch."""


MORE_MEMORY = "end other programs, or raise the limit (ulimit -v, MemoryMax= of a service)"
"""What helps where the memory does not suffice."""

_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "out of memory")
"""What the loader of libraries says then, in small letters."""

_OTHERWISE = "static tls block"
"""Of which there is too little whatever the memory is."""


def lacks_memory(error: ImportError) -> bool:
    """Whether a library is there, and the memory does not suffice to load it."""
    said = str(error).lower()
    return _OTHERWISE not in said and any(words in said for words in _NO_MEMORY)


def how_to_add(extra: str) -> str:
    """Return the command that adds an extra to this installation."""
    root = checkout()
    if root is not None:
        if extra in MADE_BY_MAKE:
            return f"make -C {shlex.quote(str(root))} install"
        return _pip(f"-e {shlex.quote(f'{root}[{extra}]')}")
    wheel = wheel_file()
    if wheel is None:
        return _pip(shlex.quote(f"{DISTRIBUTION}[{extra}]"))
    # The lab lies beside the edge's wheel, where its builder put both.
    beside = f"--find-links {shlex.quote(str(wheel.parent))} " if extra in MADE_BY_MAKE else ""
    return _pip(f"{beside}{shlex.quote(f'{DISTRIBUTION}[{extra}] @ {wheel.as_uri()}')}")


def how_to_install(library: str, again: bool = False) -> str:
    """Return the command that installs a library for the Python that runs this.

    Args:
        library: Its name, perhaps with a version.
        again: Also where it is there, in a form that does not work.
    """
    return _pip(f"{'--force-reinstall ' if again else ''}{shlex.quote(library)}")


def checkout() -> Path | None:
    """Return the folder of the source that this runs from, or None where it was installed."""
    root = Path(__file__).resolve().parents[2]
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return root if f'name = "{DISTRIBUTION}"' in text else None


def wheel_file() -> Path | None:
    """Return the wheel that this was installed from, if it is a file and still there."""
    from importlib import metadata  # slow to import, and asked for where something is lacking

    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        url = urlsplit(str(json.loads(text or "{}").get("url", "")))
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    path = Path(unquote(url.path))
    return path if url.scheme == "file" and path.suffix == ".whl" and path.is_file() else None


def _pip(rest: str) -> str:
    return f"{shlex.quote(sys.executable)} -m pip install {rest}"
