"""What keys of the keyboard do: pause, scenes, and any control, chosen and moved.

In: keys by name, a desk. Out: changes of the live controls, scenes taken on, what the screen is to
show. One thread presses; any may read the attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from streamer.settings.controls import control_specs
from streamer.settings.schema import ControlSpec
from streamer.surfaces.aside import Aside
from streamer.surfaces.desk import Desk, Later, Refusal, change

STEPS = 40
"""Moves from one end of a control to the other."""

MOST_WAITING = 4
"""Scenes whose bundles are loaded, at once."""

HELP = (
    ("space", "holds the music, lets it go on"),
    ("up down", "choose a control; a letter chooses the next that begins with it"),
    ("left right", "move it (- and + too); 0 puts it back"),
    ("1 to 9", "take on a scene"),
    ("k", "keeps the last half hour as a .mid file"),
    ("t", "taps the tempo, two to eight times (T chooses what begins with t)"),
    ("y n", "yes, more like this; no, something else (likes, dislikes what sounds)"),
    ("i", "shows what goes on inside, and again the music"),
    ("?", "shows this, and again the music"),
    ("q", "stops (Ctrl-C too); Ctrl-Z holds and goes to the background"),
)


def steps_away(spec: ControlSpec, value: Any, by: int) -> Any:
    """Return the value of a control some steps further, up or down.

    What multiplies moves in equal ratios; a step that passes the neutral point stops there.

    Args:
        spec: The control.
        value: As it is; None stands where nothing is changed.
        by: Steps, below 0 downwards.
    """
    if spec.kind == "switch":
        return by > 0
    if spec.examples:
        at = spec.examples.index(value) + by if value in spec.examples else 0
        return spec.examples[min(max(at, 0), len(spec.examples) - 1)]
    legal = spec.range
    if legal is None:
        return value
    unset = spec.declared.unset
    start = value if value is not None else (unset[1] if unset else legal.low)
    if spec.kind == "whole number":
        span = max(round((legal.high - legal.low) / STEPS / 2), 1)
        moved = start + by * span
        return int(min(max(moved, legal.low), legal.high))
    if legal.unit == "x" and legal.low > 0:
        moved = start * (legal.high / legal.low) ** (by / STEPS)
    else:
        moved = start + by * (legal.high - legal.low) / STEPS
    neutral = spec.neutral
    if neutral is not None and (start < neutral < moved or moved < neutral < start):
        moved = neutral
    if neutral is not None and math.isclose(moved, neutral, rel_tol=0.01):
        moved = neutral
    return round(min(max(moved, legal.low), legal.high), 3)


def _specs_of(family: str) -> Sequence[ControlSpec]:
    """Return the controls that a family obeys, all of them for ""; but for those with keys."""
    return [
        spec
        for spec in control_specs().values()
        if spec.name not in ("pause", "keep", "tap", "like", "dislike")
        and (not spec.families or not family or family in spec.families)
    ]


class Steering:
    """What a person steers with keys.

    Args:
        desk: The stream.
        stop: Ends it.
        family: Whose controls can be chosen; that of the bundle that is heard where the desk says.

    Attributes:
        page: ``music``, ``inside`` or ``help``.
        message: What the last key did, for the screen.
    """

    def __init__(self, desk: Desk, stop: Callable[[], object], family: str = "") -> None:
        self._desk, self._stop, self._family = desk, stop, family
        self._specs, self._at = _specs_of(family), 0
        self.page = "music"
        self.message = ""
        self._aside = Aside(MOST_WAITING)

    @property
    def chosen(self) -> ControlSpec:
        """The control that left and right move."""
        return self._specs[self._at]

    def press(self, key: str) -> None:
        """Do what a key asks; one that means nothing does nothing."""
        self.message = ""
        self._keep_up()
        try:
            self._obey(key)
        except (Refusal, ValueError) as error:
            self.message = str(error)

    def _keep_up(self) -> None:
        """Offer the controls of the bundle that is heard by now; the chosen one stays chosen."""
        family = str(self._desk.state().get("family", self._family))
        if family != self._family:
            chosen, specs = self.chosen, _specs_of(family)
            self._family, self._at, self._specs = family, 0, specs
            self._at = specs.index(chosen) if chosen in specs else 0

    def _obey(self, key: str) -> None:
        if key == "space":
            self._desk.controls.update(pause=not self._desk.controls.snapshot().pause)
        elif key in ("up", "down"):
            self._at = (self._at + (1 if key == "down" else -1)) % len(self._specs)
        elif key in ("left", "right", "+", "=", "-"):
            self._move(-1 if key in ("left", "-") else 1)
        elif key == "0":
            self._desk.controls.update(**{self.chosen.name: self.chosen.default})
        elif key in "123456789":
            self._take_on(int(key))
        elif key == "escape":
            self.page = "music"
        elif key in ("i", "?"):
            wanted = "inside" if key == "i" else "help"
            self.page = "music" if self.page == wanted else wanted
        elif key == "k":
            kept = self._desk.keep()
            self.message = f"kept {kept['seconds']:.0f} s: {kept['path']}"
        elif key in ("y", "n"):
            pressed = "like" if key == "y" else "dislike"
            self._desk.controls.update(**{pressed: True})
            self.message = f"{pressed}d"
        elif key == "t":
            self._desk.controls.update(tap=True)
            self.message = "tapped"
        elif key == "q":
            self.message = "ends"
            self._stop()
        elif key.isalpha() and len(key) == 1:
            self._choose(key.lower())

    def _move(self, by: int) -> None:
        spec = self.chosen
        value = self._desk.controls.snapshot().value(spec.name)
        steps = range(1, len(spec.choices) + 1) if spec.choices else (1,)
        refused: Refusal | None = None
        for wish in dict.fromkeys(steps_away(spec, value, by * step) for step in steps):
            try:
                change(self._desk, {spec.name: wish})
                return
            except Refusal as error:  # the next choice may be possible
                refused = refused or error
        if refused is not None:
            raise refused

    def _take_on(self, number: int) -> None:
        scenes = self._desk.scenes()
        if number > len(scenes):
            self.message = f"there are {len(scenes)} scenes"
            return
        name = str(scenes[number - 1]["name"])
        later = self._desk.start_scene(name)
        self.message = f"scene {name}" if later is None else f"scene {name} comes"
        if later is not None:
            self._aside.start(lambda: self._wait(name, later))

    def _wait(self, name: str, later: Later) -> None:
        """Wait for the bundle of a scene; aside, so that keys are heard meanwhile."""
        try:
            later()
            self.message = f"scene {name}"
        except Refusal as error:
            self.message = str(error)

    def _choose(self, letter: str) -> None:
        count = len(self._specs)
        for step in range(1, count + 1):
            at = (self._at + step) % count
            if self._specs[at].name.startswith(letter):
                self._at = at
                return
        self.message = f"no control begins with {letter}"
