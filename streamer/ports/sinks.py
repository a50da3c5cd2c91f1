"""Ports that are made of other ports, or of nothing."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.errors import RecordingError, StreamerError
from streamer.midi.channels import ChannelMap, moved_by
from streamer.midi.messages import channel_of, check_message, has_channel, on_channel
from streamer.ports.base import Port, PortLost, settle


class NullPort:
    """A port that hears everything and does nothing: for benchmarks and dry runs."""

    name = "null"
    epoch = 1

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Check the message and forget it."""
        check_message(message)

    def close(self) -> None:
        """Do nothing."""


class ChannelPort:
    """A port whose channels are others than the stream's.

    Args:
        port: Where to.
        channels: A table; or what is added to each channel, 0..15, where the sum goes round at 16.
    """

    def __init__(self, port: Port, channels: int | ChannelMap) -> None:
        self._port = port
        self._channels = moved_by(channels) if isinstance(channels, int) else channels

    @property
    def name(self) -> str:
        """The name of the port behind it."""
        return self._port.name

    @property
    def epoch(self) -> int:
        """That of the port behind it."""
        return self._port.epoch

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send the message on its other channel, or not at all."""
        if has_channel(message):
            channel = self._channels[channel_of(message)]
            if channel is None:
                return
            message = on_channel(message, channel)
        self._port.send(message, at_ms)

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        settle(self._port)

    def close(self) -> None:
        """Close the port behind it."""
        self._port.close()


class FanOutPort:
    """Several ports that get the same: a synth, another one, and a recorder.

    The music waits only while none of the ``ports`` is there. A follower never holds it up: what
    it cannot write it reports when it is closed.

    Args:
        ports: Where the music is heard; at least one.
        followers: Recorders and the like.
    """

    def __init__(self, ports: Sequence[Port], followers: Sequence[Port] = ()) -> None:
        if not ports:
            raise ValueError("ports must be 1 or more, not 0")
        self._ports, self._followers = tuple(ports), tuple(followers)

    @property
    def name(self) -> str:
        """The names of the ports, without those of followers."""
        return " + ".join(port.name for port in self._ports)

    @property
    def epoch(self) -> int:
        """0 while no port is there; it changes when any of them has been away."""
        return sum(port.epoch for port in self._ports)

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send to all, whatever one of them meets; the first error that is not a loss is raised.

        Raises:
            PortLost: None of the ports is there.
            PortError: One of them cannot be used any more.
        """
        lost: list[PortLost] = []
        failed: StreamerError | None = None
        for port in (*self._followers, *self._ports):
            try:
                port.send(message, at_ms)
            except PortLost as error:
                lost.append(error)
            except StreamerError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        if len(lost) == len(self._ports):
            raise lost[0]

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`."""
        for port in self._ports:
            settle(port)

    def close(self) -> None:
        """Close all of them, then raise the first error.

        Raises:
            StreamerError: One could not be closed as it should; a recording's error comes first.
        """
        errors: list[StreamerError] = []
        for port in (*self._ports, *self._followers):
            try:
                port.close()
            except StreamerError as error:
                errors.append(error)
        errors.sort(key=lambda error: not isinstance(error, RecordingError))
        if errors:
            raise errors[0]
