"""Going back: what of an object changes while it works, kept cheaply and put back.

In: an object that names the attributes in which its state lies. Out: a mark, a plain value, from
which the object goes on as it would have. Random generators, containers and arrays are copied,
objects with marks of their own are asked for one, all else is taken for a value that never changes.
Thread: that of the object.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np

Mark = tuple[tuple[str, Any, Any], ...]
"""Name, object and state of each attribute."""


class Marked:
    """Base of what can go back.

    Attributes:
        marked: Names of the attributes in which its state lies.
        remembered: Names of more, which a bookmark needs and going back does not
            (:mod:`streamer.system.snapshots`).
        rebuilt: Names of those among them that follow from the others: a bookmark leaves them out,
            and :meth:`rebuild` makes them.
    """

    __slots__ = ()
    marked: ClassVar[tuple[str, ...]] = ()
    remembered: ClassVar[tuple[str, ...]] = ()
    rebuilt: ClassVar[tuple[str, ...]] = ()

    def rebuild(self) -> None:
        """Make what :attr:`rebuilt` names from the other attributes."""

    def mark(self) -> Mark:
        """Return where it stands, to go back to, any number of times."""
        values = ((name, getattr(self, name)) for name in self.marked)
        return tuple((name, value, _state(value)) for name, value in values)

    def go_back(self, mark: Mark, only: Collection[str] | None = None) -> None:
        """Be as it was at a mark.

        Args:
            mark: Of :meth:`mark` of the same object.
            only: Names of attributes; the others stay as they are. None puts all back.
        """
        for name, value, state in mark:
            if only is None or name in only:
                setattr(self, name, _restored(value, state))


def _state(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, Marked):
        return value.mark()
    if isinstance(value, deque | list | dict | set | np.ndarray):
        return copy.copy(value)
    return None


def _restored(value: Any, state: Any) -> Any:
    if isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif isinstance(value, Marked):
        value.go_back(state)
    elif state is not None:
        return copy.copy(state)
    return value
