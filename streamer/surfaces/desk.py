"""What every surface sees of the stream: one small protocol, and what it says as plain data.

In: a :class:`Desk`, which the service hands in. Out: dictionaries that become JSON, OSC or MQTT,
and changes of controls with one line for what is wrong. No surface sees a generator, a port or a
path; none waits for another. Every method of a desk may be called by any thread, and returns at
once, but for those of scenes, bundles, recordings and what is kept, which read or write a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streamer.settings.controls import PRESSED, LiveControls, control_specs
from streamer.settings.schema import HEARD, ControlSpec

MOST_CHANGES = 64
"""Controls that one message may move; there are fewer."""


Later = Callable[[], object]
"""What waits for something that takes seconds; it raises a :class:`Refusal` where nothing comes."""

MOST_KEPT_SECONDS = 1800.0
"""What is held can be kept: half an hour."""


class Refusal(Exception):
    """What a surface asks for cannot be.

    Args:
        status: As HTTP counts it: 404 for what is not there, 422 for a value out of range.
        text: One line with value, limit and remedy.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Written:
    """One note that is written: past, sounding or still to come.

    Attributes:
        onset_ms: In ms of the stream.
        duration_ms: How long the key is held.
        pitch: 0..127.
        velocity: 1..127.
        channel: 0..15.
        pedal: Whether the sustain pedal is down at the onset.
    """

    onset_ms: float
    duration_ms: float
    pitch: int
    velocity: int
    channel: int
    pedal: bool = False


@dataclass(frozen=True, slots=True)
class Ghost:
    """A phrase that was drawn and dropped: why, and where it would have been heard."""

    reason: str
    notes: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that left: seconds of the monotonic clock, and its bytes."""

    at: float
    message: bytes


class Desk(Protocol):
    """The stream as a surface sees it."""

    @property
    def controls(self) -> LiveControls:
        """The live controls: read, changed and listened to."""
        ...

    def objection(self, changes: Mapping[str, Any]) -> str:
        """Return why what plays cannot obey such changes of controls, in one line; "" if it can."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what plays at this moment, in numbers and words that become JSON."""
        ...

    def healthy(self) -> bool:
        """Whether the stream does what it is asked to: its threads live, its heart beats."""
        ...

    def now_ms(self) -> float:
        """Return the present in ms of the stream."""
        ...

    def rate(self) -> float:
        """Return how fast the stream's time passes: 0 while the music is held."""
        ...

    def written_since(self, serial: int) -> tuple[int, Sequence[Written]]:
        """Return the notes written since a serial number, and the serial number to ask for next.

        They take the place of notes that were written from their first onset on: those were drawn
        again. A number that is 0, or too old, gives what is still held.
        """
        ...

    def sent_since(self, serial: int) -> tuple[int, Sequence[Sent]]:
        """Return the messages that left since a serial number, and the next one."""
        ...

    def ghosts_since(self, serial: int) -> tuple[int, Sequence[Ghost]]:
        """Return the phrases that were dropped since a serial number, and the next one."""
        ...

    def ports(self) -> Sequence[Mapping[str, Any]]:
        """Return the MIDI ports that were there at the last look.

        Each has ``name``, ``direction``, ``system``, ``kind``, whether it is ``used``: played to
        or heard; and of a port of our own ``connected``: the names of what is connected to it. That
        is None of other ports, and where the MIDI system does not tell.
        """
        ...

    def learn(self, control: str) -> None:
        """Let the next knob that is turned on the input, within a minute, steer a control.

        Raises:
            Refusal: 404 where no control is called so, 409 where no input is heard.
        """
        ...

    def forget(self, control: str) -> None:
        """Let no knob steer a control, nor be learnt for it any more; it writes a disk.

        Raises:
            Refusal: As :meth:`learn`.
        """
        ...

    def scenes(self) -> Sequence[Mapping[str, Any]]:
        """Return the scenes that can be chosen, each with ``name`` and ``about``."""
        ...

    def choose_scene(self, name: str) -> None:
        """Take on a scene; where it names another bundle, return when that is loaded.

        Raises:
            Refusal: There is none of that name, it does not go together with what plays, or as
                :meth:`choose_bundle`.
        """
        ...

    def start_scene(self, name: str) -> Later | None:
        """Take on a scene, or begin to; no bundle is waited for.

        Returns:
            None where it is taken on. Where it names another bundle, what returns when that is
            loaded and the scene taken on, with a :class:`Refusal` where it is not: to be called
            aside.

        Raises:
            Refusal: There is none of that name, or it does not go together with what plays.
        """
        ...

    def bundle(self) -> str:
        """Return the name of the bundle that is heard."""
        ...

    def bundles(self) -> Sequence[Mapping[str, Any]]:
        """Return the bundles that can be chosen.

        Each has ``name``, ``family``, ``about``, ``licence``, ``styles``, and whether it is
        ``playing``.
        """
        ...

    def choose_bundle(self, name: str) -> None:
        """Let another bundle follow when the phrase in play has ended; return when it is loaded.

        Raises:
            Refusal: 404 where :meth:`bundles` has none of that name, 422 for what is no name, and
                for a bundle that cannot play; 409 for one that is too large for the memory, for a
                stream that keeps its bundle, and where another was chosen meanwhile.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return what plays as a scene would hold it: tables ``model`` and ``controls``."""
        ...

    def save_scene(self, name: str, *, description: str = "", replace: bool = False) -> str:
        """Save what plays as a scene of a person's own, and return where it lies.

        Raises:
            Refusal: 409 for a name that is taken, unless ``replace``; 422 for one that is none, 507
                for a folder that cannot be written.
        """
        ...

    def keep(self, seconds: float | None = None) -> dict[str, Any]:
        """Keep what was heard lately as a file: ``name``, ``path``, ``seconds``, ``notes``.

        It takes as long as a disk takes.

        Args:
            seconds: How much of the last half hour, above 0; None all of it.

        Raises:
            Refusal: 409 where nothing has sounded, 507 where the file cannot be written.
        """
        ...

    def bookmark(self) -> dict[str, Any]:
        """Keep the place before the phrase that sounds: ``name``, ``path``, ``bytes``, ``seed``.

        Raises:
            Refusal: 409 where nothing has sounded, 507 where the file cannot be written.
        """
        ...

    def recordings(self) -> Sequence[Mapping[str, Any]]:
        """Return what was recorded, newest first: ``name``, ``bytes``, ``seconds_ago`` of each."""
        ...

    def recording(self, name: str) -> bytes:
        """Return a recording by a name that :meth:`recordings` gave.

        Raises:
            Refusal: There is none of that name.
        """
        ...

    def delete_recording(self, name: str) -> None:
        """Remove a recording by a name that :meth:`recordings` gave.

        Raises:
            Refusal: There is none of that name, it is being written, or it cannot be removed.
        """
        ...


def change(desk: Desk, changes: Any) -> dict[str, Any]:
    """Move controls by name and return what they are now.

    Args:
        desk: The stream.
        changes: Control to value; null is what the control is by default.

    Raises:
        Refusal: It is no such object, a name is unknown, a value is out of range, or what plays
            cannot obey it (409); nothing moves.
    """
    if not isinstance(changes, dict) or not changes or len(changes) > MOST_CHANGES:
        raise Refusal(
            422, f"controls must be an object of 1..{MOST_CHANGES} names and values, "
            'such as {"density": 0.5}',
        )  # fmt: skip
    specs = control_specs()
    wanted = {
        name: specs[name].default if value is None and name in specs else value
        for name, value in changes.items()
    }
    if problem := desk.objection(wanted):
        raise Refusal(409, problem)
    try:
        desk.controls.update(**wanted)
    except ValueError as error:
        status = 422 if all(name in specs for name in wanted) else 404
        raise Refusal(status, str(error)) from error
    now = desk.controls.snapshot().values()
    return {name: now[name] for name in changes}


def keep(desk: Desk, wanted: Any = None) -> dict[str, Any]:
    """Keep what was heard lately.

    Args:
        desk: The stream.
        wanted: None for all, or an object that may hold ``seconds``.

    Raises:
        Refusal: It is none, or out of range, or as :meth:`Desk.keep`.
    """
    wanted = {} if wanted is None else wanted
    seconds = wanted.get("seconds") if isinstance(wanted, dict) else wanted
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    known = isinstance(wanted, dict) and not {*wanted} - {"seconds"}
    if not known or not (seconds is None or (number and 0 < seconds <= MOST_KEPT_SECONDS)):
        raise Refusal(
            422, f'a body may hold "seconds": above 0 to {MOST_KEPT_SECONDS:g}, not {seconds!r:.60}'
        )
    return desk.keep(seconds)


def declarations() -> list[dict[str, Any]]:
    """Return what a surface needs to show each control, in their order."""
    return [declaration(spec) for spec in control_specs().values()]


def declaration(spec: ControlSpec) -> dict[str, Any]:
    """Return one control as plain data."""
    legal = spec.range
    return {
        "name": spec.name,
        "kind": spec.kind,
        "pressed": spec.name in PRESSED,
        "low": None if legal is None else legal.low,
        "high": None if legal is None else legal.high,
        "unit": spec.unit,
        "choices": list(spec.choices),
        "examples": [] if spec.reading is None else list(spec.reading.examples),
        "default": spec.default,
        "neutral": spec.neutral,
        "group": spec.declared.group,
        "families": list(spec.families),
        "help": spec.declared.help,
        "heard": HEARD[spec.declared.path],
    }
