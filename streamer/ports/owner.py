"""The one thread that lists, opens and closes MIDI ports, and the watch it keeps on them.

In: requests from any thread. Out: lists, open senders, and twice a second a look for every live
port at what is there. RtMidi allows no second thread to do any of this.
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
from streamer.ports.backends import Backend, Direction, Heard
from streamer.ports.base import PortInfo
from streamer.ports.clients import Listener, Sender
from streamer.ports.names import describe

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long a request may take; leaving a dead JACK server takes seconds."""

T = TypeVar("T")


class Watched(Protocol):
    """A port that wants to know what is there."""

    @property
    def direction(self) -> Direction:
        """Whether it is told of outputs or of inputs."""
        ...

    def look(self, ports: Sequence[PortInfo], /) -> None:
        """Meet the ports that are there now; called in the owner thread."""
        ...


class MidiOwner:
    """Owns the MIDI systems of the process. Public methods may be called by any thread.

    Args:
        backends: The systems; made by ``make_backends``, or fakes.
        poll_seconds: How often watched ports are looked after.
        threaded: For tests: False does everything in the caller's thread, and looks only when
            :meth:`look_now` is called.
    """

    def __init__(
        self, backends: Sequence[Backend], poll_seconds: float = 0.5, *, threaded: bool = True
    ) -> None:
        self._backends = {backend.system: backend for backend in backends}
        self._poll_seconds = poll_seconds
        self._watched: list[Watched] = []
        self._listed: dict[tuple[str, Direction], list[str]] = {}
        self._requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="midi ports", daemon=True)
            self._thread.start()

    def ports(self, direction: Direction, system: str | None = None) -> list[PortInfo]:
        """Return the ports of all systems, or of one."""
        return self.call(lambda: self._list(direction, system))

    def problems(self) -> dict[str, str]:
        """Return why each system that cannot be used cannot."""
        return self.call(self._problems)

    def open(self, system: str, address: str | None) -> Sender:
        """Open a port of a system, or a virtual one where ``address`` is None.

        Raises:
            PortError: It is busy, gone or refused.
        """
        return self.call(lambda: self._backends[system].open(address))

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
        self.call(self._backends[system].deliver)

    def watch(self, port: Watched) -> None:
        """Let a port look at once, and from now on."""
        self.call(lambda: self._watch(port))

    def unwatch(self, port: Watched) -> None:
        """Let a port look no more."""
        self.call(lambda: self._unwatch(port))

    def look_now(self) -> None:
        """Let every watched port look at what is there."""
        self.call(self._look)

    def close(self) -> None:
        """End the thread and let go of the systems; a second time does nothing."""
        if self._thread is None:
            self._close_backends()
        elif self._thread.is_alive():
            self._requests.put(None)
            self._thread.join(ANSWER_SECONDS)

    def call(self, work: Callable[[], T]) -> T:
        """Do something in the owner thread and return what it returns or raise what it raises."""
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

        self._requests.put(request)
        try:
            return answer.result(ANSWER_SECONDS)
        except TimeoutError as error:
            raise PortError(
                f"the MIDI system has not answered for {ANSWER_SECONDS:.0f} s; restart it"
            ) from error

    def _run(self) -> None:
        next_look = time.monotonic() + self._poll_seconds
        while True:
            try:
                request = self._requests.get(timeout=max(next_look - time.monotonic(), 0.0))
            except queue.Empty:
                if self._watched:
                    self._look()
                next_look = time.monotonic() + self._poll_seconds
                continue
            if request is None:
                self._close_backends()
                return
            request()

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
