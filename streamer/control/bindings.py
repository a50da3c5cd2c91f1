"""Which knob moves what: MIDI control numbers bound to live controls, learnt and kept.

In: control changes, and the wish to learn. Out: a control and its value. Bindings live in a JSON
file in the state folder, written whole or not at all each time that one is learnt. A knob's middle
is where nothing is changed, and its ends are the ends of the control's range.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.control.knobs import (
    MOST_KNOB,
    NO_KNOBS,
    NRPN,
    PAIR,
    PAIRS,
    Heard,
    Move,
    halves,
    name_of,
)
from streamer.errors import StreamerError
from streamer.midi.messages import BRIGHTNESS, FIRST_MODE_MESSAGE
from streamer.settings.controls import control_specs, known_control
from streamer.settings.schema import Range
from streamer.system.atomic import atomic_file

logger = logging.getLogger(__name__)

FILE_NAME = "bindings.json"
SCHEMA = 1
MOST_BYTES = 64 * 1024

DEFAULTS: Mapping[int, str] = {BRIGHTNESS: "density"}
"""What most controllers have and none moves by itself: a modulation wheel (CC1) rests at 0, and
sequencers send the volume (CC7) at every start."""

LEAP = 40
"""A knob that nobody has learnt is not obeyed when it leaps by more: machines put all controllers
to 0 when they stop. Turned to where it was left it is obeyed again."""

MIDDLE, MOST = 64, 127


def value_of(control: str, data: float) -> Any:
    """Return the value of a control for the position of a knob.

    Where nothing is changed in the inside of a range, that is the knob's middle (64), and both
    halves reach to the ends: in equal steps, or in equal ratios for what multiplies.

    Args:
        control: A name of :func:`streamer.settings.controls.control_specs`.
        data: 0..127, in fractions where a knob has fourteen bits.

    Raises:
        ValueError: There is no such control, or the position is out of range.
    """
    spec = known_control(control)
    if not 0 <= data <= MOST:
        raise ValueError(f"data must be in range 0..{MOST}, not {data}")
    if spec.examples:
        return spec.examples[int(data * len(spec.examples) / (MOST + 1))]
    if spec.range is None:
        return data >= MIDDLE
    value = _between(spec.range, spec.neutral, data)
    return round(value) if spec.kind == "whole number" else value


def _between(legal: Range, neutral: float | None, data: float) -> float:
    if neutral is None:
        return legal.low + (legal.high - legal.low) * data / MOST
    if data <= MIDDLE:
        start, end, share = legal.low, neutral, data / MIDDLE
    else:
        start, end, share = neutral, legal.high, (data - MIDDLE) / (MOST - MIDDLE)
    if legal.unit == "x":
        value: float = start * (end / start) ** share
        return min(max(value, legal.low), legal.high)
    return start + (end - start) * share


class Bindings:
    """Control numbers and what they move; every method may be called by any thread.

    Args:
        path: Where they are kept; None keeps them nowhere.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._learning: str | None = None
        self._until = math.inf
        self._tried: dict[int, float] = {}
        self._pairs: set[int] = set()
        self._learnt: int | None = None
        self._at: dict[int, float] = {}
        self._bound, self._own = (dict(DEFAULTS), set[int]()) if path is None else _read(path)

    @property
    def bound(self) -> dict[int, str]:
        """Control number to control; a copy."""
        with self._lock:
            return dict(self._bound)

    @property
    def learning(self) -> str | None:
        """The control that the next knob is bound to, or None."""
        return self._learning

    def learning_at(self, at: float) -> str | None:
        """Return the control that a knob is bound to that is turned at a moment, or None.

        Args:
            at: As :meth:`learn` has it.
        """
        return self._learning if at <= self._until else None

    def learn(self, control: str | None, until: float = math.inf) -> None:
        """Bind the next knob whose position changes to a control; None thinks better of it.

        Args:
            control: What it is to move.
            until: By when it is turned, seconds of the clock by which it is heard.

        Raises:
            ValueError: There is no such control.
        """
        if control is not None:
            known_control(control)
        with self._lock:
            self._learning, self._tried, self._learnt = control, {}, None
            self._until = until

    def forget(self, control: str) -> None:
        """Let no knob move a control any more, and none be learnt for it.

        Raises:
            ValueError: There is no such control.
        """
        known_control(control)
        with self._lock:
            self._learning = None if self._learning == control else self._learning
            self._bound = {n: name for n, name in self._bound.items() if name != control}
            self._own &= {*self._bound}
        self._write()

    def bind(self, control: str, knob: int) -> None:
        """Let a knob that a person names move a control, whatever it is.

        Args:
            control: What it moves.
            knob: As :func:`streamer.control.knobs.knob_named` has it.

        Raises:
            ValueError: There is no such control.
        """
        known_control(control)
        with self._lock:
            self._take(control, knob)
        logger.info("%s moves %s from now on", name_of(knob), control)
        self._write()

    def moved(self, knob: int, position: float) -> str | None:
        """Return what a knob that was moved is bound to; when learning, bind it first.

        Args:
            knob: Number of a controller, or of :mod:`streamer.control.knobs`.
            position: 0..127.
        """
        found = self.heard(Heard((Move(knob, position),)))
        return None if found is None else found[0]

    def heard(self, heard: Heard, at: float = 0.0) -> tuple[str, Move] | None:
        """Return the control that a control change moves and the knob; when learning, bind first.

        A controller that was learnt, and then proves to be a half of a pair, gives way to the pair.

        Args:
            heard: What it may mean.
            at: When it came, as :meth:`learn` has it.
        """
        if not heard.moves or FIRST_MODE_MESSAGE <= heard.moves[-1].knob < NRPN:
            return None
        with self._lock:
            if at > self._until:
                self._learning = None
            learnt = self._learn_from(heard)
            found = next(((self._bound[m.knob], m) for m in heard.moves if m.knob in self._bound),
                         None)  # fmt: skip
            if found is not None and learnt is None and self._leaps(*found):
                return None
        if learnt is not None:
            logger.info("%s moves %s from now on", name_of(learnt), self.bound.get(learnt))
            self._write()
        return found

    def _learn_from(self, heard: Heard) -> int | None:
        """Bind a knob that is turned, or a pair in place of its half; return which, None for none.

        The lock is held.
        """
        if heard.pair is not None:
            self._pairs.add(heard.pair)
            if self._learnt in halves(heard.pair) and self._learnt in self._bound:
                return self._take(self._bound[self._learnt], heard.pair)
        alone = heard.moves[-1]
        if self._learning is None or not self._is_turned(*alone):
            return None
        pair = next((move.knob for move in heard.moves if move.knob in self._pairs), alone.knob)
        control, self._learning = self._learning, None
        return self._take(control, pair)

    def _take(self, control: str, knob: int) -> int:
        """Bind; a pair and its halves are not bound both. The lock is held."""
        gone = {*halves(knob), *(PAIR + n for n in (knob, knob - PAIRS) if 0 <= n < PAIRS)}
        kept = {n: c for n, c in self._bound.items() if c != control and n not in gone}
        self._bound = {**kept, knob: control}
        self._own = (self._own & {*kept}) | {knob}
        self._learnt = knob
        return knob

    def _leaps(self, control: str, move: Move) -> bool:
        """Whether a knob that nobody has learnt leaps, as machines let it. The lock is held."""
        if DEFAULTS.get(move.knob) != control or move.knob in self._own:
            return False
        if abs(move.position - self._at.get(move.knob, MIDDLE)) > LEAP:
            return True
        self._at[move.knob] = move.position
        return False

    def _is_turned(self, knob: int, position: float) -> bool:
        """Whether a knob that may be learnt has changed its position since learning began."""
        if knob in NO_KNOBS:
            return False
        return self._tried.setdefault(knob, position) != position

    def _write(self) -> None:
        if self._path is None:
            return
        kinds: dict[str, dict[str, str]] = {"cc": {}, "cc14": {}, "nrpn": {}}
        with self._lock:
            bound, own = dict(self._bound), {*self._own}
        for knob, name in sorted(bound.items()):
            kind, first = _kind(knob)
            kinds[kind][str(knob - first)] = name
        document: dict[str, Any] = {"schema": SCHEMA}
        document |= {k: v for k, v in kinds.items() if v or k == "cc"}
        if learnt := sorted(knob for knob in own if DEFAULTS.get(knob) == bound[knob]):
            document["learnt"] = learnt
        try:
            with atomic_file(self._path) as file:
                file.write(json.dumps(document, indent=1).encode() + b"\n")
        except StreamerError as error:
            logger.warning("what was learnt cannot be kept (%s)", error)


_PLACES: Mapping[str, tuple[int, int]] = {
    "cc": (0, FIRST_MODE_MESSAGE),
    "nrpn": (NRPN, MOST_KNOB + 1 - NRPN),
    "cc14": (PAIR, PAIRS),
}
"""Table of the file to the first knob of its kind, and how many there are."""


def _kind(knob: int) -> tuple[str, int]:
    """Return the table of the file in which a knob is kept, and the first knob of it."""
    kind = "cc14" if knob >= PAIR else "nrpn" if knob >= NRPN else "cc"
    return kind, _PLACES[kind][0]


def _read(path: Path) -> tuple[dict[int, str], set[int]]:
    """Return what was kept, and which of the usual knobs a person has learnt all the same.

    A damaged file is a line in the log, never a reason not to play.
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']} is not {SCHEMA}")
        bound = {
            first + int(number): str(name)
            for kind, (first, most) in _PLACES.items()
            for number, name in (document[kind] if kind == "cc" else document.get(kind, {})).items()
            if 0 <= int(number) < most
        }
        own = {int(number) for number in document.get("learnt", ())}
    except FileNotFoundError:
        return dict(DEFAULTS), set()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        logger.warning("%s cannot be read (%s); beginning with the usual knobs", path, error)
        return dict(DEFAULTS), set()
    known = {n: name for n, name in bound.items() if name in control_specs()}
    return known, own & {*known}
