"""Several outputs that get the same music, each of which may come and go for itself.

In: messages from the scheduler. Out: the same to each output, on its own channels. An output that
goes away takes nothing from the others; when it is back it is silenced, greeted and told where the
song is, alone. The music waits only while none of them is there.

All methods belong to the scheduler's thread, ``name`` and ``epoch`` excepted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from streamer.errors import RecordingError, StreamerError
from streamer.midi.messages import CONTINUE, SONG_POSITION, START, STOP, kind_of
from streamer.midi.sounding import FORGOTTEN_SECONDS, SoundingTable, insist
from streamer.ports.base import Port, PortLost, settle
from streamer.ports.owner import MidiOwner
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)


class _Output:
    """One output, and what sounds on it."""

    def __init__(self, port: Port, clock: Clock) -> None:
        self.port, self._clock = port, clock
        self.epoch = port.epoch
        self.failure: StreamerError | None = None
        self.table = SoundingTable()
        self._runs = False

    @property
    def there(self) -> bool:
        """Whether it can be sent to, and was met since it came."""
        return self.failure is None and 0 != self.epoch == self.port.epoch

    @property
    def may_come(self) -> bool:
        """Whether it is there, or may be there again."""
        return self.failure is None

    def send(self, message: bytes, at_ms: float | None) -> None:
        """Send one message; see :class:`streamer.ports.base.Port`."""
        if not self.there:
            raise PortLost(f"port {self.port.name} is gone")
        status = kind_of(message)
        if status in (SONG_POSITION, START, CONTINUE) and self._runs:
            return  # meant for one that has just come
        self.table.before(message)
        self.port.send(message, at_ms)
        self.table.after(message, self._clock.now())
        if status in (START, CONTINUE, STOP):
            self._runs = status != STOP

    def meet(self, epoch: int, greeting: Iterable[bytes]) -> None:
        """Take note that it went or came; what it may have kept sounding is silenced."""
        if self.epoch:
            self.table.doubt(self._clock.now() - FORGOTTEN_SECONDS)
        self.epoch, self._runs = epoch, False
        if epoch:
            self.silence()
            insist(greeting, self._pass)

    def silence(self) -> None:
        """Silence what sounds here."""
        insist(self.table.silence(), self._pass)

    def _pass(self, message: bytes) -> bool:
        try:
            self.send(message, None)
        except PortLost:
            return False
        return True


class Outputs:
    """A :class:`streamer.ports.base.Port` of several.

    Args:
        ports: One or more; closed with this one.
        clock: Time.
        greeting: What a synth is told when it is back, as it stands then.
        owner: Closed after the ports; None where others do that.

    Attributes:
        losses: How often one of them went away while another was there.
    """

    def __init__(
        self,
        ports: Sequence[Port],
        clock: Clock,
        greeting: Iterable[bytes] = (),
        owner: MidiOwner | None = None,
    ) -> None:
        if not ports:
            raise ValueError("ports must be 1 or more, not 0")
        self._outputs = tuple(_Output(port, clock) for port in ports)
        self._greeting, self._owner = greeting, owner
        self._epoch = 1
        self._waits = not any(output.there for output in self._outputs)
        self.losses = 0

    @property
    def name(self) -> str:
        """The names of all; any thread."""
        return " + ".join(
            output.port.name + ("" if output.there else " (gone)") for output in self._outputs
        )

    @property
    def epoch(self) -> int:
        """0 while none is there; it changes when one has come after that. Any thread."""
        return self._epoch if any(output.there for output in self._outputs) else 0

    def tend(self) -> bool:
        """Look after outputs that went or came; called again and again.

        Returns:
            Whether one has come, to which a clock is to say where the song is.
        """
        came = False
        for output in self._outputs:
            epoch = output.port.epoch
            if epoch == output.epoch or not output.may_come:
                continue
            had = output.epoch
            output.meet(epoch, self._greeting)
            others = any(other.there for other in self._outputs if other is not output)
            if not epoch:
                self.losses += others
                rest = "the others play on" if others else "waiting for it"
                logger.warning("output %s is gone; %s", output.port.name, rest)
            else:
                came = True
                logger.info("playing to %s%s", output.port.name, " again" if had else "")
        waits = not any(output.there for output in self._outputs)
        if self._waits and not waits:
            self._epoch += 1
        self._waits = waits
        return came

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Send to all that are there, whatever one of them meets.

        Raises:
            PortLost: None took it, and one of them may come back.
            PortError: None of them can be used any more.
        """
        taken = 0
        for output in self._outputs:
            try:
                output.send(message, at_ms)
                taken += 1
            except PortLost:
                continue
            except StreamerError as error:
                output.failure = error
                logger.warning("output %s is given up: %s", output.port.name, error)
        if taken:
            return
        if any(output.may_come for output in self._outputs):
            raise PortLost("no output is there")
        raise next(output.failure for output in self._outputs if output.failure is not None)

    def settle(self) -> None:
        """See :class:`streamer.ports.base.MayGoUnnoticed`; the scheduler's thread has ended."""
        for output in self._outputs:
            settle(output.port)
        self.tend()

    def close(self) -> None:
        """Silence what one of them still keeps sounding, and close all; then raise the first error.

        Raises:
            StreamerError: One could not be closed as it should; a recording's error comes first.
        """
        self.tend()
        errors: list[StreamerError] = []
        for output in self._outputs:
            if output.there and (output.table.keys or output.table.pedals):
                output.silence()
            try:
                output.port.close()
            except StreamerError as error:
                errors.append(error)
        if self._owner is not None:
            self._owner.close()
        errors.sort(key=lambda error: not isinstance(error, RecordingError))
        if errors:
            raise errors[0]
