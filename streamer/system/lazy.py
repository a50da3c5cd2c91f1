"""Faces of packages: names that are imported when they are first asked for (PEP 562).

In: a package's name, and in which of its modules each name lives. Out: the ``__getattr__`` and
``__dir__`` of its ``__init__``. So ``from streamer.bundle import Bundle`` works, and importing
the package alone imports none of its modules: the command starts no slower for it.

What a type checker reads is the ``if TYPE_CHECKING`` block beside the call; tests/test_faces.py
holds the two and ``__all__`` together. A name must differ from those of the package's modules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module


def lazy_names(
    package: str, /, extra: str | None = None, **modules: str
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its ``__name__``.
        extra: The extra of the distribution that brings what its modules import; None where the
            edge has all that is needed.
        modules: The names that each module gives, parted by spaces.

    Returns:
        Two functions, for any thread. The first raises AttributeError for a name that is not
        given, and ModuleNotFoundError, which says the extra, where a library is not installed.
    """
    homes = {
        name: f"{package}.{module}" for module, names in modules.items() for name in names.split()
    }

    def lookup(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            if extra is None:
                raise
            from streamer.system.installing import how_to_add

            raise ModuleNotFoundError(
                f"{package}.{name} needs {error.name}: {how_to_add(extra)}", name=error.name
            ) from error
        vars(sys.modules[package])[name] = value  # found without this function from now on
        return value

    return lookup, lambda: sorted({*vars(sys.modules[package]), *homes})
