"""Beside the stream, in a service: signs of life and the line that a person reads.

In: the stream's heartbeat and figures. Out: what :mod:`streamer.service.notify` tells the service
    manager.
It has a thread to itself: a card that writes for seconds, or a terminal that is held, must not look
like a stream that hangs. Without a service manager it does nothing.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from streamer.service.figures import StreamFigures
from streamer.service.notify import Notifier, Watchdog
from streamer.system.clock import Clock, Wake

logger = logging.getLogger(__name__)

STATUS_SECONDS = 5.0
"""How often the status line is renewed, where it has changed."""

JOIN_SECONDS = 1.0
"""How long it may take to end: whoever reads the figures may be held up by what hangs."""


def status_line(figures: StreamFigures) -> str:
    """Return the line that ``systemctl status`` shows a person."""
    if figures.waiting_for_port:
        doing = f"Waiting for port {figures.port}"
    else:
        doing = f"{'Paused' if figures.paused else 'Playing'} to {figures.port}"
    counts = [_counted(figures.notes_sent, "note"), _counted(figures.underruns, "underrun")]
    if figures.port_losses:
        counts.append(f"port lost {_counted(figures.port_losses, 'time')}")
    model = f"{figures.model}, {figures.scene}" if figures.scene else figures.model
    return f"{doing} with {model}: {', '.join(counts)}"


class Supervisor:
    """Tells the service manager how the stream is; a context manager around its playing.

    Args:
        notifier: Where it is told.
        heartbeat: When the timing thread was last seen at work, in seconds of ``clock``.
        figures: Reads the figures; called in this object's thread.
        clock: Time.
        watchdog_seconds: Within which time a sign of life is wanted; None for never.
    """

    def __init__(
        self,
        notifier: Notifier,
        heartbeat: Callable[[], float],
        figures: Callable[[], StreamFigures],
        clock: Clock,
        watchdog_seconds: float | None = None,
    ) -> None:
        self._notifier, self._figures, self._clock = notifier, figures, clock
        self._watchdog: Watchdog | None = None
        self._interval = STATUS_SECONDS
        if watchdog_seconds is not None:
            self._watchdog = Watchdog(notifier, heartbeat, clock, watchdog_seconds)
            self._interval = min(STATUS_SECONDS, self._watchdog.interval_seconds)
        self._told, self._told_at = "", clock.now()
        self._over = Wake()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        """Say that the stream runs, and look after it from now on."""
        if self._notifier.listens:
            # What the watchdog's SIGABRT ends says in the journal where each thread stood.
            faulthandler.enable(sys.__stderr__ or sys.stderr)
            self._notifier.ready(self._status())
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that the stream ends."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)
        self._notifier.stopping(f"Stopping: {error}" if error else "Stopping")

    def reloading(self) -> None:
        """Say that settings are read again; any thread."""
        self._notifier.reloading()

    def reloaded(self) -> None:
        """Say that they were; any thread."""
        self._notifier.ready(self._status())

    def look(self) -> None:
        """Give a sign of life if there is life, and the status if it is time for it."""
        if self._watchdog is not None:
            self._watchdog.look()
        now = self._clock.now()
        if now - self._told_at >= STATUS_SECONDS:
            self._told_at = now
            told = self._told
            if self._status() != told:
                self._notifier.status(self._told)

    def _status(self) -> str:
        self._told = status_line(self._figures())
        return self._told

    def _run(self) -> None:
        while not self._clock.wait_until(self._clock.now() + self._interval, self._over):
            self.look()


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
