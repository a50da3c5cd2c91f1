"""Talk to the service manager: ready, status, alive, reloading, stopping (sd_notify(3)).

In: what the daemon has to say, and the heartbeat of its timing thread. Out: datagrams to the
AF_UNIX socket that systemd names in ``NOTIFY_SOCKET``; nothing where there is none. Every method
may be called by any thread, and none of them ever raises or waits for long: a service manager that
does not listen is no reason for the music to stop.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from streamer.system.clock import Clock

logger = logging.getLogger(__name__)

SEND_SECONDS = 1.0
"""How long a message may wait for a service manager that is busy."""

STATUS_CHARACTERS = 200


class Notifier:
    """Sends states to the service manager.

    Args:
        address: Path of the socket, or ``@`` and a name for an abstract one; None sends nothing.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._complained = False
        if address and address[0] not in "/@":
            logger.warning("NOTIFY_SOCKET must be a path or @name, not %s; not used", address)
            self._address = None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Notifier:
        """Return the notifier that the service manager asks for, and forget the request.

        ``NOTIFY_SOCKET`` is taken out of the environment: a soft synth that we start must not
        speak for us.
        """
        return cls((os.environ if environ is None else environ).pop("NOTIFY_SOCKET", None))

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """Say that the stream runs, also after a reload."""
        self._send("READY=1", *self._status(status))

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send(*self._status(text))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that settings are read again; :meth:`ready` must follow."""
        # In microseconds of CLOCK_MONOTONIC, as Type=notify-reload asks for.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str = "") -> None:
        """Say that the stream is about to end."""
        self._send("STOPPING=1", *self._status(status))

    def _status(self, text: str) -> tuple[str, ...]:
        line = " ".join(text.split())[:STATUS_CHARACTERS]
        return (f"STATUS={line}",) if line else ()

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as peer:
                peer.settimeout(SEND_SECONDS)
                peer.connect(self._address)
                peer.sendall("\n".join(lines).encode("utf-8", "replace"))
            self._complained = False
        except OSError as error:
            if not self._complained:
                logger.warning("the service manager does not listen: %s", error)
            self._complained = True


def watchdog_seconds(environ: MutableMapping[str, str] | None = None) -> float | None:
    """Return within how many seconds the service manager wants a sign of life; None for never.

    ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are taken out of the environment, so that no child
    believes that they are meant for it.
    """
    environ = os.environ if environ is None else environ
    period, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    meant_for_us = not pid or pid == str(os.getpid())
    if not (meant_for_us and period.isascii() and period.isdigit() and int(period)):
        return None
    return int(period) / 1e6


class Watchdog:
    """Feeds the service manager's watchdog only while the timing thread truly advances.

    A thread that hangs in a send (a JACK server that died, with its queue full) stops its
    heartbeat; the service manager then hears nothing, and starts the program again. One thread.

    Args:
        notifier: Where signs of life go.
        heartbeat: When the timing thread was last seen at work, in seconds of ``clock``.
        clock: Time.
        period_seconds: Within which time the service manager wants a sign.
    """

    def __init__(
        self,
        notifier: Notifier,
        heartbeat: Callable[[], float],
        clock: Clock,
        period_seconds: float,
    ) -> None:
        if not period_seconds > 0:
            raise ValueError(f"period_seconds must be above 0, not {period_seconds}")
        self._notifier, self._heartbeat, self._clock = notifier, heartbeat, clock
        self._patience = period_seconds / 2
        self._hangs = False

    @property
    def interval_seconds(self) -> float:
        """How often :meth:`look` is to be called: thrice a period, so that one may be late."""
        return self._patience * 2 / 3

    def look(self) -> bool:
        """Feed the watchdog if the heartbeat is fresh; return whether it is."""
        silent = self._clock.now() - self._heartbeat()
        hangs = silent > self._patience
        if hangs and not self._hangs:
            logger.error("the timing thread stands still since %.1f s: no sign of life", silent)
        elif self._hangs and not hangs:
            logger.warning("the timing thread goes on")
        self._hangs = hangs
        if not hangs:
            self._notifier.alive()
        return not hangs
