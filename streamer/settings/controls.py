"""Live controls: what a musician may change while the stream plays, in one immutable snapshot.

In: changes by name from any source: the ``[controls]`` table, ``--set``, scenes, MIDI. Out: a
:class:`Controls` snapshot, which generators read once a phrase, the scheduler at each change. The
fields of :class:`Controls`, and of :data:`SHARED`, several families share; those of one family are
a dataclass in its own package, which :mod:`streamer.registry` names. All are :func:`control_specs`,
a flat list of names. No numpy: the command line reads these declarations to answer ``--help``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from streamer import registry
from streamer.errors import ConfigError
from streamer.music.scales import OCTAVE, Scale
from streamer.settings.duet import DuetControls
from streamer.settings.harmony import HarmonyControls
from streamer.settings.returning import ReturnControls
from streamer.settings.schema import Control, ControlGroup, ControlSpec, Range, specs_of
from streamer.settings.taste import LET_GO, TasteControls
from streamer.settings.tempo import TempoControls

Group = TypeVar("Group", bound=ControlGroup)
Share = Annotated[float, Range(0.0, 1.0)]
Pitch = Annotated[int, Range(0, 127)]
Seconds = Annotated[float, Range(0.5, 30.0, "s")] | None
Count = Annotated[int, Range(1, 64, "phrases")] | None

SHARED = (TempoControls, HarmonyControls, ReturnControls, TasteControls, DuetControls)
"""Groups of controls that several families share, beside those of :class:`Controls`."""

LEAST_SPAN = OCTAVE - 1
"""How far ``high`` lies above ``low`` at least: any pitch can be folded in by octaves."""

MOMENTARY = ("pause", "sleep", "keep", "tap", "duet_now", *LET_GO)
"""Wishes of the moment: another scene leaves them as they are, no scene is saved with them, and no
restart keeps them."""

PRESSED = ("keep", "tap", "duet_now", *LET_GO)
"""Of these those that are obeyed once each time they are switched on, and off again then."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""How a control may be called: it is a key of TOML and a word on the command line."""


@dataclass(frozen=True, slots=True)
class Controls(ControlGroup):
    """One moment's controls. Numbers that multiply are 1 where nothing is changed.

    Raises:
        ValueError: A value is outside its range; every one is named.
    """

    temperature: Annotated[
        float,
        Range(0.1, 3.0, "x"),
        Control(
            "character", "redraw", "how adventurous the music is, times the model's own temperature"
        ),
    ] = 1.0
    density: Annotated[
        float,
        Range(0.25, 4.0, "x"),
        Control("character", "redraw", "times the notes a second that the model would play, about"),
    ] = 1.0
    recall: Annotated[
        Share,
        Control(
            "character",
            "redraw",
            "share of phrases in which a figure of the last minutes is put forward again; of tunes "
            "one of their phrases",
            families=("chain", "tunes"),
        ),
    ] = 0.4
    style_mix: Annotated[
        Share,
        Control(
            "character",
            "redraw",
            "how much of the first style of model.style has gone over to the second",
            families=("tunes", "bands"),
        ),
    ] = 0.0
    walk: Annotated[
        Share,
        Control(
            "character",
            "redraw",
            "how far it is from one section to the next: 0 stays where it is, 1 forgets where it "
            "was",
            families=("windows", "bands"),
        ),
    ] = 0.35
    low: Annotated[Pitch, Control("pitch", "send", "lowest note that sounds, MIDI number")] = 0
    high: Annotated[
        Pitch,
        Control(
            "pitch", "send", "highest note that sounds, MIDI number, at least 11 above the lowest"
        ),
    ] = 127
    transpose: Annotated[
        int, Range(-24, 24, "semitones"), Control("pitch", "send", "moves every note")
    ] = 0
    scale: Annotated[Scale, Control("pitch", "send", "the scale that notes are kept to")] = "off"
    root: Annotated[
        int,
        Range(0, 11, "semitones"),
        Control("pitch", "send", "first note of the scale, above C"),
    ] = 0
    scale_lock: Annotated[
        Share,
        Control(
            "pitch",
            "send",
            "1 forbids notes off the scale; less only discourages them as they are drawn; 0 frees "
            "them",
        ),
    ] = 1.0
    velocity_scale: Annotated[
        float, Range(0.1, 2.0, "x"), Control("playing", "send", "times every velocity")
    ] = 1.0
    tempo_scale: Annotated[
        float, Range(0.25, 4.0, "x"), Control("playing", "send", "speed of playing")
    ] = 1.0
    pause: Annotated[
        bool, Control("playing", "send", "holds the music; at the start, begins with it held")
    ] = False
    sleep: Annotated[
        float,
        Range(0.0, 720.0, "minutes"),
        Control(
            "playing",
            "send",
            "minutes until the music has faded out and is held; counts down; 0 never",
        ),
    ] = 0.0
    keep: Annotated[
        bool,
        Control(
            "playing", "send", "keeps the last half hour as a .mid file, and is off again after it"
        ),
    ] = False
    morph_seconds: Annotated[
        float,
        Range(0.0, 3600.0, "s"),
        Control(
            "scenes",
            "send",
            "how long a scene that is chosen takes to arrive, step by step; 0 is there at once",
        ),
    ] = 0.0
    lead: Annotated[
        Seconds,
        Control(
            "buffer",
            "send",
            "music that is written ahead",
            unset=("buffer.high_seconds", 10.0),
        ),
    ] = None
    candidates: Annotated[
        Count,
        Control(
            "buffer",
            "redraw",
            "most phrases that are drawn for each one that is played",
            unset=("the model's own", 8),
        ),
    ] = None
    groups: tuple[ControlGroup, ...] = ()
    """Other groups of controls, those of families among them, one dataclass each, sorted; without
    those that are as they are by default. Read by :meth:`of`."""

    def __post_init__(self) -> None:
        ControlGroup.__post_init__(self)
        kinds = [type(group) for group in self.groups]
        if len({*kinds}) < len(kinds) or Controls in kinds:
            raise ValueError("groups must be one of each dataclass at most")
        changed = (group for group in self.groups if group != _default(type(group)))
        object.__setattr__(self, "groups", tuple(sorted(changed, key=_place)))
        if self.high - self.low < LEAST_SPAN:
            raise ValueError(
                f"high must be {LEAST_SPAN} or more above low, not {self.low}..{self.high}"
            )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Controls:
        """Return controls by name, those of families too; the rest as by default.

        Raises:
            ValueError: As :meth:`with_changes`.
        """
        return cls().with_changes(values)

    def of(self, kind: type[Group]) -> Group:
        """Return the controls that are declared in ``kind``, typed."""
        return next((one for one in self.groups if isinstance(one, kind)), None) or _default(kind)

    def values(self) -> dict[str, Any]:
        """Return every control by name, those of families too."""
        return {name: getattr(self._held_by(owner), name) for name, owner in _owners().items()}

    def value(self, name: str) -> Any:
        """Return one control by name.

        Raises:
            ValueError: No control is called so.
        """
        return getattr(self._held_by(_owners()[known_control(name).name]), name)

    def with_changes(self, changes: Mapping[str, Any]) -> Controls:
        """Return a snapshot with some values changed.

        Raises:
            ValueError: A name is unknown or a value outside its range.
        """
        own: dict[str, Any] = {}
        others: dict[type[ControlGroup], dict[str, Any]] = {}
        for name, value in changes.items():
            owner = _owners()[known_control(name).name]
            (own if owner is Controls else others.setdefault(owner, {}))[name] = value
        problems, groups = [], {type(group): group for group in self.groups}
        for owner, values in others.items():
            try:
                groups[owner] = replace(self.of(owner), **values)
            except ValueError as error:
                problems.append(str(error))
        try:
            changed = replace(self, groups=tuple(groups.values()), **own)
        except ValueError as error:
            problems.insert(0, str(error))
        if problems:
            raise ValueError("; ".join(problems))
        return changed

    def _held_by(self, owner: type[ControlGroup]) -> ControlGroup:
        return self if owner is Controls else self.of(owner)


def _default(kind: Any) -> Any:
    """Return a group of controls as it is by default: frozen, so that all share it."""
    return _made(kind)  # of any type here: mypy asks of a class what only its objects can


@cache
def _made(kind: Any) -> Any:
    return kind()


def _place(group: ControlGroup) -> tuple[str, str]:
    return type(group).__module__, type(group).__qualname__


@cache
def control_specs() -> Mapping[str, ControlSpec]:
    """Return every live control by name: the shared ones, then those of each family.

    Raises:
        ConfigError: A package of another family declares a control that cannot be.
    """
    found = {spec.name: spec for spec in specs_of(Controls)}
    for spec in (spec for kind in SHARED for spec in specs_of(kind)):
        found[spec.name] = spec
    for kind, family in _family_groups():
        for spec in specs_of(kind, family):
            if spec.name in found or not NAME.fullmatch(spec.name):
                raise ConfigError(
                    [
                        f"family {family} declares a control {spec.name!r}; a name must match "
                        f"{NAME.pattern} and be taken by no other; update or remove its package"
                    ]
                )
            found[spec.name] = spec
    return MappingProxyType(found)


def known_control(name: str) -> ControlSpec:
    """Return a control by name.

    Raises:
        ValueError: No control is called so; with the nearest name.
    """
    names = control_specs()
    if name in names:
        return names[name]
    import difflib

    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
    raise ValueError(f"no control is called {name!r}; {hint}")


@cache
def _owners() -> Mapping[str, type[ControlGroup]]:
    """Return which dataclass declares each control."""
    families = (kind for kind, _ in _family_groups())
    kinds: list[type[ControlGroup]] = [Controls, *SHARED, *families]
    found = {spec.name: kind for kind in kinds for spec in specs_of(kind)}
    return {name: found[name] for name in control_specs()}


def _family_groups() -> list[tuple[type[ControlGroup], str]]:
    """Return the dataclass of each family that has controls of its own, and the family's name."""
    return [(registry.opened(one.controls), one.name) for one in registry.every() if one.controls]


def lets_go(name: str, value: Any) -> bool:
    """Whether a change is the letting go of what is pressed, which takes back no press."""
    return name in PRESSED and not value


class LiveControls:
    """Holds the present snapshot; every method may be called from any thread.

    Readers take one reference, so that no reader waits for a writer and none sees half a change.

    Attributes:
        scene: Name of the scene that was chosen last, whatever was moved since; "" for none.
        gentle: While listeners are told: whether the change may wait for phrases that are not
            written yet, as a scene may that arrives step by step.
    """

    def __init__(self, controls: Controls | None = None, scene: str = "") -> None:
        self._present = controls or Controls()
        self.scene, self.gentle = scene, False
        self._writing = threading.RLock()
        self._listeners: list[Callable[[Controls], object]] = []

    def listen(self, listener: Callable[[Controls], object]) -> None:
        """Call ``listener`` with every new snapshot, in the thread that made it; keep it short."""
        with self._writing:
            self._listeners.append(listener)

    def snapshot(self) -> Controls:
        """Return the present controls."""
        return self._present

    def update(self, **changes: Any) -> Controls:
        """Change some controls at once and return the new snapshot.

        Raises:
            ValueError: As :meth:`Controls.with_changes`; nothing is changed.
        """
        return self.change(lambda present: present.with_changes(changes))

    def change(
        self,
        how: Callable[[Controls], Controls],
        scene: str | None = None,
        *,
        gentle: bool = False,
    ) -> Controls:
        """Replace the snapshot by what is made of it, with nothing moved between; return it.

        Args:
            how: Makes the new snapshot; no listener is called where it returns what it was given.
                It is short, and waits for nothing.
            scene: Name of the scene that was chosen, if any.
            gentle: Whether it may wait for phrases that are not written yet.

        Raises:
            ValueError: As ``how``; nothing is changed.
        """
        with self._writing:
            changed = how(self._present)
            if changed is not self._present or scene not in (None, self.scene):
                self.gentle = gentle
                try:
                    self.put(changed, scene)
                finally:
                    self.gentle = False
            return self._present

    def tell(self) -> None:
        """Call all listeners once more: what goes with the controls has changed, and not they."""
        with self._writing:
            for listener in self._listeners:
                listener(self._present)

    def put(self, controls: Controls, scene: str | None = None) -> None:
        """Replace the whole snapshot; ``scene`` is the name of the one that was chosen, if any."""
        with self._writing:
            self._present = controls
            self.scene = self.scene if scene is None else scene
            for listener in self._listeners:
                if self._present is controls:  # else one moved more, and all were told of that
                    listener(controls)
