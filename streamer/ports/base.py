"""What every port is to the scheduler, and what every list of ports says about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from streamer.errors import PortError

Kind = Literal["hardware", "bridge", "software", "builtin"]
"""``bridge``: a program that stands for hardware on a serial line, the network or Bluetooth."""


class PortLost(PortError):
    """The port does not answer any more, but may come back; the scheduler waits for it."""


class Port(Protocol):
    """Where messages go. Only the scheduler's thread sends; closing comes after it has ended.

    Attributes:
        name: What a person calls it.
        epoch: 0 while nothing can be sent. Another number than before means that the port has been
            away, noticed or not: what sounded on it must be silenced again.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def epoch(self) -> int:
        """0 while nothing can be sent; it changes whenever the port has been away."""
        ...

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send one message.

        Args:
            message: A whole MIDI message, 1 to 3 bytes.
            at_ms: Its place in the played music, ms, for ports that write it down; None is now.

        Raises:
            PortLost: The port is gone and may come back.
            PortError: It cannot be used any more.
        """
        ...

    def close(self) -> None:
        """Let it go; a second time does nothing.

        Raises:
            StreamerError: What was sent could not be kept.
        """
        ...


@runtime_checkable
class MayGoUnnoticed(Protocol):
    """A port that may be away for a moment without anybody noticing."""

    def settle(self) -> None:
        """Find out whether it was, within a second; its ``epoch`` tells then."""
        ...


def settle(port: Port) -> None:
    """Let a port find out whether what was sent was heard, if it is one of which that is not sure.

    Not the scheduler's thread: it may take a second.
    """
    if isinstance(port, MayGoUnnoticed):
        port.settle()


@dataclass(frozen=True, slots=True)
class PortInfo:
    """One port that can be played to or from.

    Attributes:
        name: What a person types: without the numbers that change from one start to the next.
        direction: Whether this program sends to it or receives from it.
        system: The MIDI system it belongs to: ``alsa``, ``jack``, ``coremidi``, ``winmm``, or
            ``builtin`` for what this program brings along.
        kind: What stands behind it.
        address: The name in its system, with numbers.
    """

    name: str
    direction: Literal["output", "input"]
    system: str
    kind: Kind
    address: str
