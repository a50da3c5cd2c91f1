"""Which knob moves what: MIDI control numbers bound to live controls, learnt and kept.

In: control changes, and the wish to learn. Out: a control and its value. Bindings live in a JSON
file in the state folder, written whole or not at all each time that one is learnt. A knob's middle
is where nothing is changed, and its ends are the ends of the control's range.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from streamer.atomic import atomic_file
from streamer.controls import Controls, control_types
from streamer.errors import StreamerError
from streamer.schema import Range, takes

logger = logging.getLogger(__name__)

FILE_NAME = "bindings.json"
SCHEMA = 1
MOST_BYTES = 64 * 1024

DEFAULTS: Mapping[int, str] = {1: "temperature", 7: "velocity_scale", 74: "density"}
"""Modulation wheel, volume and brightness: what most controllers have."""

FIRST_MODE_NUMBER = 120
"""Numbers from here on are no knobs but commands to the channel."""

MIDDLE, MOST = 64, 127


def value_of(control: str, data: int) -> Any:
    """Return the value of a control for the position of a knob.

    Where nothing is changed in the inside of a range, that is the knob's middle (64), and both
    halves reach to the ends: in equal steps, or in equal ratios for what multiplies.

    Args:
        control: A name of :class:`streamer.controls.Controls`.
        data: 0..127.

    Raises:
        ValueError: There is no such control, or the position is out of range.
    """
    if control not in control_types():
        raise ValueError(
            f"no control is called {control!r}; known are {', '.join(control_types())}"
        )
    if not 0 <= data <= MOST:
        raise ValueError(f"data must be in range 0..{MOST}, not {data}")
    annotation = control_types()[control]
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        return choices[data * len(choices) // (MOST + 1)]
    if annotation is bool:
        return data >= MIDDLE
    legal = _range(control)
    value = _between(legal, getattr(Controls(), control), data)
    return round(value) if takes(annotation, int) else value


def _between(legal: Range, neutral: float | None, data: int) -> float:
    if neutral is None or not legal.low < neutral < legal.high:
        return legal.low + (legal.high - legal.low) * data / MOST
    if data <= MIDDLE:
        start, end, share = legal.low, neutral, data / MIDDLE
    else:
        start, end, share = neutral, legal.high, (data - MIDDLE) / (MOST - MIDDLE)
    if legal.unit == "x":
        value: float = start * (end / start) ** share
        return min(max(value, legal.low), legal.high)
    return start + (end - start) * share


@cache
def _range(control: str) -> Range:
    annotation = control_types()[control]
    parts = (annotation, *get_args(annotation))
    legal = (get_args(part)[1] for part in parts if get_origin(part) is Annotated)
    return next(one for one in legal if isinstance(one, Range))


class Bindings:
    """Control numbers and what they move; every method may be called by any thread.

    Args:
        path: Where they are kept; None keeps them nowhere.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._learning: str | None = None
        self._bound = dict(DEFAULTS) if path is None else _read(path)

    @property
    def bound(self) -> dict[int, str]:
        """Control number to control; a copy."""
        with self._lock:
            return dict(self._bound)

    @property
    def learning(self) -> str | None:
        """The control that the next knob is bound to, or None."""
        return self._learning

    def learn(self, control: str | None) -> None:
        """Bind the next knob that is moved to a control; None thinks better of it.

        Raises:
            ValueError: There is no such control.
        """
        if control is not None and control not in control_types():
            known = ", ".join(control_types())
            raise ValueError(f"no control is called {control!r}; known are {known}")
        with self._lock:
            self._learning = control

    def forget(self, control: str) -> None:
        """Let no knob move a control any more."""
        with self._lock:
            self._bound = {n: name for n, name in self._bound.items() if name != control}
        self._write()

    def moved(self, number: int) -> str | None:
        """Return what a knob that was moved is bound to; when learning, bind it first."""
        if number >= FIRST_MODE_NUMBER:
            return None
        with self._lock:
            learnt, self._learning = self._learning, None
            if learnt is not None:
                kept = {n: name for n, name in self._bound.items() if name != learnt}
                self._bound = {**kept, number: learnt}
            control = self._bound.get(number)
        if learnt is not None:
            logger.info("CC%d moves %s from now on", number, learnt)
            self._write()
        return control

    def _write(self) -> None:
        if self._path is None:
            return
        bound = {str(number): name for number, name in sorted(self.bound.items())}
        try:
            with atomic_file(self._path) as file:
                file.write(json.dumps({"schema": SCHEMA, "cc": bound}, indent=1).encode() + b"\n")
        except (OSError, StreamerError) as error:
            logger.warning("what was learnt cannot be kept (%s)", error)


def _read(path: Path) -> dict[int, str]:
    """Return what was kept; a damaged file is a line in the log, never a reason not to play."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']} is not {SCHEMA}")
        bound = {int(number): str(name) for number, name in document["cc"].items()}
    except FileNotFoundError:
        return dict(DEFAULTS)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        logger.warning("%s cannot be read (%s); beginning with the usual knobs", path, error)
        return dict(DEFAULTS)
    legal = range(FIRST_MODE_NUMBER)
    return {n: name for n, name in bound.items() if n in legal and name in control_types()}
