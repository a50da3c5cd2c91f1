"""The controller of a stream: an input, what it is obeyed by, and the thread between them.

In: settings, the stage, the owner of the MIDI ports. Out: a context in which a person's knobs and
another machine's clock are obeyed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from streamer.control.bindings import FILE_NAME, Bindings
from streamer.control.follow import Stage
from streamer.control.inputs import MidiControl, TakesNotes
from streamer.control.scenes import live_programs
from streamer.errors import ConfigError, PortError
from streamer.ports.echo import EchoFilter
from streamer.ports.opening import make_owner
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.duet import DuetControls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.settings import Settings
from streamer.system.clock import Clock
from streamer.system.folders import state_folder

if TYPE_CHECKING:
    from streamer.control.morphing import SceneChanger
    from streamer.ports.listening import LiveInput
    from streamer.ports.owner import MidiOwner

logger = logging.getLogger(__name__)

JOIN_SECONDS = 1.0


def wants_input(settings: Settings) -> bool:
    """Whether a controller is to be heard; ``auto`` hears none when nobody listens to the music."""
    if settings.input.port != "auto":
        return settings.input.port != "off"
    silent = all(name == "null" or name.startswith("file:") for name in settings.port.names)
    return _needs_input(settings) or not silent


def input_owner(settings: Settings) -> MidiOwner | None:
    """Return the owner of all MIDI ports where an input is wanted, or None.

    Raises:
        PortError: An input is asked for by name, and python-rtmidi cannot be used.
    """
    if not wants_input(settings):
        return None
    try:
        return make_owner(settings.port)
    except PortError:
        if _must_hear(settings):
            raise
        return None


@contextmanager
def controller(
    settings: Settings,
    controls: LiveControls,
    stage: Stage,
    clock: Clock,
    owner: MidiOwner,
    *,
    echo: EchoFilter | None = None,
    configured: Callable[[], Controls] | None = None,
    wait: bool = False,
    learn: str | None = None,
    query: TakesNotes | None = None,
    duet: TakesNotes | None = None,
    scenes: SceneChanger | None = None,
) -> Iterator[MidiControl | None]:
    """Obey a controller while the context lasts.

    Args:
        settings: Input and clock are looked at.
        controls: What knobs and scenes move.
        stage: The scheduler.
        clock: Time.
        owner: The owner of all MIDI ports; it is not closed here.
        echo: What was sent and may come back.
        configured: What scenes go back to.
        wait: Whether a MIDI system that is not there yet is waited for.
        learn: The control that the next knob is bound to; or ``CONTROL=KNOB``, which binds that.
        query: Takes the notes that are played, where they are to be answered.
        duet: Takes them and the pedal, where the bundle can play with a person.
        scenes: Takes on scenes; None has one of its own.

    Yields:
        What obeys, or None where there is no MIDI system and none is needed.

    Raises:
        ConfigError: The file of presets cannot be used.
        PortError: There is no MIDI system, and one is needed.
    """
    bindings = Bindings(state_folder() / FILE_NAME)
    control = MidiControl(
        settings.input, settings.clock, controls, stage, clock,
        bindings=bindings,
        programs=live_programs(settings.input.presets, settings.scenes_folder, settings.configured),
        echo=echo,
        configured=configured,
        query=query,
        duet=duet,
        scenes=scenes,
    )  # fmt: skip
    port = _open(settings, owner, control, wait, partial(_opened, control, echo, clock))
    if port is None:
        if learn is not None:
            raise ConfigError([no_knob(learn)])
        yield None
        return
    if learn is not None:
        _learn(bindings, learn)
    with _obeying(control, port):
        yield control


def _opened(control: MidiControl, echo: EchoFilter | None, clock: Clock) -> None:
    """Take note that the input opens; in the owner thread."""
    control.inbox.opened()
    if echo is not None:
        echo.opened(clock.now())


def no_knob(control: str) -> str:
    """Return what is said where a knob is to be learnt and no controller can be heard."""
    return (
        f"--learn {control} waits for a knob, and no controller is heard; name its port with "
        "--input (`perpetuo ports`), or leave --learn out"
    )


def _learn(bindings: Bindings, wanted: str) -> None:
    control, _, knob = wanted.partition("=")
    if knob:
        from streamer.control.knobs import knob_named

        bindings.bind(control, knob_named(knob))
        return
    bindings.learn(control)
    logger.info("move the knob that is to move %s", control)


@contextmanager
def _obeying(control: MidiControl, port: LiveInput) -> Iterator[None]:
    """Let a thread obey what the port hears; the port is closed first."""
    thread = threading.Thread(target=control.run, name="control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        port.close()
        control.stop()
        thread.join(JOIN_SECONDS)


def _open(
    settings: Settings,
    owner: MidiOwner,
    control: MidiControl,
    wait: bool,
    opened: Callable[[], object],
) -> LiveInput | None:
    from streamer.ports.listening import open_input
    from streamer.ports.names import AutoRules

    wanted, client_name = settings.input.port, settings.port.client_name
    rules = AutoRules(client_name, settings.input.allow, settings.input.deny)
    try:
        port = open_input(
            wanted,
            client_name,
            owner,
            control.inbox.put,
            wait=wait,
            rules=rules,
            opened=opened,
        )
    except PortError:
        if _must_hear(settings):
            raise
        return None
    if port is None and _must_hear(settings):
        problems = "; ".join(owner.problems().values()) or "this machine has no MIDI system"
        if settings.clock.mode == "follow":
            raise PortError(
                f"there is no MIDI clock to follow: {problems}; play with --clock internal"
            )
        if settings.model.query == LIVE_QUERY:
            raise PortError(f"there is no input to answer: {problems}; give --query a file")
        raise PortError(f"there is no input to play a duet with: {problems}; leave --duet out")
    return port


def _must_hear(settings: Settings) -> bool:
    return settings.input.port != "auto" or _needs_input(settings)


def _needs_input(settings: Settings) -> bool:
    duet = settings.controls.of(DuetControls).duet != "off"
    return duet or settings.clock.mode == "follow" or settings.model.query == LIVE_QUERY
