"""The controller of a stream: an input, what it is obeyed by, and the thread between them.

In: settings, the stage, the owner of the MIDI ports. Out: a context in which a person's knobs and
another machine's clock are obeyed. Called by the daemon.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.bindings import FILE_NAME, Bindings
from streamer.clock import Clock
from streamer.controls import Controls, LiveControls
from streamer.echo import EchoFilter
from streamer.errors import PortError
from streamer.inputs import MidiControl, Stage, TakesNotes
from streamer.midisettings import LIVE_QUERY
from streamer.places import state_folder
from streamer.ports import make_owner
from streamer.ports.listening import LiveInput, open_input
from streamer.ports.names import AutoRules
from streamer.ports.owner import MidiOwner
from streamer.presets import load_presets
from streamer.settings import Settings

logger = logging.getLogger(__name__)

JOIN_SECONDS = 2.0


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
) -> Iterator[MidiControl | None]:
    """Obey a controller while the context lasts.

    Args:
        settings: Input and clock are looked at.
        controls: What knobs and presets move.
        stage: The scheduler.
        clock: Time.
        owner: The owner of all MIDI ports; it is not closed here.
        echo: What was sent and may come back.
        configured: What presets go back to.
        wait: Whether a MIDI system that is not there yet is waited for.
        learn: The control that the next knob is bound to.
        query: Takes the notes that are played, where they are to be answered.

    Yields:
        What obeys, or None where there is no MIDI system and none is needed.

    Raises:
        ConfigError: The presets cannot be used.
        PortError: There is no MIDI system, and one is needed.
    """
    bindings = Bindings(state_folder() / FILE_NAME)
    control = MidiControl(
        settings.input,
        settings.clock,
        controls,
        stage,
        clock,
        bindings=bindings,
        presets=load_presets(settings.input.presets, settings.controls),
        echo=echo,
        configured=configured,
        query=query,
    )
    port = _open(settings, owner, control, wait)
    if port is None:
        yield None
        return
    if learn is not None:
        bindings.learn(learn)
        logger.info("move the knob that is to move %s", learn)
    thread = threading.Thread(target=control.run, name="control", daemon=True)
    thread.start()
    try:
        yield control
    finally:
        port.close()
        control.stop()
        thread.join(JOIN_SECONDS)


def _open(
    settings: Settings, owner: MidiOwner, control: MidiControl, wait: bool
) -> LiveInput | None:
    wanted, client_name = settings.input.port, settings.port.client_name
    rules = AutoRules(client_name, settings.input.allow, settings.input.deny)
    try:
        port = open_input(wanted, client_name, owner, control.inbox.put, wait=wait, rules=rules)
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
        raise PortError(f"there is no input to answer: {problems}; give --query a file")
    return port


def _must_hear(settings: Settings) -> bool:
    return settings.input.port != "auto" or _needs_input(settings)


def _needs_input(settings: Settings) -> bool:
    return settings.clock.mode == "follow" or settings.model.query == LIVE_QUERY
