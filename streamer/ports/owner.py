"""The one thread that lists, opens and closes MIDI ports, and the watch it keeps on them.

In: requests from any thread. Out: lists, open senders, and twice a second a look for every live
port at what is there. RtMidi allows no two threads to do any of this at once: where several streams
play in one process, their owners take turns.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from streamer.errors import PortError
from streamer.ports.backends import Backend, Direction
from streamer.ports.base import PortInfo
from streamer.ports.clients import Heard, Listener, Sender
from streamer.ports.names import describe

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long a request may take; leaving a dead JACK server takes seconds."""

CLOSE_SECONDS = 1.0
"""How long a request at the end may take: a process that is to end does."""

LEAVE_SECONDS = 2.0
"""How long the end itself may take. A JACK server waits six seconds for a client that has left
without a word, and whoever else wants something of it waits too."""

DOUBT_SECONDS = 0.25
"""How long a request may take while an earlier one, which was given up, has no answer yet."""

_TURN = threading.Lock()
"""Held while an owner's thread lists, opens or closes."""

T = TypeVar("T")


class Watched(Protocol):
    """A port that wants to know what is there."""

    @property
    def direction(self) -> Direction:
        """Whether it is told of outputs or of inputs."""
        ...

    @property
    def current(self) -> PortInfo | None:
        """What it is on now."""
        ...

    def look(self, ports: Sequence[PortInfo], /) -> None:
        """Meet the ports that are there now; called in the owner thread."""
        ...


class MidiOwner:
    """Owns the MIDI systems of a stream. Public methods may be called by any thread.

    Args:
        backends: The systems; made by ``make_backends``, or fakes.
        poll_seconds: How often watched ports are looked after.
        threaded: For tests: False does everything in the caller's thread, and looks only when
            :meth:`look_now` is called.

    Attributes:
        sent: Told of each message that leaves through a port of this owner, by whoever sends it.
    """

    def __init__(
        self, backends: Sequence[Backend], poll_seconds: float = 0.5, *, threaded: bool = True
    ) -> None:
        self._backends = {backend.system: backend for backend in backends}
        self._poll_seconds = poll_seconds
        self._given_up = False
        self.sent: Callable[[bytes], object] = lambda message: None
        self._watched: list[Watched] = []
        self._linked: dict[PortInfo, list[str] | None] = {}
        self._listed: dict[tuple[str, Direction], list[str]] = {}
        self._requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="midi ports", daemon=True)
            self._thread.start()

    def ports(self, direction: Direction, system: str | None = None) -> list[PortInfo]:
        """Return the ports of all systems, or of one."""
        return self.call(lambda: self._list(direction, system))

    def seen(self) -> list[tuple[PortInfo, bool]]:
        """Return what was there at the last look, each with whether a port of ours is on it.

        It asks no MIDI system and never waits.
        """
        used = [one for port in list(self._watched) if (one := port.current) is not None]
        found = [
            one
            for (system, direction), names in list(self._listed.items())
            for one in describe(names, system, direction)
        ]
        own = [one for one in used if one not in found]
        return [(one, one in used) for one in (*own, *found)]

    def linked(self, port: PortInfo) -> list[str] | None:
        """Return what was connected to a port of our own at the last look.

        None for other ports, and where the system does not tell. It asks nobody and never waits.
        """
        return self._linked.get(port)

    def problems(self) -> dict[str, str]:
        """Return why each system that cannot be used cannot."""
        return self.call(self._problems)

    def open(self, system: str, address: str | None) -> Sender:
        """Open a port of a system, or a virtual one where ``address`` is None.

        Raises:
            PortError: It is busy, gone or refused.
        """
        return self.call(lambda: self._open(system, address))

    def listen(self, system: str, address: str | None, heard: Heard) -> Listener:
        """Open an input of a system, or one of our own where ``address`` is None.

        Raises:
            PortError: It is busy, gone or refused.
        """
        return self.call(lambda: self._backends[system].listen(address, heard))

    def alive(self, system: str) -> bool:
        """Whether senders of a system can still work; owner thread."""
        return self._backends[system].alive()

    def stands_still(self, system: str) -> bool:
        """Whether a system lives and sends nothing; owner thread."""
        return self._backends[system].stands_still()

    def deliver(self, system: str) -> None:
        """Return when a system has delivered what it was sent, or cannot.

        Raises:
            PortError: The owner thread has ended, or hangs.
        """
        self.call(self._backends[system].deliver, CLOSE_SECONDS)

    def watch(self, port: Watched) -> None:
        """Let a port look at once, and from now on."""
        self.call(lambda: self._watch(port))

    def unwatch(self, port: Watched) -> None:
        """Let a port look no more."""
        self.call(lambda: self._unwatch(port), CLOSE_SECONDS)

    def look_now(self) -> None:
        """Let every watched port look at what is there."""
        self.call(self._look)

    def look_for(self, port: Watched, seconds: float) -> None:
        """Let one port look at what is there; it may take so many seconds."""
        self.call(lambda: port.look(self._list(port.direction, None)), seconds)

    def close(self) -> None:
        """End the thread and let go of the systems; a second time does nothing."""
        if self._thread is None:
            self._close_backends()
        elif self._thread.is_alive():
            self._requests.put(None)
            self._thread.join(LEAVE_SECONDS)

    def call(self, work: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
        """Do something in the owner thread and return what it returns or raise what it raises.

        A signal whose handler raises ends the wait.

        Args:
            work: What is to be done.
            seconds: How long it may take; less while an earlier request has no answer.

        Raises:
            PortError: The MIDI system does not answer, or the ports are closed.
        """
        if self._thread is None or threading.current_thread() is self._thread:
            return work()
        if not self._thread.is_alive():
            raise PortError("the MIDI ports are closed already")
        answer: Future[T] = Future()

        def request() -> None:
            try:
                answer.set_result(work())
            except Exception as error:  # noqa: BLE001 - handed to the thread that asked
                answer.set_exception(error)
            self._given_up = False

        self._requests.put(request)
        seconds = min(seconds, DOUBT_SECONDS) if self._given_up else seconds
        try:
            return answer.result(seconds)
        except TimeoutError as error:
            raise PortError(
                f"the MIDI system has not answered for {seconds:g} s; restart it"
            ) from error
        finally:
            self._given_up = not answer.done()

    def _run(self) -> None:
        next_look = time.monotonic() + self._poll_seconds
        while True:
            try:
                request = self._requests.get(timeout=max(next_look - time.monotonic(), 0.0))
            except queue.Empty:
                if self._watched:
                    with _TURN:
                        self._look()
                next_look = time.monotonic() + self._poll_seconds
                continue
            with _TURN:
                if request is None:
                    self._close_backends()
                    return
                request()

    def _open(self, system: str, address: str | None) -> Sender:
        sender = self._backends[system].open(address)
        sender.sent = self.sent
        return sender

    def _watch(self, port: Watched) -> None:
        self._watched.append(port)
        port.look(self._list(port.direction, None))

    def _unwatch(self, port: Watched) -> None:
        if port in self._watched:
            self._watched.remove(port)

    def _look(self) -> None:
        there = {way: self._list(way, None) for way in {port.direction for port in self._watched}}
        for port in self._watched:
            try:
                port.look(there[port.direction])
            except Exception:
                # The watch outlives whatever a system answers while a device is being unplugged.
                logger.exception("looking after a port failed; it is tried again")
        try:
            self._look_at_links()
        except Exception:
            logger.exception("asking what is connected failed; it is tried again")

    def _look_at_links(self) -> None:
        own = {one for port in self._watched if (one := port.current) and one.kind == "builtin"}
        self._linked = {port: self._backends[port.system].linked(port.direction) for port in own}

    def _list(self, direction: Direction, system: str | None) -> list[PortInfo]:
        found: list[PortInfo] = []
        for name, backend in self._backends.items():
            if system in (None, name):
                try:
                    self._listed[name, direction] = backend.names(direction)
                except (OSError, RuntimeError, ValueError) as error:
                    # Listing while one device is unplugged may fail, and the others are there yet:
                    # the last list holds until the next look.
                    logger.debug("listing %s failed: %s", name, error)
                found.extend(describe(self._listed.get((name, direction), ()), name, direction))
        return found

    def _problems(self) -> dict[str, str]:
        found = {name: backend.problem() for name, backend in self._backends.items()}
        return {name: problem for name, problem in found.items() if problem}

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, the preferred one first."""
        return tuple(self._backends)

    def _close_backends(self) -> None:
        for backend in self._backends.values():
            backend.close()
