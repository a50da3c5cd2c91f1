"""A live port: a hardware synth, a program, or a virtual port of our own, that may come and go.

In: messages from the scheduler; what is there from the owner thread. It opens what it was told to
look for as soon as that is there, lets go of it when it is gone, and says so through ``epoch``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from streamer.errors import PortError
from streamer.midi.messages import check_message
from streamer.midi.sounding import SoundingTable
from streamer.ports.backends import Direction
from streamer.ports.base import PortInfo, PortLost
from streamer.ports.clients import Sender
from streamer.ports.owner import CLOSE_SECONDS, MidiOwner

logger = logging.getLogger(__name__)

Choose = Callable[[Sequence[PortInfo]], PortInfo | None]
"""From the outputs that are there to the one to play to; None waits."""


def virtual_port(system: str, client_name: str) -> PortInfo:
    """Return what stands for a port of our own, which others connect to."""
    return PortInfo(client_name, "output", system, "builtin", "")


class LivePort:
    """A :class:`streamer.ports.base.Port` on a MIDI system.

    Args:
        owner: The owner thread.
        choose: What to play to.
        wanted: How the user calls it, for messages.
        owns: Whether the owner is closed with this port.
    """

    direction: Direction = "output"

    def __init__(self, owner: MidiOwner, choose: Choose, wanted: str, *, owns: bool = True) -> None:
        self._owns = owns
        self._owner, self.choose, self._wanted = owner, choose, wanted
        self._sender: Sender | None = None
        self._current: PortInfo | None = None
        self._opened = 0
        self._epoch = 0
        self._complaint: str | None = None
        self._table = SoundingTable()
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        """The name of what is open, or of what is looked for."""
        current = self._current
        return current.name if current is not None else self._wanted

    @property
    def epoch(self) -> int:
        """See :class:`streamer.ports.base.Port`."""
        return self._epoch

    @property
    def current(self) -> PortInfo | None:
        """What is open now."""
        return self._current

    @property
    def complaint(self) -> str | None:
        """Why the port that is there could not be opened, or None."""
        return self._complaint

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send one message; see :class:`streamer.ports.base.Port`."""
        check_message(message)
        sender = self._sender
        if sender is None or not self._epoch:
            raise PortLost(f"port '{self._wanted}' is gone")
        self._table.before(message)
        try:
            sender.send(message)
        except PortLost:
            # The owner thread closes it at its next look; nothing more is sent until then.
            self._epoch = 0
            raise
        self._table.after(message)

    def look(self, outputs: Sequence[PortInfo]) -> None:
        """Meet the outputs that are there now; called in the owner thread."""
        if self._closed.is_set():
            return
        chosen = self.choose(outputs)
        if self._current is not None and self._sender is not None:
            there = self._sender.is_open and self._is_there(self._current, outputs)
            if there and self._owner.stands_still(self._current.system):
                # What it were sent now would come all at once; it is opened anew when it goes on.
                self._epoch = 0
                return
            if not there or not self._epoch:
                self._leave(answering=False)
            elif (
                self._current.kind == "builtin" and chosen is not None and chosen.kind != "builtin"
            ):
                self._leave(answering=True)
            else:
                self._sender.confirm()
        if self._sender is None and chosen is not None:
            self._enter(chosen)

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        with contextlib.suppress(PortError):
            self._owner.look_for(self, CLOSE_SECONDS)

    def close(self) -> None:
        """Silence what this port may have left sounding, and let it and its owner go."""
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(PortError):
            self._owner.unwatch(self)
        # Here first: the owner thread may hang, and what sounds is not to wait for it.
        self._silence()
        with contextlib.suppress(PortError):
            self._owner.call(partial(self._leave, answering=True), CLOSE_SECONDS)
        if self._owns:
            self._owner.close()

    def _is_there(self, current: PortInfo, outputs: Sequence[PortInfo]) -> bool:
        if not self._owner.alive(current.system):
            return False
        if current.kind == "builtin":
            return True
        return any((o.system, o.address) == (current.system, current.address) for o in outputs)

    def _enter(self, chosen: PortInfo) -> None:
        try:
            self._sender = self._owner.open(chosen.system, chosen.address or None)
        except PortError as error:
            if str(error) != self._complaint:
                logger.warning("%s; it is tried again", error)
            self._complaint = str(error)
            return
        self._complaint = None
        self._current = chosen
        self._opened += 1
        self._epoch = self._opened

    def _silence(self, sender: Sender | None = None) -> None:
        """End what this port may have left sounding, as far as it answers."""
        sender = sender or self._sender
        if sender is None or not (self._table.keys or self._table.pedals):
            return
        for message in self._table.silence():
            with contextlib.suppress(PortLost):
                sender.send(message)
                self._table.after(message)

    def _leave(self, *, answering: bool) -> None:
        """Close what is open; where it still answers, silence it first, and let that be heard."""
        sender, self._sender = self._sender, None
        current, self._current = self._current, None
        self._epoch = 0
        if sender is None:
            return
        if answering:
            self._silence(sender)
        if answering and current is not None:
            # Whoever silenced it, the last messages may still be on their way.
            with contextlib.suppress(PortError):
                self._owner.deliver(current.system)
        self._table = SoundingTable()
        sender.close()
