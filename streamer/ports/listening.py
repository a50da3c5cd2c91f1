"""A live input: a controller, or a port of our own that others send to, that may come and go.

In: what is there, from the owner thread. Out: messages, handed on in a thread that polls. It opens
what it was told to look for as soon as that is there, and lets go of it when it is gone.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from streamer.errors import PortError
from streamer.ports.backends import Direction
from streamer.ports.base import PortInfo
from streamer.ports.clients import Heard, Listener
from streamer.ports.live import Choose
from streamer.ports.names import AutoRules, choose_automatically, match
from streamer.ports.owner import CLOSE_SECONDS, MidiOwner

logger = logging.getLogger(__name__)


class LiveInput:
    """Hears one input of a MIDI system.

    Args:
        owner: The owner thread; it is not closed here.
        choose: What to hear.
        wanted: How the user calls it, for messages.
        heard: Called with each message, in the thread of the listener.
        opened: Called before each opening, in the owner thread.
    """

    direction: Direction = "input"

    def __init__(
        self,
        owner: MidiOwner,
        choose: Choose,
        wanted: str,
        heard: Heard,
        opened: Callable[[], object] = lambda: None,
    ) -> None:
        self._owner, self._choose, self._wanted, self._heard = owner, choose, wanted, heard
        self._opened = opened
        self._listener: Listener | None = None
        self._current: PortInfo | None = None
        self._complaint: str | None = None

    @property
    def name(self) -> str:
        """The name of what is heard, or of what is looked for."""
        current = self._current
        return current.name if current is not None else self._wanted

    @property
    def current(self) -> PortInfo | None:
        """What is heard now."""
        return self._current

    @property
    def hears(self) -> bool:
        """Whether an input is open."""
        return self._current is not None

    def look(self, inputs: Sequence[PortInfo]) -> None:
        """Meet the inputs that are there now; called in the owner thread."""
        chosen = self._choose(inputs)
        current = self._current
        if current is not None:
            better = current.kind == "builtin" and chosen is not None and chosen.kind != "builtin"
            if better or not self._is_there(current, inputs):
                self._leave()
        if self._current is None and chosen is not None:
            self._enter(chosen)

    def close(self) -> None:
        """Hear nothing more; a second time does nothing."""
        with contextlib.suppress(PortError):
            self._owner.unwatch(self)
            self._owner.call(self._leave, CLOSE_SECONDS)

    def _is_there(self, current: PortInfo, inputs: Sequence[PortInfo]) -> bool:
        if self._listener is None or not self._listener.is_open:
            return False  # its system has died, and took it along
        if not self._owner.alive(current.system):
            return False
        if current.kind == "builtin":
            return True
        return any((i.system, i.address) == (current.system, current.address) for i in inputs)

    def _enter(self, chosen: PortInfo) -> None:
        try:
            self._opened()
            self._listener = self._owner.listen(chosen.system, chosen.address or None, self._heard)
        except PortError as error:
            if str(error) != self._complaint:
                logger.warning("%s; it is tried again", error)
            self._complaint = str(error)
            return
        self._complaint, self._current = None, chosen
        logger.info("listening to %s", chosen.name)

    def _leave(self) -> None:
        listener, self._listener = self._listener, None
        self._current = None
        if listener is not None:
            listener.close()


def open_input(
    wanted: str,
    client_name: str,
    owner: MidiOwner,
    heard: Heard,
    *,
    wait: bool = False,
    rules: AutoRules | None = None,
    opened: Callable[[], object] = lambda: None,
) -> LiveInput | None:
    """Hear an input, now or when it comes.

    Args:
        wanted: ``auto``, ``virtual``, or part of a name.
        client_name: How this program is called.
        owner: The owner thread of all ports.
        heard: Called with each message, in the thread of the listener.
        wait: Whether a MIDI system that is not there yet is waited for.
        rules: What ``auto`` may take; None allows all but our own.
        opened: Called before each opening, in the owner thread.

    Returns:
        The input, or None where ``auto`` finds no MIDI system at all.

    Raises:
        PortError: No MIDI system can be used, and one is asked for by name.
    """
    problems = owner.problems()
    usable = [system for system in owner.systems if system not in problems]
    if not usable and wait:
        usable = list(owner.systems[:1])
    if not usable:
        if wanted == "auto":
            return None
        text = "; ".join(problems.values()) or "this machine has none"
        raise PortError(f"input '{wanted}' cannot be heard: {text}; set input.port to \"off\"")
    choose = _chooser(wanted, usable[0], rules or AutoRules(client_name))
    port = LiveInput(owner, choose, wanted, heard, opened)
    owner.watch(port)
    if not port.hears:
        logger.warning("input '%s' is not there; waiting for it", wanted)
    return port


def _chooser(wanted: str, system: str, rules: AutoRules) -> Choose:
    """Return what picks the input that the user means."""
    own = PortInfo(f"{rules.own_name} in", "input", system, "builtin", "")
    if wanted == "virtual":
        return lambda inputs: own
    if wanted == "auto":
        return lambda inputs: choose_automatically(inputs, rules) or own
    return partial(match, wanted)
