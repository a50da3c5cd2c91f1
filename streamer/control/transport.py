"""The transport of JACK, as a source of the beat to follow.

In: a client that watches the server. Out: a :class:`~streamer.midi.clock.Followed`, as of a MIDI
clock. The music stands while the transport does. Where a program says bars and beats (a timebase
master: a DAW, Hydrogen, ``jack_transport``), its tempo and its bars are followed; else the music
plays at its own. When the server goes, the music goes on by itself, and the next one is followed.
One thread.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from streamer.errors import ConfigError
from streamer.midi.clock import FASTEST_CLOCK_BPM, SLOWEST_CLOCK_BPM, Followed
from streamer.ports.jacktransport import Transport
from streamer.ports.jackwatch import JackWatch, server_name, system_libjack

logger = logging.getLogger(__name__)

TRY_SECONDS = 1.0
"""How often a server that is not there is looked for."""


class Watch(Protocol):
    """What is asked of a client: :class:`streamer.ports.jackwatch.JackWatch`."""

    def connect(self) -> bool:
        """Be connected if a server runs."""
        ...

    def transport(self) -> Transport | None:
        """Return where the transport is; None without a server."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class JackFollower:
    """Follows the transport of a server.

    Args:
        watch: A client of it.
        server: What it is called.
    """

    def __init__(self, watch: Watch, server: str = "default") -> None:
        self._watch, self._server = watch, server
        self._try_at = float("-inf")
        self._told: bool | None = None
        self._rolls = self._counts = False
        self._starts = 0

    @property
    def said(self) -> str:
        """What a person is told."""
        if not self._told:
            return "JACK, no server"
        bars = "" if self._counts else ", no bars"
        return f"JACK, {'rolling' if self._rolls else 'stopped'}{bars}"

    def look(self, now: float) -> Followed:
        """Return what the transport says."""
        found = self._watch.transport()
        if found is None and now >= self._try_at:
            self._try_at = now + TRY_SECONDS
            found = self._watch.transport() if self._watch.connect() else None
        self._tell(found is not None)
        if found is None:
            self._rolls = False
            return Followed(at=now)
        self._starts += found.rolling and not self._rolls
        self._rolls, self._counts = found.rolling, found.tempo_bpm is not None
        if found.tempo_bpm is None:
            return Followed(external=True, halted=not found.rolling, at=now, starts=self._starts)
        return Followed(
            external=True,
            locked=True,
            halted=not found.rolling,
            tempo_bpm=min(max(found.tempo_bpm, SLOWEST_CLOCK_BPM), FASTEST_CLOCK_BPM),
            beat=found.beat,
            at=now - found.age_seconds,
            starts=self._starts,
            bar=found.bar,
        )

    def close(self) -> None:
        """Leave the server."""
        self._watch.close()

    def _tell(self, there: bool) -> None:
        if there is self._told:
            return
        self._told = there
        if there:
            logger.info("following the transport of JACK server %s", self._server)
        else:
            logger.warning(
                "no JACK server %s; playing by the own clock until it runs", self._server
            )


def libjack() -> Path:
    """Return the libjack of this machine.

    Raises:
        ConfigError: There is none.
    """
    found = system_libjack()
    if found is None:
        raise ConfigError(
            ["--clock jack needs libjack, which is not here: apt install libjack-jackd2-0"]
        )
    return found


def jack_follower(client_name: str) -> JackFollower:
    """Return a follower of the server that programs here look for.

    Args:
        client_name: How this program is called.

    Raises:
        ConfigError: There is no libjack.
    """
    return JackFollower(JackWatch(f"{client_name} transport", libjack()), server_name())
